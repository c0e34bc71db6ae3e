from __future__ import annotations

import pytest

from sipsensor.signatures.schema import Leaf, Node, Tree
from sipsensor.signatures.variants import variants_of
from tests.unit.signatures.building import message, signature

PAYLOAD = message('From: "Some one" <sip:100@b>;tag=1', "User-Agent: a b", "Call-ID: x", body="v=0\r\n")
AGENT = Leaf("equal", "user-agent", "a b")


def variants(match: Tree, payload: bytes = PAYLOAD) -> dict[str, bytes]:
    return dict(variants_of(signature(match), payload))


@pytest.mark.parametrize(
    ("what", "piece"),
    [
        ("names in upper case", b"\r\nUSER-AGENT: a b\r\n"),
        ("names in swapped case", b"\r\nuSER-aGENT: a b\r\n"),
        ("compact names", b'\r\nf: "Some one" <sip:100@b>;tag=1\r\nUser-Agent: a b\r\ni: x\r\n'),
        ("long names", b"\r\nFrom: "),
        ("LF only", b'SIP/2.0\nFrom: "Some one" <sip:100@b>;tag=1\nUser-Agent: a b\nCall-ID: x\n\nv=0\r\n'),
        ("CR only", b"SIP/2.0\rFrom:"),
        ("leading CRLF", b"\r\nOPTIONS sip:a@b SIP/2.0\r\n"),
        ("no space after the colon", b"\r\nUser-Agent:a b\r\n"),
        ("space before the colon", b"\r\nUser-Agent : a b\r\n"),
        ("tab before the colon", b"\r\nUser-Agent\t: a b\r\n"),
        ("fold after the colon", b"\r\nUser-Agent:\r\n a b\r\n"),
        ("fold before the colon", b"\r\nUser-Agent\r\n : a b\r\n"),
        (
            "extra inner white space",
            b'\r\nFrom: "Some one" \t  \t <sip:100@b> \t ; \t tag \t = \t 1\r\nUser-Agent: a \t b\r\n',
        ),
        ("inner folds", b"\r\nUser-Agent: a\r\n b\r\n"),
        ("trailing white space", b"\r\nUser-Agent: a b \t \r\n"),
        ("quoted pairs", b'\r\nFrom: "\\S\\o\\m\\e\\ \\o\\n\\e" <sip:100@b>;tag=1\r\n'),
        ("percent escapes", b"<sip:%31%30%30@b>"),
        ("value in the other case", b"\r\nUser-Agent: A B\r\n"),
        ("a decoy before", b"\r\nuser-agent: harmless\r\nFrom: "),
        ("a decoy behind", b"\r\nuser-agent: harmless\r\n\r\nv=0"),
    ],
)
def test_variants(what: str, piece: bytes) -> None:
    assert piece in variants(AGENT)[what]


def test_everything_at_once_keeps_the_body() -> None:
    made = variants(AGENT)["everything at once"]
    assert made.startswith(b"\r\nOPTIONS sip:a@b SIP/2.0\nf \t:\n ")
    assert made.endswith(b"\n\nv=0\r\n")


def test_folds_of_the_sample_itself_stay() -> None:
    made = variants(AGENT, PAYLOAD.replace(b"a b", b"a\r\n b"))
    assert b"\r\nUSER-AGENT: a\r\n b\r\n" in made["names in upper case"]


@pytest.mark.parametrize(
    ("match", "missing"),
    [
        (Leaf("equal", "user-agent", "a b", cased=True), "value in the other case"),
        (Leaf("equal", "user-agent", "a b", raw=True), "inner folds"),
        (Leaf("length", "user-agent", (3, 3)), "inner folds"),
        (Node("not", (AGENT,)), "a decoy before"),
        (Node("all", (AGENT, Leaf("equal", "call-id", "x"))), "a decoy before"),
    ],
)
def test_what_a_rule_asks_for_is_not_changed(match: Tree, missing: str) -> None:
    made = variants(match)
    assert missing not in made
    assert "names in upper case" in made


@pytest.mark.parametrize(
    "match", [Leaf("contains", "head", "a b"), Leaf("contains", "datagram", "a b"), Leaf("anomaly", "", "fold")]
)
def test_rules_about_bytes_have_no_variants(match: Tree) -> None:
    assert variants(match) == {}


@pytest.mark.parametrize(
    "payload",
    [b"OPTIONS", b"\r\n\r\n", b"OPTIONS sip:a SIP/2.0\r\n\r\n", b"OPTIONS sip:a SIP/2.0\r\nVia: x", b"\xff\x00"],
)
def test_what_is_no_whole_message_has_no_variants(payload: bytes) -> None:
    assert variants(AGENT, payload) == {}


def test_a_decoy_of_a_derived_field_is_a_header_field() -> None:
    made = variants(Leaf("equal", "from.display", "Some one"))
    assert b"\r\nfrom: <sip:harmless@example.com>;tag=1\r\nFrom: " in made["a decoy before"]
