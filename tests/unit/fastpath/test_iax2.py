"""Frames as the scan finds them, through the examiner: headers, elements, what is odd, what is broken."""

from __future__ import annotations

import struct

import pytest

from sipsensor.fastpath.examine import (
    CONTENT_FRAME,
    CONTENT_FRAME_MALFORMED,
    CONTENT_MEDIA_FRAME,
    CONTENT_OTHER,
    CONTENT_REQUEST,
)
from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.frames import Frame, frame_of
from sipsensor.fastpath.iax2 import WHAT_CLOSED, WHAT_MINI, WHAT_SIGNAL, WHAT_TRUNK, WHAT_VIDEO_MINI, WHAT_VOICE
from sipsensor.fastpath.names import ANOMALIES, ELEMENTS, FIELDS, MALFORMATIONS
from sipsensor.protocols.iax2.words import subclass_number
from tests.support import iax2
from tests.support.iax2 import element, full, mini, registers, trunk, video
from tests.support.packets import message
from tests.support.scanning import examine

MOST = 256
POKE = bytes.fromhex("80 00 00 00 00 00 00 00 00 00 06 1e")


def read(payload: bytes) -> Examined:
    return examine(payload, sport=40_000, dport=iax2.PORT)


def header(payload: bytes) -> Frame:
    frame = frame_of(read(payload))
    assert frame is not None
    return frame


def odd(examined: Examined) -> set[str]:
    return {name for name, bit in ANOMALIES.items() if examined.anomalies >> bit & 1}


def why(examined: Examined) -> str:
    assert examined.content == CONTENT_FRAME_MALFORMED
    return next(name for name, number in MALFORMATIONS.items() if number == examined.malformation)


def test_a_full_frame() -> None:
    examined = read(registers(source=0x39FF, timestamp=3))
    frame = frame_of(examined)
    assert frame is not None
    assert examined.content == CONTENT_FRAME
    assert (frame.source_call, frame.destination_call, frame.timestamp, frame.oseqno, frame.iseqno) == (
        0x39FF, 0, 3, 0, 0,
    )  # fmt: skip
    assert (frame.type, frame.subclass, frame.what, frame.repeated) == (6, 13, subclass_number("REGREQ"), False)
    assert examined.raw(FIELDS["ie.username"]) == b"office"
    assert examined.raw(FIELDS["ie.call-token"]) == b""
    assert examined.raw(FIELDS["ie.challenge"]) is None
    assert not odd(examined)


def test_the_header_to_its_last_bit() -> None:
    frame = header(
        full("ACK", source=0x7FFF, destination=0x7FFE, timestamp=2**32 - 1, oseqno=255, iseqno=254, repeated=True)
    )
    assert (frame.source_call, frame.destination_call, frame.timestamp) == (0x7FFF, 0x7FFE, 2**32 - 1)
    assert (frame.oseqno, frame.iseqno, frame.repeated) == (255, 254, True)


def test_nmaps_poke_is_a_frame() -> None:
    frame = header(POKE)
    assert (frame.source_call, frame.timestamp, frame.what) == (0, 0, subclass_number("POKE"))


@pytest.mark.parametrize(
    ("kind", "what"), [(2, WHAT_VOICE), (3, WHAT_VOICE), *((n, WHAT_SIGNAL) for n in (1, 4, 5, 7, 8, 9, 10, 11, 12))]
)
def test_frames_of_other_types_hold_no_elements(kind: int, what: int) -> None:
    examined = read(full(4, [b"\x06\xff\x00"], kind=kind, destination=9))
    assert examined.content == CONTENT_FRAME
    assert examined.header_count == 0
    assert header(full(4, kind=kind)).what == what


@pytest.mark.parametrize("kind", [0, 13, 200, 255])
def test_a_frame_of_no_type_leaves_its_call_numbers(kind: int) -> None:
    frame = header(full(4, [b"\x9c" * 16], kind=kind, source=12, destination=13))
    assert (frame.what, frame.source_call, frame.destination_call) == (WHAT_CLOSED, 12, 13)


@pytest.mark.parametrize(
    ("byte", "subclass"),
    [
        (0x80, 1),
        (0x82, 4),
        (0x85, 32),
        (0x9F, 2**31),
        (0xA0, 2**32),
        (0xBF, 2**63),
        (0xFE, 2**62),
        (0xFF, 2**64 - 1),
        (0x7F, 127),
    ],
)
def test_a_compressed_subclass_is_a_power_of_two(byte: int, subclass: int) -> None:
    assert header(full(byte, kind=iax2.VOICE)).subclass == subclass


def test_a_new_may_hide_behind_the_c_bit() -> None:
    examined = read(full(0x80, [element("username", "x")]))
    frame = frame_of(examined)
    assert frame is not None
    assert frame.what == subclass_number("NEW")
    assert odd(examined) == {"frame-compressed-subclass"}


@pytest.mark.parametrize("byte", [0, 41, 0x7F])
def test_a_subclass_that_nobody_has_given(byte: int) -> None:
    examined = read(full(byte))
    assert odd(examined) == {"frame-unknown-subclass"}
    assert header(full(byte)).what == 0


def test_every_element_is_a_field_of_its_name() -> None:
    for name, number in ELEMENTS.items():
        examined = read(full("NEW", [bytes((number, 5)) + b"value"]))
        assert examined.raw(FIELDS[f"ie.{name}"]) == b"value", name


def test_the_last_of_equal_elements_counts_and_all_are_seen() -> None:
    examined = read(
        full("NEW", [element("username", "first"), element("called-number", "1"), element("username", "last")])
    )
    assert examined.raw(FIELDS["ie.username"]) == b"last"
    assert examined.values(FIELDS["ie.username"]) == [b"first", b"last"]
    assert odd(examined) == {"element-duplicate"}


