"""Frames of IAX2 as bytes, built by hand (RFC 5456 8)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from sipsensor.fastpath.names import ELEMENTS
from sipsensor.protocols.iax2.words import subclass_number

PORT = 4569
IAX, VOICE, CONTROL = 6, 2, 4


def element(name: str | int, value: bytes | str = b"", *, length: int | None = None) -> bytes:
    """Type, length, value; ``length`` lies."""
    data = value.encode() if isinstance(value, str) else value
    return bytes((ELEMENTS[name] if isinstance(name, str) else name, len(data) if length is None else length)) + data


def full(  # noqa: PLR0913  (the fields of the header)
    subclass: int | str,
    elements: Iterable[bytes] = (),
    *,
    source: int = 7,
    destination: int = 0,
    timestamp: int = 3,
    oseqno: int = 0,
    iseqno: int = 0,
    kind: int = IAX,
    repeated: bool = False,
) -> bytes:
    """A full frame. A subclass by name is one of type IAX."""
    number = subclass_number(subclass) if isinstance(subclass, str) else subclass
    head = struct.pack(
        ">HHIBBBB", 0x8000 | source, repeated << 15 | destination, timestamp, oseqno, iseqno, kind, number
    )
    return head + b"".join(elements)


def mini(source: int, timestamp: int = 20, media: bytes = bytes(160)) -> bytes:
    """A mini frame of audio."""
    return struct.pack(">HH", source, timestamp) + media


def video(source: int, timestamp: int = 20, media: bytes = bytes(200)) -> bytes:
    """A mini frame of video."""
    return struct.pack(">HHH", 0, 0x8000 | source, timestamp) + media


def trunk(entries: Iterable[tuple[int, bytes]], timestamp: int = 20, *, times: bool = False) -> bytes:
    """A meta frame with the media of several calls; ``times``: each with a time of its own."""
    data = struct.pack(">HBBI", 0, 1, times, timestamp)
    for call, media in entries:
        data += (
            struct.pack(">HHH", len(media), call, timestamp & 0xFFFF) if times else struct.pack(">HH", call, len(media))
        )
        data += media
    return data


def registers(username: str = "office", **header: Any) -> bytes:
    """The first frame of a registration, which asks for a call token."""
    return full(
        "REGREQ", [element("username", username), element("refresh", b"\0\x3c"), element("call-token")], **header
    )
