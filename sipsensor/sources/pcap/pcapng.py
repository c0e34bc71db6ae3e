"""pcapng, read block by block: timestamps exact in nanoseconds, any mixture of link types and sections.

The format is draft-ietf-opsawg-pcapng: section header (4.1), interface description (4.2), enhanced (4.3) and simple
(4.4) packet blocks, and the obsolete packet block of older writers (appendix A). Every other block is skipped. No
packet is copied: a batch is the chunk as it was read, with an index into it.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Generator, Iterator
from typing import NamedTuple

from sipsensor.sources.pcap.base import Batch, Stream

SECTION_HEADER = 0x0A0D0D0A
_INTERFACE, _OBSOLETE, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_ORDER_MAGIC = 0x1A2B3C4D
_CHUNK = 1 << 16
"""Bytes of a batch: few, so that what was read is still in the processor's cache when it is judged."""
BLOCK_LIMIT = 1 << 24
"""Bytes of a block; libpcap's own limit. A longer one is taken for damage."""
_TS_RESOLUTION, _TS_OFFSET, _OFFSET_SIZE = 9, 14, 8
_NANO = 9
_BLOCK_LEAST, _SIMPLE_LEAST, _ENHANCED_LEAST, _INTERFACE_LEAST = 12, 16, 32, 8
_TIME_END = (1 << 32) * 1_000_000_000
"""An index has 32 bits for seconds. A time outside them is damage; it is kept at the end of the range, for it is the
packet that counts.
"""


_DLT_OF_LINKTYPE = {100: 11, 101: 12, 102: 15, 103: 16, 106: 19}
"""Numbers in files that differ from libpcap's own on Linux (pcap/dlt.h); ``Batch.link`` is the latter, from either reader."""


class Damage(Exception):  # noqa: N818 - it ends the reading, it is not an error of the program
    """The file cannot be read further from here."""


class Interface(NamedTuple):
    """What an interface description says. A timestamp t is ``t * multiplier // divisor + offset`` nanoseconds."""

    link: int
    snap_length: int
    multiplier: int
    divisor: int
    offset: int


