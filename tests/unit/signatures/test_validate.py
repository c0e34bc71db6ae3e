from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sipsensor.model import Action, AppProtocol, Confidence, Direction, Family
from sipsensor.signatures import SignatureError, load
from sipsensor.signatures.schema import RULE_KEYS

Write = Callable[..., Path]
WHERE = "signatures/rules.toml: rule 1001 scanner.probe.user-agent: "


def said(folder: Path) -> tuple[str, ...]:
    with pytest.raises(SignatureError) as caught:
        load(shipped=folder)
    return caught.value.problems


def test_a_good_rule(write: Write) -> None:
    (rule,) = load(shipped=write(('direction = "inbound"', 'direction = "both"\nmethods = ["OPTIONS", "REGISTER"]')))
    assert (rule.id, rule.slug, rule.rev, rule.name) == (1001, "scanner.probe.user-agent", 1, "A probe")
    assert (rule.protocol, rule.direction, rule.family) == (AppProtocol.SIP, None, Family.SCANNER)
    assert (rule.confidence, rule.severity, rule.action) == (Confidence.HIGH, 2, Action.DROP)
    assert (rule.since, rule.modified, rule.methods, rule.when) == ("0.1.0", "2026-11-22", ("OPTIONS", "REGISTER"), "")
    assert [sample.payload for sample in rule.positive] == [
        b"OPTIONS sip:a@b SIP/2.0\r\nUser-Agent: probe\r\n\r\n",
        b"REGISTER sip:b SIP/2.0\r\nUser-Agent: probe\r\n\r\n",
    ]
    assert rule.negative[1].payload == b"OPTIONS"


@pytest.mark.parametrize("text", ["inbound", "outbound"])
def test_directions(write: Write, text: str) -> None:
    (rule,) = load(shipped=write(('"inbound"', f'"{text}"')))
    assert rule.direction is Direction[text.upper()]


@pytest.mark.parametrize("key", sorted(RULE_KEYS - {"id", "slug", "samples"}))
def test_every_key_is_needed(write: Write, key: str, tmp_path: Path) -> None:
    folder = write()
    lines = (folder / "rules.toml").read_text().splitlines()
    (tmp_path / "shipped" / "rules.toml").write_text(
        "\n".join(line for line in lines if not line.startswith(f"{key} ="))
    )
    assert any(line.startswith(f"{WHERE}{key}: ") for line in said(folder))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("rev = 1", "rev = 1\ncolour = 3", "colour: unknown key; known are action, "),
        ("rev = 1", "rev = 0", "rev: 0 is not from 1 to 9999"),
        ("rev = 1", "rev = true", "rev: True is not a whole number; write a whole number"),
        ("severity = 2", "severity = 6", "severity: 6 is not from 1 to 5"),
        ("severity = 2", 'severity = "bad"', 'severity: "bad" is not a whole number; write a whole number'),
        ('name = "A probe"', 'name = " "', "name: is not one line of printable text"),
        ('name = "A probe"', 'name = "a\\nb"', "name: is not one line of printable text"),
        ('protocol = "sip"', 'protocol = "rtp"', 'protocol: "rtp" is unknown; one of iax2, sip'),
        (
            'protocol = "sip"',
            'protocol = "iax2"\nmethods = ["INVITE"]',
            'methods: needs a list of method names; unknown: "INVITE"',
        ),
        ('protocol = "sip"', 'protocol = "iax2"\nwhen = "request"', "when: frames are neither requests nor responses"),
        ('"inbound"', '"in"', 'direction: "in" is unknown; one of both, inbound, outbound'),
        ('confidence = "high"', 'confidence = "sure"', 'confidence: "sure" is unknown; one of high, low, medium'),
        ('action = "drop"', 'action = "ban"', 'action: "ban" is unknown; one of alert, drop, off'),
        (
            'confidence = "high"',
            'confidence = "medium"',
            "action: drop needs confidence high, not medium; one packet must be enough",
        ),
        ('since = "0.1.0"', 'since = "soon"', 'since: "soon" is not the version that brought the rule, like 0.1.0'),
        (
            "modified = 2026-11-22",
            'modified = "2026-11-22"',
            "modified: needs the date of the last change, like 2026-11-22, without quotes",
        ),
        ("modified = 2026-11-22", "modified = 2026-11-22T10:00:00Z", "modified: needs the date of the last change"),
        ("rev = 1", 'rev = 1\nwhen = "now"', 'when: "now" is unknown; one of request, response'),
        ("rev = 1", 'rev = 1\nmethods = ["CALL"]', 'methods: needs a list of method names; unknown: "CALL"'),
        ("rev = 1", "rev = 1\nmethods = []", "methods: needs a list of method names; unknown: none"),
        ("rev = 1", 'rev = 1\nmethods = ["BYE"]\nwhen = "response"', "methods: requests alone have a method"),
        ('[{ kind = "source", text = "its source" }]', "[]", "references: is empty; say where the rule is from"),
        ('[{ kind = "source", text = "its source" }]', '["x"]', "references[0]: is not a table"),
        (
            'kind = "source"',
            'kind = "hearsay"',
            'references[0].kind: "hearsay" is unknown; one of advisory, capture, list, report, rfc, source',
        ),
        (
            'text = "its source" }',
            'text = "its source", url = "x" }',
            "references[0].url: unknown key; known are kind, text",
        ),
        ('text = "its source"', 'text = "a\\tb"', "references[0].text: is not one line of printable text"),
        (
            'kind = "source"',
            'kind = "list"',
            "references: a high rule on User-Agent alone needs one of kind source, or two independent ones",
        ),
        (
            "samples.pass = [",
            "samples.other = []\nsamples.pass = [",
            "samples.other: unknown key; known are match, pass",
        ),
        ('name = "two"', 'name = "one"', 'samples: two are called "one"; rename one'),
        ("REGISTER sip:b", "OPTIONS sip:a@b", "samples.match: holds the same message twice; one of them shows nothing"),
        ('hex = "4f5054494f4e53"', 'hex = "4f505"', "samples.pass[1].hex: is not pairs of hex digits"),
        ('hex = "4f5054494f4e53"', 'hex = ""', "samples.pass[1]: is 0 bytes long; a datagram holds 1 to 65507"),
        ('hex = "4f5054494f4e53"', 'hex = "00", text = "x"', "samples.pass[1]: needs text or hex, and not both"),
        ('{ name = "four", hex = "4f5054494f4e53" }', '"four"', "samples.pass[1]: is not a table; write name and text"),
        ('kind = "equal"', 'kind = "equals"', 'match.kind: "equals" is unknown; one of absent, anomaly, any-of, '),
        (
            '{ kind = "equal", field = "user-agent", value = "probe" }',
            '{ kind = "absent", field = "user-agent" }',
            "match: is true for messages",
        ),
        ('{ kind = "equal", field = "user-agent", value = "probe" }', "3", "match: 3 is not a table"),
    ],
)
def test_what_is_wrong_is_named(write: Write, old: str, new: str, line: str) -> None:
    lines = said(write((old, new)))
    assert any(found.startswith(WHERE + line) for found in lines), lines


