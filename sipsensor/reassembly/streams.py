"""TCP segments to whole messages, towards the protected hosts (RFC 9293 3.4, 3.10.7.4; RFC 3261 18.3).

Two ways. **Sure**: the connection's handshake was seen, and every byte since. There each message is judged as a whole when the segment that
completes it comes; what cannot be read in one way alone is None. **Loose**: a connection that was there before the sensor, or one of which
something went by unseen. There each segment is judged as if it were a datagram, and besides what it completes; nothing is refused.

Nothing moves before the verdict: ``take`` says what a segment would complete, ``settle`` whether it went on to its receiver. A segment that
was dropped comes again and is judged again. What the receiver has acknowledged is known from him alone (``Known``), and bytes that he has
not acknowledged are kept: a second copy of them that says something else may be the one that he takes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from sipsensor.model import NANOSECONDS, Table
from sipsensor.reassembly.framing import MESSAGE_MAX, PIPELINED_MAX, Cut, apart, cut, starts, worth_examining

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.fastpath import examine

_SYN, _RST = 2, 4
_NUMBERS = 1 << 32
_TCP = 6
UNREAD_MAX = 256 * 1024
"""Bytes on their way to a receiver who has not acknowledged them: more are refused until he has."""
HELD_MAX = 64 * 1024
"""Bytes, and…"""
PIECES_MAX = 64
"""… segments that came before one in front of them."""
IDLE = 3600 * NANOSECONDS
_LOOSE, _SURE, _FOREIGN = 0, 1, 2
_MARK = b"SIP/2.0"


class Known(NamedTuple):
    """What the receiver's own segments say of a connection whose handshake is finished."""

    began: int
    """The sender's first byte."""
    received: int
    """The next byte that the receiver expects."""
    proves: bool
    """Whether this segment's numbers are such as only an end of the connection knows."""


class _Stream:
    __slots__ = ("began", "counted", "expected", "held", "judged", "missed", "mode", "need", "tail", "ts", "unread")

    def __init__(self, began: int, expected: int, mode: int) -> None:
        self.began = began
        self.expected = expected
        self.mode = mode
        self.tail = b""
        self.need = 0
        self.judged = False  # loose: the head in the tail was judged as it is
        self.held: list[tuple[int, bytes]] = []
        self.unread = b""  # what stands before the expected byte and is not acknowledged
        self.missed: _Move | None = None  # it was to be dropped; a capture shows that its receiver had it
        self.ts = 0
        self.counted = 0  # of its bytes in the sum of all

    @property
    def size(self) -> int:
        missed = len(self.missed.data) if self.missed is not None else 0
        return len(self.tail) + len(self.unread) + missed + sum(len(data) for _, data in self.held)

    def loosen(self, expected: int) -> None:
        """Something went by unseen."""
        self.mode, self.expected = _LOOSE, expected
        self.tail, self.need, self.judged = b"", 0, False
        self.held, self.unread = [], b""

    def acknowledged(self, received: int) -> None:
        """The receiver has all bytes before this one."""
        if self.mode == _SURE and _from(received, self.expected) > 0:
            missed = self.missed
            if missed is not None and missed.found is not None and _from(received, missed.expected) >= 0:
                self.advance(missed, missed.found)
            if _from(received, self.expected) > 0:
                self.loosen(received)
        left = _from(self.expected, received)
        self.unread = self.unread[-left:] if left > 0 else b""

    def advance(self, move: _Move, found: Cut) -> None:
        """The segment is on its way."""
        if move.mode == _SURE:
            self.unread += move.data
            self.held = [held for held in self.held if _from(held[0] + len(held[1]), move.expected) > 0]
        else:
            self.held, self.unread = [], b""
        self.mode, self.expected = move.mode, move.expected
        self.tail, self.need = found.rest, found.need
        seen = found.partial is not None or (self.judged and not found.whole)
        self.judged = move.mode == _LOOSE and found.need > 0 and seen
        if move.mode == _FOREIGN:
            self.tail = found.rest[1 - len(_MARK) :]

    def agrees(self, sequence: int, payload: bytes, received: int) -> bool:
        """Whether what it repeats of the bytes that are not acknowledged is what was there before."""
        start = max(_from(sequence, received), 0)
        end = min(_from(sequence + len(payload), received), _from(self.expected, received))
        if start >= end:
            return True
        at = len(self.unread) - _from(self.expected, received) + start
        mine = _from(received + start, sequence)
        return at >= 0 and self.unread[at : at + end - start] == payload[mine : mine + end - start]

    def contradicts(self, sequence: int, data: bytes) -> bool:
        """Whether a segment that came too early says something else of the same bytes."""
        for start, held in self.held:
            shift = _from(start, sequence)
            low, high = max(shift, 0), min(shift + len(held), len(data))
            if low < high and data[low:high] != held[low - shift : high - shift]:
                return True
        return False

    def joined(self, data: bytes) -> bytes:
        """The next bytes, with what came before them and joins them."""
        for start, held in sorted(self.held, key=lambda piece: _from(piece[0], self.expected)):
            over = len(data) - _from(start, self.expected)
            if over < 0:
                break
            data += held[over:]
        return data


