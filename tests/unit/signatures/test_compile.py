from __future__ import annotations

from typing import Any

import pytest

from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.model import Action, Family, Reason
from sipsensor.signatures import SignatureError, SignatureSet, compile_signatures, load
from sipsensor.signatures.compile import as_rule
from sipsensor.signatures.samples import messages_of
from sipsensor.signatures.schema import Leaf, Node, Tree
from tests.unit.signatures.building import message, signature

PROBE = Leaf("equal", "user-agent", "probe")


def look(compiled: SignatureSet, payload: bytes) -> Examined:
    (examined,) = messages_of(Examiner(compiled.matcher), payload)
    return examined


def fires(match: Tree, payload: bytes, **other: Any) -> bool:
    compiled = compile_signatures([signature(match, **other)])
    return bool(compiled.fired(look(compiled, payload)))


def test_a_rule_as_the_engine_knows_it() -> None:
    rule = as_rule(signature(PROBE))
    assert (rule.id, rule.slug, rule.rev, rule.family) == (9001, "scanner.test.n9001", 3, Family.SCANNER)
    assert (rule.reason, rule.action, rule.detector, rule.spoofable) == (Reason.SIGNATURE, Action.DROP, "scanner", True)


def test_all_shipped_signatures_fit() -> None:
    signatures = load()
    compiled = compile_signatures(signatures)
    assert {rule.id for rule in compiled.rules} == {one.id for one in signatures}
    assert len(compiled.rules) == len(compiled.directions) == len(compiled.fields) == compiled.matcher.rule_count
    assert compiled.matcher.state_count > 100


@pytest.mark.parametrize(
    ("match", "line", "answer"),
    [
        (Leaf("present", "subject"), "Subject: x", True),
        (Leaf("present", "subject"), "Organization: x", False),
        (Leaf("absent", "subject"), "Organization: x", True),
        (Leaf("absent", "subject"), "s: x", False),
        (Leaf("equal", "subject", "A b"), "Subject:  a\r\n\tB ", True),
        (Leaf("equal", "subject", "A b", cased=True), "Subject: a b", False),
        (Leaf("equal", "subject", "a  b", raw=True), "Subject: a  b", True),
        (Leaf("equal", "subject", "ab"), "Subject: abc", False),
        (Leaf("prefix", "subject", "ab"), "Subject: abc", True),
        (Leaf("prefix", "subject", "bc"), "Subject: abc", False),
        (Leaf("suffix", "subject", "bc"), "Subject: abc", True),
        (Leaf("suffix", "subject", "ab"), "Subject: abc", False),
        (Leaf("contains", "subject", "b"), "Subject: abc", True),
        (Leaf("any-of", "subject", ("x", "abc"), how="equal"), "Subject: abc", True),
        (Leaf("any-of", "subject", ("x", "bc"), how="suffix"), "Subject: abc", True),
        (Leaf("any-of", "subject", ("x", "ab"), how="equal"), "Subject: abc", False),
        (Leaf("regex", "subject", "^abc[0-9]+$"), "Subject: ABC12", True),
        (Leaf("regex", "subject", "^abc[0-9]+$", cased=True), "Subject: ABC12", False),
        (Leaf("regex", "subject", "^abc[0-9]+$"), "Subject: abc", False),
        (Leaf("regex", "subject", "abc  d", raw=True), "Subject: abc  d", True),
        (Leaf("length", "subject", (3, 5)), "Subject: abcd", True),
        (Leaf("length", "subject", (3, 5)), "Subject: abcdef", False),
        (Leaf("digits", "subject", (1, 25)), "Subject: " + "9" * 25, True),
        (Leaf("digits", "subject", (1, 25)), "Subject: " + "9" * 26, False),
        (Leaf("digits", "subject", (1, 25)), "Subject: 12a", False),
        (Leaf("count", "route", (2, 2)), "Route: <sip:a>\r\nRoute: <sip:b>", True),
        (Leaf("count", "route", (2, 2)), "Route: <sip:a>", False),
        (Leaf("count", "*", (2, 2)), "X-Other: 1\r\nSubject: 2", True),
        (Leaf("integer", "expires", (0, 60)), "Expires: 0060", True),
        (Leaf("integer", "expires", (0, 60)), "Expires: 61", False),
        (Leaf("integer", "expires", (0, 60)), "Expires: x", False),
        (Leaf("integer", "expires", (60, 2**31 - 1)), "Expires: 4294967296", True),
        (Leaf("order", "", ("to", "from"), how="full"), "To: <sip:a>\r\nf: <sip:b>", True),
        (Leaf("order", "", ("to", "from"), how="full"), "To: <sip:a>\r\nFrom: <sip:b>\r\nSubject: x", False),
        (Leaf("order", "", ("to", "subject"), how="relative"), "To: <sip:a>\r\nFrom: <sip:b>\r\nSubject: x", True),
        (Leaf("order", "", ("subject", "to"), how="relative"), "To: <sip:a>\r\nFrom: <sip:b>\r\nSubject: x", False),
        (Leaf("order", "", ("to", "expires"), how="relative"), "To: <sip:a>\r\nFrom: <sip:b>", False),
        (Leaf("equal-fields", "from.uri", "to.uri"), 'From: "x" <sip:A@b>;tag=1\r\nTo: <sip:%61@B>', True),
        (Leaf("equal-fields", "from.uri", "to.uri"), "From: <sip:a@b>\r\nTo: <sip:a@bc>", False),
        (Leaf("equal-fields", "from.uri", "to.uri"), "From: <sip:a@b>", False),
        (Leaf("sipvicious-tag", "from.tag", "address"), f"From: <sip:a@b>;tag={b'c000020a13c4'.hex()}01{b'12'.hex()}", True),
        (Leaf("sipvicious-tag", "from.tag", "address"), f"From: <sip:a@b>;tag={b'113c4'.hex()}01{b'12'.hex()}", True),
        (Leaf("sipvicious-tag", "from.tag", "user"), f"From: <sip:%61bc@b>;tag={b'abc'.hex()}01{b'12'.hex()}", True),
        (Leaf("sipvicious-tag", "from.tag", "user"), f"From: <sip:abcd@b>;tag={b'abc'.hex()}01{b'12'.hex()}", False),
        (Leaf("sipvicious-tag", "from.tag", "credentials"), f"From: <sip:abc@b>;tag={b'abc:pw'.hex()}01{b'12'.hex()}", True),
        (Leaf("sipvicious-tag", "from.tag", "credentials"), f"From: <sip:abc@b>;tag={b'abc'.hex()}01{b'12'.hex()}", False),
        (Leaf("anomaly", "", "space-before-colon"), "Subject : x", True),
        (Leaf("anomaly", "", "space-before-colon"), "Subject: x", False),
    ],
)  # fmt: skip
def test_every_kind_on_the_wire(match: Tree, line: str, answer: object) -> None:
    # Something with a literal beside it, as most rules have.
    assert fires(match, message(*line.split("\r\n") if "\r\n\t" not in line else [line])) is answer