def test_variables_may_come_again_and_again() -> None:
    assert not odd(read(full("NEW", [element("variable", "a=1"), element("variable", "b=2")])))


def test_text_ends_at_a_zero_byte_for_asterisk() -> None:
    examined = read(full("NEW", [element("username", b"office\0 and more")]))
    assert examined.raw(FIELDS["ie.username"]) == b"office\0 and more"
    assert examined.values(FIELDS["ie.username"]) == [b"office"]
    assert examined.named(FIELDS["ie.username"]) == read(registers("OFFICE")).named(FIELDS["ie.username"])
    assert odd(examined) == {"element-nul"}


def test_a_zero_byte_in_a_number_is_none_in_text() -> None:
    assert not odd(read(full("NEW", [element("version", b"\0\2"), element("format", bytes(4))])))


def test_elements_that_nobody_has_given() -> None:
    examined = read(full("NEW", [element(0, b"x"), element(58, b"x"), element(255)]))
    assert odd(examined) == {"element-unknown"}
    assert [number for number, _, _ in examined.headers()] == [-1, -1, -1]


@pytest.mark.parametrize("value", [b"", b"\2", b"\0\0\2"])
def test_a_number_of_another_width_is_not_taken(value: bytes) -> None:
    assert odd(read(full("NEW", [element("version", value)]))) == {"element-width"}


@pytest.mark.parametrize(
    ("timestamp", "late"), [(0, False), (86_400_000, False), (86_400_001, True), (1_795_000_000, True)]
)
def test_a_first_frame_is_of_a_call_that_just_began(timestamp: int, late: bool) -> None:  # noqa: FBT001
    assert ("frame-late-start" in odd(read(registers(timestamp=timestamp)))) is late
    assert not odd(read(full("PING", timestamp=timestamp, destination=4)))


@pytest.mark.parametrize("beyond", [1, 2, 200])
def test_an_element_beyond_the_end_takes_the_frame_with_it(beyond: int) -> None:
    examined = read(
        full("NEW", [element("version", b"\0\2"), element("username", "office", length=6 + beyond)], source=99)
    )
    assert why(examined) == "element-overrun"
    assert examined.malformed_at == 12 + 4
    assert header(full("NEW", [element("username", "x", length=9)], source=99)).source_call == 99


def test_one_byte_left_over_takes_the_frame_with_it() -> None:
    assert why(read(registers() + b"\x06")) == "element-boundary"


@pytest.mark.parametrize("size", range(4, 12))
def test_a_header_that_is_cut(size: int) -> None:
    assert why(read(POKE[:size])) == "frame-short"


def test_as_many_elements_as_are_kept() -> None:
    assert read(full("NEW", [element("variable")] * MOST)).header_count == MOST
    assert why(read(full("NEW", [element("variable")] * (MOST + 1)))) == "too-many-elements"


def test_a_mini_frame() -> None:
    examined = read(mini(0x1234, 0xFFFE))
    frame = frame_of(examined)
    assert frame is not None
    assert examined.content == CONTENT_MEDIA_FRAME
    assert (frame.what, frame.source_call, frame.timestamp, frame.destination_call) == (WHAT_MINI, 0x1234, 0xFFFE, 0)


def test_a_mini_frame_of_video() -> None:
    frame = header(video(0x1234, 77))
    assert (frame.what, frame.source_call, frame.timestamp) == (WHAT_VIDEO_MINI, 0x1234, 77)
    assert why(read(video(5)[:5])) == "frame-short"


@pytest.mark.parametrize("times", [False, True])
def test_a_trunk(times: bool) -> None:  # noqa: FBT001
    whole = trunk([(5, bytes(33)), (0x7FFF, b""), (6, bytes(20))], 4711, times=times)
    frame = header(whole)
    assert (frame.what, frame.source_call, frame.timestamp) == (WHAT_TRUNK, 5, 4711)
    assert frame.calls() == [5, 0x7FFF, 6]
    assert why(read(whole[:-1])) == "trunk-boundary"
    assert header(whole[:-1]).calls() == [5, 0x7FFF]
    assert why(read(whole + b"\0")) == "trunk-boundary"


def test_a_trunk_without_a_call_is_one() -> None:
    assert header(trunk([])).calls() == []
    assert why(read(trunk([])[:7])) == "frame-short"


@pytest.mark.parametrize(
    "payload", [b"", b"\x80", b"\x80\0\0", b"\0\0\0", struct.pack(">HBB", 0, 2, 0) + bytes(20), bytes(64)]
)
def test_what_has_no_shape_of_a_frame(payload: bytes) -> None:
    examined = read(payload)
    assert examined.content == CONTENT_OTHER
    assert frame_of(examined) is None
    assert examined.raw(FIELDS["ie.username"]) is None


def test_nothing_of_one_frame_shows_in_the_next() -> None:
    assert read(registers()).has(FIELDS["ie.username"])
    for payload in (mini(7), trunk([(5, b"x")])[:-1], POKE[:8], POKE, b"\0\0\0"):
        examined = read(payload)
        assert not examined.has(FIELDS["ie.username"])
        assert examined.raw(FIELDS["uri"]) is None
        assert examined.header_count == 0


def test_a_port_of_sip_says_more() -> None:
    assert examine(message(), sport=iax2.PORT).content == CONTENT_REQUEST
    assert examine(message(), sport=40_000, dport=iax2.PORT).content == CONTENT_MEDIA_FRAME
