"""A second reader of IAX2, in plain Python and from the documents alone: what the compiled scan must agree with, byte for byte."""

from __future__ import annotations

import struct
from typing import NamedTuple

from sipsensor.fastpath.examine import (
    CONTENT_FRAME,
    CONTENT_FRAME_MALFORMED,
    CONTENT_MEDIA_FRAME,
    CONTENT_OTHER,
)
from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.frames import frame_of
from sipsensor.fastpath.names import ANOMALIES, ELEMENTS, MALFORMATIONS

ELEMENTS_MOST = 256
DAY = 86_400_000
WIDTHS = {
    **dict.fromkeys((8, 9, 27, 31, 35, 37, 46, 47, 48, 50, 51, 57), 4),
    **dict.fromkeys((11, 12, 14, 19, 20, 21, 24, 34, 40, 41, 43, 49), 2),
    **dict.fromkeys((23, 38, 39, 42), 1),
    **dict.fromkeys((55, 56), 9),
}
TEXTS = {1, 2, 3, 4, 5, 6, 7, 10, 13, 15, 16, 17, 22, 28, 30, 32, 45, 52}


class Reading(NamedTuple):
    """What a datagram is, as far as its bytes say."""

    content: int
    malformation: str = ""
    header: tuple[int, ...] = ()
    """Source call, destination call, time, oseqno, iseqno, type, subclass, R bit; of what is no full frame the first and third alone."""
    what: int = 0
    elements: tuple[tuple[int, bytes], ...] = ()
    odd: frozenset[str] = frozenset()
    calls: tuple[int, ...] = ()


def read(data: bytes) -> Reading:
    """By RFC 5456 8 and Asterisk's habits (see ``fastpath.iax2``)."""
    if len(data) < 4:
        return Reading(CONTENT_OTHER)
    first, second = struct.unpack_from(">HH", data)
    if first & 0x8000:
        return _full(data)
    if first:
        return Reading(CONTENT_MEDIA_FRAME, header=(first, second), what=44, calls=(first,))
    return _meta(data)


def _meta(data: bytes) -> Reading:
    if data[2] & 0x80:
        call = struct.unpack_from(">H", data, 2)[0] & 0x7FFF
        time = struct.unpack_from(">H", data, 4)[0] if len(data) >= 6 else -1
        whole = time >= 0
        return Reading(
            CONTENT_MEDIA_FRAME if whole else CONTENT_FRAME_MALFORMED,
            "" if whole else "frame-short",
            (call, time & 0xFFFFFFFF),
            45,
            calls=(call,),
        )
    if data[2] != 1:
        return Reading(CONTENT_OTHER)
    if len(data) < 8:
        return Reading(CONTENT_FRAME_MALFORMED, "frame-short", (0, 0), 46)
    calls: list[int] = []
    rest, times, whole = data[8:], data[3] & 1, True
    form = ">HHH" if times else ">HH"
    width = struct.calcsize(form)
    while rest and whole:
        fields = struct.unpack_from(form, rest + bytes(6))
        call, size = (fields[1], fields[0]) if times else fields
        whole = len(rest) >= width + size
        if whole:
            calls.append(call & 0x7FFF)
            rest = rest[width + size :]
    return Reading(
        CONTENT_MEDIA_FRAME if whole else CONTENT_FRAME_MALFORMED,
        "" if whole else "trunk-boundary",
        (calls[0] if calls else 0, struct.unpack_from(">I", data, 4)[0]),
        46,
        calls=tuple(calls),
    )


def _full(data: bytes) -> Reading:
    source = struct.unpack_from(">H", data)[0] & 0x7FFF
    if len(data) < 12:
        return Reading(CONTENT_FRAME_MALFORMED, "frame-short", (source, 0, 0, 0, 0, 0, 0, 0), calls=(source,))
    destination, time, oseqno, iseqno, kind, byte = struct.unpack_from(">HIBBBB", data, 2)
    subclass = byte if byte < 0x80 else 2**64 - 1 if byte == 0xFF else 1 << (byte & 0x3F)
    header = (source, destination & 0x7FFF, time, oseqno, iseqno, kind, subclass, destination >> 15)
    if kind != 6:
        what = 41 if kind in {2, 3} else 42 if 1 <= kind <= 12 else 43
        return Reading(CONTENT_FRAME, "", header, what, calls=(source,))
    elements, malformation = _elements(data[12:])
    odd = _oddities(elements)
    odd |= {"frame-compressed-subclass"} if byte & 0x80 else set()
    odd |= {"frame-unknown-subclass"} if not 1 <= subclass <= 40 else set()
    if not destination & 0x7FFF and not oseqno and time > DAY:
        odd.add("frame-late-start")
    if not source and not destination & 0x7FFF:
        odd.add("frame-no-source")
    return Reading(
        CONTENT_FRAME_MALFORMED if malformation else CONTENT_FRAME,
        malformation,
        header,
        subclass if 1 <= subclass <= 40 else 0,
        tuple(elements),
        frozenset(odd),
        (source,),
    )


def _elements(rest: bytes) -> tuple[list[tuple[int, bytes]], str]:
    found: list[tuple[int, bytes]] = []
    while len(rest) >= 2:
        number, size = rest[0], rest[1]
        if size > len(rest) - 2:
            return found, "element-overrun"
        if len(found) == ELEMENTS_MOST:
            return found, "too-many-elements"
        found.append((number, rest[2 : 2 + size]))
        rest = rest[2 + size :]
    return found, "element-boundary" if rest else ""


def _oddities(elements: list[tuple[int, bytes]]) -> set[str]:
    odd = set()
    met = set()
    for number, value in elements:
        if number not in ELEMENTS.values():
            odd.add("element-unknown")
            continue
        if number in met and number != ELEMENTS["variable"]:
            odd.add("element-duplicate")
        met.add(number)
        if WIDTHS.get(number, len(value)) != len(value):
            odd.add("element-width")
        if number in TEXTS and 0 in value:
            odd.add("element-nul")
    return odd


def found(examined: Examined) -> Reading:
    """The same of what the scan found."""
    frame = frame_of(examined)
    if frame is None:
        return Reading(examined.content)
    full = examined.payload[0] & 0x80
    header: tuple[int, ...] = (frame.source_call, frame.timestamp)
    if full:
        header = (
            frame.source_call,
            frame.destination_call,
            frame.timestamp,
            frame.oseqno,
            frame.iseqno,
            frame.type,
            frame.subclass,
            int(frame.repeated),
        )
    malformed = examined.content == CONTENT_FRAME_MALFORMED
    return Reading(
        examined.content,
        next(name for name, number in MALFORMATIONS.items() if number == examined.malformation) if malformed else "",
        header,
        frame.what,
        tuple((name[0], value) for _, name, value in examined.headers()),
        frozenset(name for name, bit in ANOMALIES.items() if examined.anomalies >> bit & 1),
        tuple(frame.calls()),
    )
