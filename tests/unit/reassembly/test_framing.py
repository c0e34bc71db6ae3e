from __future__ import annotations

import pytest

from sipsensor.fastpath.examine import CONTENT_REQUEST
from sipsensor.reassembly.framing import MESSAGE_MAX, Cut, apart, cut, starts, worth_examining
from tests.support.packets import LINK_RAW, message, segment
from tests.support.scanning import PLAIN

TEXT = message(body=b"v=0\r\n")


def of(payload: bytes) -> Cut:
    pieces = apart(PLAIN.examine_raw(segment(payload), LINK_RAW, 0), 16)
    assert pieces is not None
    return cut(pieces)


@pytest.mark.parametrize("between", [b"", b"\r\n", b"\r\n\r\n"])
def test_whole_messages_leave_nothing(between: bytes) -> None:
    found = of(TEXT + between + TEXT + between)
    assert [one.content for one in found.whole] == [CONTENT_REQUEST] * 2
    assert (found.rest, found.clear) == (b"", True)


@pytest.mark.parametrize("at", range(1, len(TEXT)))
def test_what_is_left_of_the_last_one(at: int) -> None:
    found = of(TEXT + TEXT[:at])
    assert (len(found.whole), found.rest, found.clear, found.foreign) == (1, TEXT[:at], True, False)
    assert found.need in {0, len(TEXT)}
    assert worth_examining(found.rest, TEXT[at:], found.need)


@pytest.mark.parametrize(
    "payload",
    [
        message(change={"Content-Length": "x"}),
        message(change={"Content-Length": str(MESSAGE_MAX)}),
        message(change={"Content-Length": None}) + b"v=0",
        message(extra=[("l", "7")]),
        TEXT + b"nothing that begins a message\r\n",
        b"REGISTER sip:a SIP/2.0\r\n\r\n",
    ],
)
def test_what_stacks_read_differently(payload: bytes) -> None:
    assert not of(payload).clear


@pytest.mark.parametrize("payload", [b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"\x80\x01"])
def test_what_is_no_sip(payload: bytes) -> None:
    assert of(payload).foreign


def test_a_start_line_alone_starts_nothing() -> None:
    assert not starts(PLAIN.examine_raw(segment(TEXT[:20]), LINK_RAW, 0))
    assert starts(PLAIN.examine_raw(segment(TEXT), LINK_RAW, 0))


def test_more_messages_than_allowed() -> None:
    assert apart(PLAIN.examine_raw(segment(TEXT * 5), LINK_RAW, 0), 4) is None
