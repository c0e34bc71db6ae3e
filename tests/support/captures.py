"""Capture files as bytes, built by hand: pcap and pcapng with every oddity that a reader has to bear."""

from __future__ import annotations

import struct
from collections.abc import Iterable

MICRO, NANO, KUZNETZOV = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
START = 1_700_000_000_123_456_789
"""ns since the epoch."""


def pcap(
    packets: Iterable[tuple[int, bytes]], *, link: int = 101, magic: int = MICRO, order: str = "<", snap: int = 262144
) -> bytes:
    """A classic file: ``packets`` are times in ns and bytes."""
    scale = 1 if magic == NANO else 1000
    out = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap, link)]
    for ts, data in packets:
        seconds, rest = divmod(ts, 1_000_000_000)
        out.append(struct.pack(f"{order}IIII", seconds, rest // scale, len(data), len(data)) + data)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """One pcapng block."""
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    """A section header block."""
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """One option of a block."""
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link: int = 101, order: str = "<", snap: int = 0, options: bytes = b"") -> bytes:
    """An interface description block."""
    return block(1, struct.pack(f"{order}HHI", link, 0, snap) + options, order)


def resolution(value: int, order: str = "<") -> bytes:
    """The option if_tsresol."""
    return option(9, bytes([value]), order)


def enhanced(data: bytes, stamp: int, *, number: int = 0, order: str = "<", captured: int | None = None) -> bytes:
    """An enhanced packet block; ``stamp`` in the interface's own units, ``captured`` lies."""
    size = len(data) if captured is None else captured
    head = struct.pack(f"{order}5I", number, stamp >> 32, stamp & 0xFFFFFFFF, size, len(data))
    return block(6, head + data, order)


def simple(data: bytes, order: str = "<") -> bytes:
    """A simple packet block."""
    return block(3, struct.pack(f"{order}I", len(data)) + data, order)


def obsolete(data: bytes, stamp: int, *, number: int = 0, order: str = "<") -> bytes:
    """A packet block as written before 2004."""
    head = struct.pack(f"{order}HHIIII", number, 0, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data))
    return block(2, head + data, order)
