from __future__ import annotations

import pytest

from sipsensor.detect.base import Services
from sipsensor.detect.scanner import REDACTED, Scanner, ScannerSettings, evidence, without_guesses
from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.fastpath.names import METHOD_OTHER
from sipsensor.model import (
    KIND_WHATS,
    WHAT_MALFORMED,
    WHAT_STATUS,
    Alert,
    AppProtocol,
    Direction,
    Observation,
    Standing,
    When,
)
from sipsensor.protocols import sip
from sipsensor.signatures import SignatureSet, compile_signatures, load
from sipsensor.signatures.samples import messages_of
from sipsensor.signatures.schema import Leaf, Node
from tests.unit.signatures.building import message, signature

SHIPPED = compile_signatures(load())
GUESS = (b"100:hunter2" + b"\x01" + b"2643878940").hex()


def look(payload: bytes, signatures: SignatureSet = SHIPPED) -> Examined:
    return messages_of(Examiner(signatures.matcher), payload)[0]


def observe(
    payload: bytes, signatures: SignatureSet = SHIPPED, direction: Direction = Direction.INBOUND
) -> list[Alert]:
    examined = look(payload, signatures)
    scanner = Scanner(ScannerSettings(), Services(signatures))
    observation = Observation(sip.parse(examined), examined, AppProtocol.SIP, direction, 0, Standing.STRANGER)
    alerts = list(scanner.observe(observation))
    assert all(alert.observation is observation for alert in alerts)
    return alerts


def test_a_scanner_is_told_by_name_and_evidence() -> None:
    (alert,) = observe(message("User-Agent:  friendly-scanner"))
    assert (alert.rule.id, alert.rule.slug) == (1001, "scanner.sipvicious.user-agent")
    assert alert.evidence == {"user-agent": "friendly-scanner"}


def test_a_phone_is_none() -> None:
    assert observe(message("User-Agent: Yealink SIP-T46S 66.86.0.15")) == []


def test_each_rule_is_told_once() -> None:
    either = Node("any", (Leaf("regex", "user-agent", "^probe"), Leaf("regex", "user-agent", "probe$")))
    signatures = compile_signatures([signature(either)])
    assert [alert.rule.id for alert in observe(message("User-Agent: probe"), signatures)] == [9001]


def test_a_suspicion_is_confirmed() -> None:
    signatures = compile_signatures([signature(Leaf("regex", "user-agent", "^probe/[0-9]+$"))])
    assert [len(observe(message(f"User-Agent: {agent}"), signatures)) for agent in ("probe/1", "probe/x", "phone")] == [
        1,
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("direction", "fires"),
    [(Direction.INBOUND, (True, False)), (Direction.OUTBOUND, (False, True)), (None, (True, True))],
)
def test_the_direction_of_a_rule(direction: Direction | None, fires: tuple[bool, bool]) -> None:
    signatures = compile_signatures([signature(Leaf("equal", "user-agent", "probe"), direction=direction)])
    assert tuple(bool(observe(message("User-Agent: probe"), signatures, way)) for way in Direction) == fires


def test_it_judges_every_request_and_response() -> None:
    scanner = Scanner(ScannerSettings(), Services(SHIPPED))
    interest, _ = scanner.interests
    assert (interest.when, interest.protocol, interest.direction, interest.standings) == (
        When.JUDGE,
        AppProtocol.SIP,
        None,
        None,
    )
    assert interest.whats is not None
    whats = set(interest.whats)
    assert whats >= {*range(METHOD_OTHER + 1), *(WHAT_STATUS + digit for digit in range(1, 8))}
    assert max(whats) < KIND_WHATS
    assert WHAT_MALFORMED not in whats


def test_it_judges_signalling_of_iax2_and_no_media() -> None:
    _, interest = Scanner(ScannerSettings(), Services(SHIPPED)).interests
    assert (interest.when, interest.protocol, interest.direction) == (When.JUDGE, AppProtocol.IAX2, None)
    assert interest.whats is not None
    assert {*range(41)} == set(interest.whats)


def test_it_has_each_rule_once() -> None:
    rules = Scanner(ScannerSettings(), Services(SHIPPED)).rules
    assert [rule.id for rule in rules] == [one.id for one in load()]
    assert {rule.detector for rule in rules} == {Scanner.name}


def test_a_guessed_password_is_never_quoted() -> None:
    payload = message(
        f'From: "100" <sip:100@b>;tag={GUESS}', 'Authorization: Digest username="100",response="0123456789abcdef"'
    )
    alerts = observe(payload)
    assert "scanner.svcrack.tag" in {alert.rule.slug for alert in alerts}
    quoted = str([alert.evidence for alert in alerts])
    assert "hunter2" not in quoted
    assert b"hunter2".hex() not in quoted
    assert f"100:{REDACTED}" in quoted
    for field in ("from", "from.tag", "authorization", "auth.response", "head", "datagram"):
        shown = str(evidence(look(payload), (field,)))
        assert field in shown
        assert b"hunter2".hex() not in shown
        assert "0123456789abcdef" not in shown


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (GUESS.encode(), b"100:(redacted)"),
        (b"x;tag=" + GUESS.upper().encode() + b";y", b"x;tag=100:(redacted);y"),
        (b"3130300131323334", b"3130300131323334"),
        (b"deadbeefdeadbeef", b"deadbeefdeadbeef"),
        (b"", b""),
    ],
)
def test_guesses_are_taken_out_of_any_text(value: bytes, said: bytes) -> None:
    assert without_guesses(value) == said


def test_evidence_is_printable_and_bounded() -> None:
    payload = message(
        "User-Agent: a\x1b[31m\xe2\x80\xae\xff", "Subject: " + "s" * 500, "Server: x", "Organization: y", "Reason: z"
    )
    shown = evidence(look(payload), ("user-agent", "subject", "server", "organization", "reason"))
    assert shown["user-agent"] == "a\\x1b[31m\\u202e\\xff"
    assert shown["subject"] == "s" * 125 + "..."
    assert list(shown) == ["user-agent", "subject", "server", "organization"]


def test_the_order_of_header_fields_is_evidence() -> None:
    shown = evidence(look(message("v: x", "To: y", "User-Agent: z")), ("header-order", "subject"))
    assert shown == {"header-order": "v To User-Agent"}


def test_tick_needs_nothing() -> None:
    Scanner(ScannerSettings(), Services(SHIPPED)).tick(0)