def test_combinations() -> None:
    both = Node("all", (PROBE, Node("not", (Leaf("present", "subject"),))))
    assert fires(both, message("User-Agent: probe"))
    assert not fires(both, message("User-Agent: probe", "Subject: x"))
    either = Node("any", (PROBE, Leaf("equal", "server", "probe")))
    assert fires(either, message("Server: probe"))


def test_methods_and_when() -> None:
    register, invite = (
        message("User-Agent: probe", start="REGISTER sip:b SIP/2.0"),
        message("User-Agent: probe", start="INVITE sip:b SIP/2.0"),
    )
    response = message("User-Agent: probe", start="SIP/2.0 200 OK")
    assert [fires(PROBE, one, methods=("REGISTER", "BYE")) for one in (register, invite, response)] == [
        True,
        False,
        False,
    ]
    assert fires(PROBE, message("User-Agent: probe", start="register sip:b SIP/2.0"), methods=("REGISTER",))
    assert [fires(PROBE, one, when="request") for one in (register, invite, response)] == [True, True, False]
    assert [fires(PROBE, one, when="response") for one in (register, invite, response)] == [False, False, True]


NUMBERED = Leaf("regex", "user-agent", "^probe/[0-9]+$")
OLD = Leaf("regex", "user-agent", "^probe/[01]$")


@pytest.mark.parametrize(
    ("match", "agent", "answer"),
    [
        (Node("all", (NUMBERED, Leaf("present", "subject"))), "probe/2", False),
        (Node("any", (NUMBERED, Leaf("present", "subject"))), "probe/x", False),
        (Node("any", (NUMBERED, Leaf("present", "via"))), "probe/x", True),
        (Node("all", (NUMBERED, Node("not", (OLD,)))), "probe/2", True),
        (Node("all", (NUMBERED, Node("not", (OLD,)))), "probe/1", False),
        (Node("not", (Node("any", (OLD, Leaf("present", "subject"))),)), "probe/2", True),
        (Node("not", (Node("any", (OLD, Leaf("present", "subject"))),)), "probe/0", False),
        (Node("not", (Node("all", (NUMBERED, Leaf("present", "via"))),)), "probe/0", False),
        (Node("not", (Node("all", (NUMBERED, Leaf("present", "subject"))),)), "probe/0", True),
    ],
)
def test_expressions_among_other_comparisons(match: Tree, agent: str, answer: object) -> None:
    assert fires(match, message(f"User-Agent: {agent}", "Via: SIP/2.0/UDP a;branch=z9hG4bKa")) is answer


def test_a_rule_of_alternatives_fires_once() -> None:
    compiled = compile_signatures([signature(Node("any", (NUMBERED, OLD)))])
    examined = look(compiled, message("User-Agent: probe/1"))
    assert compiled.matcher.rule_count == 2
    assert [one.id for one in compiled.fired(examined)] == [9001]


def test_an_expression_sees_every_line_and_both_readings() -> None:
    branch = Leaf("regex", "via.branch", "^z9hG4bK-[0-9]+$")
    decoy, bad = "Via: SIP/2.0/UDP a;branch=z9hG4bK-x", "Via: SIP/2.0/UDP b;branch=z9hG4bK-77"
    assert fires(branch, message(decoy, bad))
    assert fires(NUMBERED, message("User-Agent: probe/x", "User-Agent: probe/1"))
    # A bare CR is a line end to some stacks, and to others not (threats.md 3.4).
    assert fires(NUMBERED, message("Subject: x\rUser-Agent: probe/1"))
    assert fires(Leaf("regex", "subject", "abc.*probe/1$"), message("Subject: abc\rUser-Agent: probe/1"))


def test_too_many_combinations_name_the_rule() -> None:
    pair = Node("any", (NUMBERED, OLD))
    with pytest.raises(SignatureError) as caught:
        compile_signatures([signature(Node("all", (pair,) * 7)), signature(PROBE, 9002)])
    assert caught.value.problems == (
        (
            "local.toml: rule 9001 scanner.test.n9001: match: its regular expressions stand in 128 combinations of alternatives, "
            "more than 64; split it"
        ),
    )


def test_what_an_alert_may_quote() -> None:
    match = Node(
        "all", (PROBE, Leaf("order", "", ("via", "to")), Leaf("absent", "subject"), Leaf("count", "*", (1, 2)), PROBE)
    )
    assert compile_signatures([signature(match)]).fields == (("user-agent", "header-order"),)
