from __future__ import annotations

import pytest

from sipsensor.fastpath.frames import Frame, frame_of
from sipsensor.fastpath.names import ELEMENTS
from tests.support import iax2
from tests.support.iax2 import element, full, mini
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message
from tests.support.scanning import PLAIN, examine

CALL = 77


def header(payload: bytes, *, back: bool = False, sport: int = 40_000) -> Frame:
    ends = (
        {"src": PBX, "dst": STRANGER, "sport": iax2.PORT, "dport": sport}
        if back
        else {"sport": sport, "dport": iax2.PORT}
    )
    frame = frame_of(PLAIN.examine_raw(datagram(payload, **ends), LINK_RAW, 0))
    assert frame is not None
    return frame


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"\0\x3c", 60),
        (b"\xff", 255),
        (b"\1\2\3\4", 0x01020304),
        (b"\x7f" + b"\xff" * 7, 2**63 - 1),
        (b"\x80" + bytes(7), -1),
        (b"", -1),
        (bytes(9), -1),
    ],
)
def test_an_element_as_a_number(value: bytes, number: int) -> None:
    assert header(full("REGACK", [element("refresh", value)])).number(ELEMENTS["refresh"]) == number


def test_of_equal_elements_the_last() -> None:
    frame = header(full("REGACK", [element("refresh", b"\0\1"), element("refresh", b"\0\2")]))
    assert frame.number(ELEMENTS["refresh"]) == 2


@pytest.mark.parametrize("number", [-1, 0, 58, 255, 10_000])
def test_there_is_no_element_of_that_number(number: int) -> None:
    assert header(full("NEW", [element("refresh", b"\0\1")])).number(number) == -1


def test_what_is_not_there_has_no_number() -> None:
    assert header(full("NEW")).number(ELEMENTS["refresh"]) == -1
    assert header(mini(5)).number(ELEMENTS["refresh"]) == -1
    assert header(full("NEW", [element("refresh", b"\0\1", length=3)])).number(ELEMENTS["refresh"]) == -1


def test_a_call_is_of_both_ends_and_one_number() -> None:
    there = header(full("PING"))
    assert there.call_key(False, CALL) == header(full("PONG"), back=True).call_key(True, CALL)
    assert there.call_key(False, CALL) != there.call_key(False, CALL + 1)
    assert there.call_key(False, CALL) != header(full("PING"), sport=40_001).call_key(False, CALL)


def test_a_frame_of_one_call() -> None:
    assert header(mini(CALL)).calls() == [CALL]
    assert header(full("ACK", source=CALL)).calls() == [CALL]


def test_what_is_no_frame_has_no_header() -> None:
    assert frame_of(examine(message())) is None