class _Move(NamedTuple):
    """What a segment does to its stream once it is on its way to its receiver."""

    key: int
    stream: _Stream
    expected: int
    found: Cut | None
    """None: it cannot be followed."""
    data: bytes = b""
    mode: int = _LOOSE
    early: tuple[int, bytes] | None = None


class Streams:
    """Unfinished streams by connection. Loose ones have a table of their own, so that they push out no other."""

    def __init__(
        self,
        examiner: examine.Examiner,
        capacity: int = 16_384,
        loose_max: int = 4096,
        bytes_max: int = 32 * 1024 * 1024,
    ) -> None:
        self._examiner = examiner
        self._sure: OrderedDict[int, _Stream] = OrderedDict()
        self._loose: OrderedDict[int, _Stream] = OrderedDict()
        self._capacity, self._loose_max, self._bytes_max = capacity, loose_max, bytes_max
        self.moving: _Move | None = None
        """What waits for ``settle``."""
        self._now = 0
        self.bytes = 0
        self.evicted = 0
        self.unclear = 0

    def __len__(self) -> int:
        return len(self._sure) + len(self._loose)

    def tables(self) -> Sequence[Table]:
        """How full it is."""
        return (Table("streams", len(self), self._capacity + self._loose_max, self.evicted),)

    def tick(self, now: int) -> None:
        """Forget the connections on which nothing came for an hour."""
        for table in (self._sure, self._loose):
            while table and next(iter(table.values())).ts + IDLE < now:
                self._forget(table)

    def take(self, pieces: Sequence[examine.Examined], known: Known | None) -> Sequence[examine.Examined] | None:
        """The messages that this segment completes; None where what its receiver would make of it cannot be known.

        ``pieces`` are its messages as if it were a datagram. ``settle`` must follow.
        """
        first = pieces[0]
        self.moving = None
        if not first.segment_length or first.tcp_flags & (_SYN | _RST):
            return pieces
        key = first.connection_key(False)  # noqa: FBT003
        stream = self._sure.get(key) or self._loose.get(key)
        if known is not None and (stream is None or stream.began != known.began):
            fresh = known.received == known.began
            stream = _Stream(known.began, known.began, _SURE if fresh else _LOOSE)
        if stream is None:
            stream = _Stream(-1, first.sequence, _LOOSE)
        if known is not None:
            stream.acknowledged(known.received)
        if stream.mode == _FOREIGN:
            return self._foreign(key, stream, pieces)
        if stream.mode == _LOOSE or known is None:
            return self._looser(key, stream, pieces) if known is None or known.proves else pieces
        return self._surely(key, stream, pieces, known)

    def settle(self, *, delivered: bool) -> None:
        """The segment of the last ``take`` goes on to its receiver, or does not."""
        move, self.moving = self.moving, None
        if move is None:
            return
        stream, found = move.stream, move.found
        stream.missed = None
        if not delivered:
            stream.missed = move._replace(found=found._replace(whole=[], partial=None)) if found is not None else None
        elif move.early is not None:
            stream.held.append(move.early)
        elif found is None:
            stream.loosen(move.expected)
        else:
            stream.advance(move, found)
        stream.ts = self._now
        self._keep(move.key, stream)

    def _surely(
        self, key: int, stream: _Stream, pieces: Sequence[examine.Examined], known: Known
    ) -> Sequence[examine.Examined] | None:
        first = pieces[0]
        end = first.sequence + first.segment_length
        ahead = _from(first.sequence, stream.expected)
        if _from(end, known.received) <= 0:
            return ()  # its receiver has these bytes, and ignores them
        if ahead and not known.proves:
            return None
        unclear = _Move(key, stream, end % _NUMBERS, None)
        if first.truncated:
            self._plan(unclear, first)
            return pieces
        payload = first.payload
        fits = _from(end, known.received) <= UNREAD_MAX and stream.agrees(first.sequence, payload, known.received)
        if fits and ahead + len(payload) <= 0:
            return ()
        if not fits or (stream.held and stream.contradicts(first.sequence, payload)):
            self.unclear += 1
            self._plan(unclear, first)
            return None
        return self._early(unclear, first, ahead) if ahead > 0 else self._next(unclear, pieces, payload[-ahead:])

    def _next(
        self, unclear: _Move, pieces: Sequence[examine.Examined], payload: bytes
    ) -> Sequence[examine.Examined] | None:
        """The bytes that were expected next."""
        first, stream = pieces[0], unclear.stream
        data = stream.joined(payload)
        plain = not stream.tail and len(data) == first.segment_length
        found = cut(list(pieces)) if plain else self._joined(stream, first, data)
        if found.foreign and not found.whole:
            self._plan(unclear._replace(found=found, data=data, mode=_FOREIGN), first)
            return pieces
        if found.foreign or not found.clear:
            self.unclear += 1
            self._plan(unclear, first)
            return None
        expected = (stream.expected + len(data)) % _NUMBERS
        self._plan(unclear._replace(expected=expected, found=found, data=data, mode=_SURE), first)
        return found.whole

    def _early(self, unclear: _Move, first: examine.Examined, ahead: int) -> Sequence[examine.Examined] | None:
        """It comes before one in front of it: it waits, and whoever fills the hole answers for both."""
        stream = unclear.stream
        if ahead + first.segment_length > HELD_MAX or len(stream.held) >= PIECES_MAX:
            self.unclear += 1
            self._plan(unclear, first)
            return None
        self._plan(unclear._replace(early=(first.sequence, first.payload)), first)
        return ()

    def _looser(self, key: int, stream: _Stream, pieces: Sequence[examine.Examined]) -> Sequence[examine.Examined]:
        first = pieces[0]
        end = (first.sequence + first.segment_length) % _NUMBERS
        goes_on = stream.expected == first.sequence
        if goes_on and stream.tail and not first.truncated:
            found = self._joined(stream, first, first.payload)
            if found.clear and not found.foreign:
                self._plan(_Move(key, stream, end, found), first)
                whole = found.whole[1:] if stream.judged else found.whole
                new = found.whole or (found.need and not stream.judged)
                return [*whole, found.partial] if new and found.partial is not None else whole
        known_start = starts(first) or (goes_on and key in self._loose)
        if known_start or key in self._sure or key in self._loose:
            begun = cut(list(pieces)) if known_start and not first.truncated else None
            unread = begun is None or not begun.clear or begun.foreign
            self._plan(_Move(key, stream, end, None if unread else begun), first)
        return pieces

    def _foreign(
        self, key: int, stream: _Stream, pieces: Sequence[examine.Examined]
    ) -> Sequence[examine.Examined] | None:
        """A connection that began with something else goes on with it."""
        text = stream.tail + pieces[0].payload
        found = Cut([], text, foreign=True)
        self._plan(_Move(key, stream, stream.expected, found, b"", _FOREIGN), pieces[0])
        return None if _MARK in text else pieces

    def _joined(self, stream: _Stream, first: examine.Examined, data: bytes) -> Cut:
        whole = stream.tail + data
        if not worth_examining(stream.tail, data, stream.need):
            return Cut([], whole, stream.need, clear=len(whole) <= MESSAGE_MAX)
        ports = first.sport.to_bytes(2, "big") + first.dport.to_bytes(2, "big")
        numbers = first.sequence.to_bytes(4, "big") + first.acknowledged.to_bytes(4, "big")
        head = ports + numbers + bytes((0x50, first.tcp_flags)) + bytes(6)
        pieces = apart(self._examiner.examine_whole(first, head + whole, _TCP), PIPELINED_MAX)
        return Cut([], clear=False) if pieces is None else cut(pieces)

    def _plan(self, move: _Move, first: examine.Examined) -> None:
        self.moving, self._now = move, first.ts

    def _keep(self, key: int, stream: _Stream) -> None:
        mine, other = (self._loose, self._sure) if stream.mode == _LOOSE else (self._sure, self._loose)
        replaced = other.pop(key, None) or mine.get(key)
        if replaced is not None and replaced is not stream:
            self.bytes -= replaced.counted
        mine[key] = stream
        mine.move_to_end(key)
        size = stream.size
        self.bytes += size - stream.counted
        stream.counted = size
        while len(self._loose) > self._loose_max or (self._loose and self.bytes > self._bytes_max):
            self._forget(self._loose, evicts=True)
        while len(self._sure) > self._capacity or self.bytes > self._bytes_max:
            self._forget(self._sure, evicts=True)

    def _forget(self, table: OrderedDict[int, _Stream], *, evicts: bool = False) -> None:
        _, stream = table.popitem(last=False)
        self.bytes -= stream.counted
        stream.counted = 0
        self.evicted += evicts


def _from(number: int, other: int) -> int:
    """How far ``number`` lies beyond ``other``, modulo 2**32; negative where it lies before it (RFC 9293 3.4)."""
    return (number - other + _NUMBERS // 2) % _NUMBERS - _NUMBERS // 2