@pytest.mark.parametrize(
    ("number", "said_of_it"),
    [
        (4001, "id: 4001 is in no range of signatures: tools by User-Agent 1000-1999, "),
        (0, "id: 0 is in no range of signatures"),
        (3001, 'slug: "scanner.probe.user-agent" does not start with fraud, the family of the numbers of fraud'),
    ],
)
def test_numbers_have_their_ranges(write: Write, number: int, said_of_it: str) -> None:
    lines = said(write(("id = 1001", f"id = {number}")))
    assert any(said_of_it in line for line in lines), lines


@pytest.mark.parametrize(
    "slug",
    ["scanner", "scanner.probe", "Scanner.probe.x", "scanner.probe.user_agent", "scanner.probe.x.y", "scanner..x"],
)
def test_a_slug_has_three_words(write: Write, slug: str) -> None:
    (line,) = said(write(("scanner.probe.user-agent", slug)))
    assert f'slug: "{slug}" is not family.subject.detail' in line


def test_a_slug_has_a_known_family(write: Write) -> None:
    (line,) = said(write(("scanner.probe.user-agent", "pest.probe.x")))
    assert 'slug: "pest" is no family; one of enumeration, evasion, ' in line


def test_a_rule_of_user_agents_reads_nothing_else(write: Write) -> None:
    (line,) = said(write(('field = "user-agent"', 'field = "server"')))
    assert line == WHERE + "id: 1001 is for rules that read nothing but user-agent"


@pytest.mark.parametrize(("confidence", "action", "needed"), [("high", "drop", 2), ("medium", "alert", 1)])
def test_how_many_samples_are_needed(write: Write, confidence: str, action: str, needed: int) -> None:
    changes = [('confidence = "high"', f'confidence = "{confidence}"'), ('action = "drop"', f'action = "{action}"')]
    one_left = ('    { name = "two", text = "REGISTER sip:b SIP/2.0\\nUser-Agent: probe\\n\\n" },\n', "")
    if needed == 1:
        (rule,) = load(shipped=write(*changes, one_left))
        assert len(rule.positive) == 1
    else:
        (line,) = said(write(*changes, one_left))
        assert (
            line
            == WHERE + "samples.match: needs 2 or more; a rule of high confidence has two of each sort, any other one"
        )


def test_a_rule_that_cannot_be_named_is_counted(write: Write) -> None:
    folder = write(("id = 1001\n", ""), ('slug = "scanner.probe.user-agent"\n', ""))
    assert said(folder)[0].startswith("signatures/rules.toml: rule number 1: ")
