"""What both readers share: the batch, its records, the error."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from sipsensor.model import Arrival, Packet

RECORD = struct.Struct("=4I")
"""One packet in an index: seconds, fraction, offset, captured length. Native byte order, as pcapy-ng's ``next_batch``
writes it.
"""

LINUX_SLL2 = 276
MARK = b"SIPSEN"
"""The first six bytes of the link-layer address in recordings of our own (``export.recording``)."""

_SLL2_HEADER, _SLL2_ADDRESS = 20, 8
_ARRIVALS = {0: Arrival.INBOUND, 3: Arrival.FORGED, 4: Arrival.OUTBOUND}


class CaptureError(Exception):
    """A capture cannot be read at all. The text is one line: ``FILE: what is wrong; remedy``."""


class Stream(Protocol):
    """The content of a capture file, unpacked. ``read`` raises OSError for damage as well, after all that was
    readable.
    """

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...

    def close(self) -> None:
        """Close the file below too."""
        ...


class Batch(NamedTuple):
    """Consecutive packets of one link type (libpcap's DLT number).

    ``records`` holds a ``RECORD`` per packet, whose offset counts from the start of ``data``; the fraction is in
    nanoseconds or microseconds. ``first_number`` is the number of the first packet in its file, from 1, as tshark
    counts frames.
    """

    data: bytes
    records: bytes
    link: int
    nanoseconds: bool
    first_number: int

    @property
    def size(self) -> int:
        """How many packets."""
        return len(self.records) // RECORD.size


def packets(batch: Batch) -> Iterator[Packet]:
    """Each packet of a batch as an object, with the arrival that recordings of our own carry."""
    scale = 1 if batch.nanoseconds else 1000
    number = batch.first_number
    for seconds, fraction, offset, length in RECORD.iter_unpack(batch.records):
        data = batch.data[offset : offset + length]
        arrival, _ = mark_of(data, batch.link)
        yield Packet(seconds * 1_000_000_000 + fraction * scale, data, batch.link, number, None, arrival)
        number += 1


def mark_of(data: bytes, link: int) -> tuple[Arrival, int | None]:
    """Arrival and recorded verdict of a packet of our own recordings; ``(UNKNOWN, None)`` for every other packet.

    The SLL2 header (libpcap LINKTYPE_LINUX_SLL2) has the packet type in byte 10, the length of the address in 11, the
    address from 12.
    """
    if link != LINUX_SLL2 or len(data) < _SLL2_HEADER or data[11] != _SLL2_ADDRESS or data[12:18] != MARK:
        return Arrival.UNKNOWN, None
    return _ARRIVALS.get(data[10], Arrival.UNKNOWN), data[18] if data[18] in (0, 1) else None
