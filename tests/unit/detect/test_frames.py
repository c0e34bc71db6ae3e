from __future__ import annotations

import pytest

from sipsensor.detect.frames import (
    BROKEN,
    CALLS,
    FIRMWARE,
    ODD,
    POKES,
    REPEATED,
    TOKENS,
    UNKNOWN,
    Frames,
    FramesSettings,
)
from sipsensor.model import Decision, Verdict
from tests.support.engines import engine
from tests.support.iax2 import element, full, mini, registers
from tests.support.switch import FIRST_NUMBER, Peer, Switch

PEER = Peer()
TRUSTED = Peer("301", "198.51.100.7")


def switch(**options: object) -> Switch:
    return Switch(engine(Frames(FramesSettings())), **options)  # type: ignore[arg-type]


def rules(decision: Decision) -> set[str]:
    return {alert.rule.slug for alert in decision.alerts}


def passed(decisions: list[Decision]) -> int:
    return sum(decision.verdict is Verdict.ACCEPT for decision in decisions)


def test_pokes_are_answered_up_to_the_limit_and_nobody_is_cut() -> None:
    one = switch()
    made = [one.hears(PEER, full("POKE", source=number)) for number in range(1, 101)]
    assert passed(made) == 10
    assert rules(made[-1]) == {POKES.slug}
    assert not made[-1].cuts
    one.now += 60
    assert passed([one.hears(PEER, full("POKE", source=number)) for number in range(101, 111)]) == 10


def test_an_honest_peer_that_qualifies_is_never_limited() -> None:
    one = switch()
    made = []
    for number in range(1, 200):
        made.append(one.hears(PEER, full("POKE", [element("call-token")], source=number)))
        one.now += 10
    assert passed(made) == len(made)


def test_calls_without_tokens_are_held_at_the_limit() -> None:
    one = switch()
    made = [one.hears(PEER, full("NEW", [element("username", "x")], source=number)) for number in range(1, 200)]
    assert passed(made) == 20


def test_calls_with_tokens_are_held_at_their_own_limit() -> None:
    one = switch(accounts=())
    made = [decision for _ in range(60) for decision in one.calls(PEER).his[:2]]
    assert {slug for decision in made for slug in rules(decision)} == {CALLS.slug}
    assert passed(made) == 20 + 60


def test_tokens_that_are_never_used() -> None:
    one = switch()
    made = [one.hears(PEER, registers("x", source=number)) for number in range(1, 200)]
    assert passed(made) == 20
    assert rules(made[-1]) == {TOKENS.slug}


def test_made_up_tokens_are_none() -> None:
    one = switch()
    made = [
        one.hears(PEER, full("REGREQ", [element("username", "x"), element("call-token", f"{number}?a")], source=number))
        for number in range(1, 200)
    ]
    assert passed(made) == 20


def test_who_uses_his_tokens_may_ask_for_as_many_as_he_needs() -> None:
    one = switch(accounts=())
    assert [len(one.registers(PEER).his) for _ in range(100)] == [3] * 100


def test_firmware_is_for_nobody_unknown() -> None:
    decision = switch().hears(PEER, full("FWDOWNL", [element("device-type", "iaxy")]))
    assert decision.verdict is Verdict.DROP
    assert decision.rule is FIRMWARE


def test_odd_frames_are_told_of() -> None:
    decision = switch().hears(PEER, full("PROVISION", source=3))
    assert decision.verdict is Verdict.ACCEPT
    assert rules(decision) == {ODD.slug}


@pytest.mark.parametrize(
    "frame", [full("PING", destination=9), full("ACK", destination=9), full(4, kind=4), mini(5), full(4, kind=2)]
)
def test_frames_of_no_call_are_held_at_the_limit(frame: bytes) -> None:
    one = switch()
    made = []
    for _ in range(100):
        made.append(one.hears(PEER, frame))
        one.now += 0.02
    assert 20 <= passed(made) <= 25
    assert rules(made[-1]) == {UNKNOWN.slug}


def test_media_passes_where_the_pbx_speaks_too() -> None:
    """A call that began before the sensor did."""
    one = switch()
    made = []
    for number in range(500):
        one.says(PEER, mini(7, number))
        made.append(one.hears(PEER, mini(9, number)))
        one.now += 0.02
    assert passed(made) == len(made)
    assert passed([one.hears(Peer(port=4999), mini(9)) for _ in range(100)]) == 20


def test_media_of_a_known_call_passes() -> None:
    one = switch()
    assert one.calls(PEER).accepted
    assert passed([one.hears(PEER, mini(1, number)) for number in range(200)]) == 200


def test_the_same_frame_again_and_again() -> None:
    one = switch()
    made = [one.hears(PEER, registers("x", source=5)) for _ in range(50)]
    assert passed(made) == 10
    assert rules(made[-1]) == {REPEATED.slug}


def test_a_broken_frame_of_a_stranger_dies_and_one_of_a_call_does_not() -> None:
    one = switch()
    decision = one.hears(PEER, registers() + b"x")
    assert decision.verdict is Verdict.DROP
    assert decision.rule is BROKEN
    assert decision.alerts[0].evidence == {"shape": "element-boundary", "offset": len(registers())}
    assert one.calls(Peer("301", PEER.src, 4700)).accepted
    encrypted = full("PING", [b"\x9c\xff\x00"], source=1, destination=FIRST_NUMBER)
    assert one.hears(Peer("301", PEER.src, 4700), encrypted).verdict is Verdict.ACCEPT


def test_the_trusted_are_not_limited() -> None:
    one = switch()
    assert one.registers(TRUSTED).accepted
    made = [one.hears(TRUSTED, frame(number)) for number in range(200) for frame in (poke, new)]
    assert passed(made) == len(made)


def poke(number: int) -> bytes:
    return full("POKE", source=number + 10)


def new(number: int) -> bytes:
    return full("NEW", [element("username", "301")], source=number + 1000)


def test_its_tables_have_names() -> None:
    assert [table.name for table in Frames(FramesSettings()).tables()] == [
        "frames_pokes",
        "frames_calls",
        "frames_tokens",
        "frames_unknown",
        "frames_same",
    ]