class Pcapng:
    """The batches of one pcapng file. ``notice`` says after the last batch why the file ended early, if it did."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._order = "<"
        self._enhanced = struct.Struct("<7I")
        self._wanted = 0
        self._interfaces: list[Interface] = []
        self._number = 1
        self._last = 0
        self.notice = ""

    def batches(self) -> Iterator[Batch]:
        """All whole packets in order; a packet block that belongs to no described interface ends the file as damaged."""
        rest = b""
        while True:
            try:
                read = self._stream.read(max(_CHUNK, self._wanted - len(rest)))
            except OSError as error:
                self.notice, read = str(error), b""
            chunk = rest + read
            used, damage = yield from self._walk(chunk)
            rest = chunk[used:]
            if damage or not read:
                if not self.notice:
                    self.notice = damage or (
                        f"cut short inside a block, {len(rest)} bytes of it are there" if rest else ""
                    )
                return

    def _walk(self, chunk: bytes) -> Generator[Batch, None, tuple[int, str]]:
        """Batches of all whole blocks of a chunk. Returns how much of it was used, and why the file ends here, if it
        does.
        """
        position, size, damage = 0, len(chunk), ""
        index, link, first = array("I"), -1, self._number
        self._wanted = 0
        while size - position >= _BLOCK_LEAST:
            try:
                kind, length = self._block(chunk, position)
                if position + length > size:
                    self._wanted = length
                    break
                if kind in (_ENHANCED, _OBSOLETE, _SIMPLE):
                    new_link, record = self._packet(kind, chunk, position, length)
                    if new_link != link:
                        if index:
                            yield self._batch(chunk, index, link, first)
                        index, link, first = array("I"), new_link, self._number
                    index.extend(record)
                    self._number += 1
                    position = self._plain_run(chunk, position + length, index, link)
                    continue
                if kind == _INTERFACE:
                    self._interfaces.append(self._interface(chunk[position + 8 : position + length - 4]))
                position += length
            except Damage as error:
                damage = str(error)
                break
        if index:
            yield self._batch(chunk, index, link, first)
        return position, damage

    def _batch(self, chunk: bytes, index: array[int], link: int, first: int) -> Batch:
        return Batch(chunk, index.tobytes(), link, nanoseconds=True, first_number=first)

    def _plain_run(self, chunk: bytes, position: int, index: array[int], link: int) -> int:
        """Enhanced packet blocks of the same link type from ``position`` on, as long as nothing about them is odd;
        returns where they end.

        Nearly every block of a capture is read by this loop; whatever it does not take, ``_block`` and ``_packet``
        look at with care.
        """
        unpack, interfaces, extend = self._enhanced.unpack_from, self._interfaces, index.extend
        size, start, ts = len(chunk), position, -1
        known = len(interfaces)
        count = 0
        while size - position >= _ENHANCED_LEAST:
            kind, length, number, high, low, captured, _ = unpack(chunk, position)
            if (
                kind != _ENHANCED
                or number >= known
                or length & 3
                or not captured + _ENHANCED_LEAST <= length <= size - position
            ):
                break
            there, _, multiplier, divisor, offset = interfaces[number]
            time = ((high << 32) | low) * multiplier // divisor + offset
            if there != link or not 0 <= time < _TIME_END:
                break
            ts = time
            extend((ts // 1_000_000_000, ts % 1_000_000_000, position + 28, captured))
            position += length
            count += 1
        if position != start:
            self._last = ts
            self._number += count
        return position

    def _block(self, chunk: bytes, position: int) -> tuple[int, int]:
        """Kind and length of the block there; a section header sets the byte order first. Raises Damage for an
        impossible length.
        """
        kind, length = struct.unpack_from(f"{self._order}2I", chunk, position)
        if kind == SECTION_HEADER:
            order = next((o for o in "<>" if struct.unpack_from(f"{o}I", chunk, position + 8)[0] == _ORDER_MAGIC), None)
            if order is None:
                raise Damage("a section header without its byte-order magic")
            self._order = order
            self._enhanced = struct.Struct(f"{order}7I")
            self._interfaces.clear()
            length = struct.unpack_from(f"{order}I", chunk, position + 4)[0]
        if length < _BLOCK_LEAST or length % 4 or length > BLOCK_LIMIT:
            raise Damage(f"a block of {length} bytes cannot be")
        return kind, length

    def _packet(self, kind: int, chunk: bytes, position: int, length: int) -> tuple[int, tuple[int, int, int, int]]:
        """Link type and index record of a packet block."""
        if kind == _SIMPLE:
            interface, captured, start = self._simple(chunk, position, length)
            ts = self._last
        else:
            if length < _ENHANCED_LEAST:
                raise Damage(f"a packet block of {length} bytes cannot be")
            number, high, low, captured, _ = struct.unpack_from(f"{self._order}5I", chunk, position + 8)
            if kind == _OBSOLETE:
                number = struct.unpack_from(f"{self._order}H", chunk, position + 8)[0]
            interface, start = self._described(number), position + 28
            ts = self._last = ((high << 32) | low) * interface.multiplier // interface.divisor + interface.offset
        if start + captured > position + length - 4:
            raise Damage(f"a packet of {captured} bytes in a block of {length}")
        seconds, fraction = divmod(min(max(ts, 0), _TIME_END - 1), 1_000_000_000)
        return interface.link, (seconds, fraction, start, captured)

    def _simple(self, chunk: bytes, position: int, length: int) -> tuple[Interface, int, int]:
        """Interface, captured length and start of a simple packet block, which has neither time nor captured length
        of its own.
        """
        if length < _SIMPLE_LEAST:
            raise Damage(f"a packet block of {length} bytes cannot be")
        interface = self._described(0)
        captured = min(struct.unpack_from(f"{self._order}I", chunk, position + 8)[0], length - _SIMPLE_LEAST)
        if interface.snap_length:
            captured = min(captured, interface.snap_length)
        return interface, captured, position + 12

    def _described(self, number: int) -> Interface:
        if number >= len(self._interfaces):
            raise Damage(f"a packet of interface {number}, which is not described")
        return self._interfaces[number]

    def _interface(self, body: bytes) -> Interface:
        if len(body) < _INTERFACE_LEAST:
            raise Damage("an interface description without its link type")
        link, _, snap_length = struct.unpack_from(f"{self._order}2HI", body)
        multiplier, divisor, offset = 1000, 1, 0
        position = _INTERFACE_LEAST
        while position + 4 <= len(body):
            code, size = struct.unpack_from(f"{self._order}2H", body, position)
            value = body[position + 4 : position + 4 + size]
            if code == _TS_RESOLUTION and len(value) == 1:
                multiplier, divisor = _resolution(value[0])
            elif code == _TS_OFFSET and len(value) == _OFFSET_SIZE:
                offset = struct.unpack(f"{self._order}q", value)[0] * 1_000_000_000
            elif code == 0:
                break
            position += 4 + (size + 3) // 4 * 4
        return Interface(_DLT_OF_LINKTYPE.get(link, link), snap_length, multiplier, divisor, offset)


def _resolution(value: int) -> tuple[int, int]:
    """Multiplier and divisor to nanoseconds of an if_tsresol: a negative power of ten, or of two when the top bit is
    set.
    """
    power = value & 0x7F
    if value & 0x80:
        return 1_000_000_000, 1 << power
    return (10 ** (_NANO - power), 1) if power <= _NANO else (1, 10 ** (power - _NANO))
