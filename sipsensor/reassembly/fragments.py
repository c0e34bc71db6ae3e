"""IPv4 and IPv6 fragments to whole datagrams (RFC 791 3.2, RFC 8200 4.5), bounded in datagrams, pieces and bytes.

Overlaps: a piece that repeats what is there byte for byte is ignored; one that differs makes the whole datagram rejected,
because which version a host believes depends on the host (RFC 5722 forbids overlaps for IPv6 altogether). So do pieces
behind its end and more of them than a sender needs. At a cap the oldest unfinished datagram goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.model import NANOSECONDS, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.fastpath import examine

DATAGRAM_MAX = 65_535
PIECES_MAX = 128
"""A 64 KiB datagram over the smallest MTU that every IPv4 host takes (576) has 119."""


class _Datagram:
    __slots__ = ("buffer", "deadline", "hopeless", "is_ours", "last", "pieces", "protocol", "rejected")

    def __init__(self, deadline: int) -> None:
        self.buffer = bytearray()
        self.pieces: list[tuple[int, int]] = []
        self.last = -1
        self.protocol = -1
        self.deadline = deadline
        self.rejected = False
        self.hopeless = False  # a piece was cut by the capture
        self.is_ours = False  # a piece with ports shows one of SIP


class Fragments:
    """Unfinished datagrams by the key of their fragments. ``seconds`` is how long one may stay unfinished (Linux: 30)."""

    def __init__(self, datagrams_max: int = 1024, seconds: int = 30) -> None:
        self._unfinished: dict[bytes, _Datagram] = {}
        self._max = datagrams_max
        self._life = seconds * NANOSECONDS
        self.evicted = 0
        self.overlaps = 0
        self.oversized = 0

    def __len__(self) -> int:
        return len(self._unfinished)

    def tables(self) -> Sequence[Table]:
        """How full it is."""
        return (Table("fragments", len(self._unfinished), self._max, self.evicted),)

    def add(self, piece: examine.Examined, examiner: examine.Examiner) -> examine.Examined | None:
        """The whole datagram when ``piece`` completes one, else None."""
        key = piece.fragment_key
        datagram = self._unfinished.get(key)
        # Files are read in any order: a time long before the first piece is another time, too.
        if datagram is None or abs(datagram.deadline - self._life - piece.ts) > self._life:
            datagram = self._start(key, piece.ts)
        if piece.fragment_offset == 0 and _shows_port(piece.fragment, examiner.sip_ports):
            datagram.is_ours = True
        if not self._put(datagram, piece):
            return None
        covered = 0
        for start, end in datagram.pieces:
            if start > covered:
                return None
            covered = max(covered, end)
        if covered != datagram.last:
            return None
        del self._unfinished[key]
        return examiner.examine_whole(piece, bytes(datagram.buffer), datagram.protocol)

    def refuses(self, piece: examine.Examined) -> bool:
        """Whether the datagram of this piece was rejected: what a host would make of it nobody can tell.

        Only where its ports are SIP's: without the piece that shows them no host hands the datagram to a PBX.
        """
        datagram = self._unfinished.get(piece.fragment_key)
        return datagram is not None and datagram.rejected and datagram.is_ours

    def tick(self, now: int) -> None:
        """Forget the datagrams that stayed unfinished for too long."""
        for key in [key for key, datagram in self._unfinished.items() if datagram.deadline < now]:
            del self._unfinished[key]

    def _start(self, key: bytes, now: int) -> _Datagram:
        self._unfinished.pop(key, None)
        if len(self._unfinished) >= self._max:
            del self._unfinished[next(iter(self._unfinished))]
            self.evicted += 1
        datagram = self._unfinished[key] = _Datagram(now + self._life)
        return datagram

    def _put(self, datagram: _Datagram, piece: examine.Examined) -> bool:
        """Lay the piece into the buffer; False when that cannot complete anything."""
        if datagram.rejected or datagram.hopeless:
            return False
        if piece.truncated:
            datagram.hopeless = True
            return False
        data, start = piece.fragment, piece.fragment_offset
        end = start + len(data)
        if end > DATAGRAM_MAX or len(datagram.pieces) >= PIECES_MAX:
            self.oversized += 1
            return self._reject(datagram)
        if self._contradicts(datagram, start, data, last=not piece.fragment_more):
            self.overlaps += 1
            return self._reject(datagram)
        if start == 0:
            datagram.protocol = piece.transport
        if not piece.fragment_more:
            datagram.last = end
        if end > len(datagram.buffer):
            datagram.buffer.extend(bytes(end - len(datagram.buffer)))
        datagram.buffer[start:end] = data
        if (start, end) not in datagram.pieces:
            datagram.pieces.append((start, end))
            datagram.pieces.sort()
        return datagram.last >= 0

    @staticmethod
    def _contradicts(datagram: _Datagram, start: int, data: bytes, *, last: bool) -> bool:
        """Whether the piece says other things of the datagram than an earlier one, its end included."""
        end = start + len(data)
        if last and (datagram.last not in (-1, end) or any(have > end for _, have in datagram.pieces)):
            return True
        if end > datagram.last >= 0:
            return True
        for have_start, have_end in datagram.pieces:
            low, high = max(start, have_start), min(end, have_end)
            if low < high and datagram.buffer[low:high] != data[low - start : high - start]:
                return True
        return False

    @staticmethod
    def _reject(datagram: _Datagram) -> bool:
        datagram.rejected = True
        datagram.buffer.clear()
        return False


def _shows_port(ip_payload: bytes, ports: tuple[int, ...]) -> bool:
    """Whether the UDP or TCP header at the start names one of the ports, as source or destination."""
    return any(int.from_bytes(ip_payload[at : at + 2], "big") in ports for at in (0, 2))
