"""TCP connections that are finished handshakes: whoever acknowledges the PBX's initial sequence number received it (DESIGN 6).

What is known of a connection comes from the PBX's own segments alone: its SYN-ACK names both initial sequence numbers (RFC 9293 3.5), and
each later segment says how far it has sent and how far it has received. Nothing that comes in moves a number here, so nothing forged does.

How likely a forged segment is to count, sent by somebody who knows all addresses and ports and sees no traffic: the handshake's ACK
must name a 32-bit number that the PBX chose at random (RFC 6528): 2**-32 a segment, 100,000 segments 1 in 43,000. On a connection that is
proven, a message must hit 2**14 acknowledgment and 2**15 sequence numbers: 2**-35 a segment, 100,000 segments 1 in 340,000. What goes
beyond the windows is judged as if its connection had never been seen; the PBX's own stack decides whether it reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sipsensor.fastpath import tables
from sipsensor.model import NANOSECONDS, Table
from sipsensor.reassembly.streams import Known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.fastpath import examine

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_MOST = 1 << 32
WINDOW = 1 << 14
"""Bytes that may be on their way, in either direction, when a segment is judged: more than signalling ever has."""
HANDSHAKE_SECONDS = 60
"""A SYN-ACK is sent again for about so long (RFC 6298 2 and 5.7, five retransmissions)."""
IDLE_SECONDS = 3600
"""Since the PBX sent anything. Phones keep connections open with a line end at least every two minutes (RFC 5626 4.4.1)."""
_BEGUN, _PROVEN = 0, 1


class Held(NamedTuple):
    """What is kept of a connection: sequence numbers modulo 2**32."""

    first: int
    """The PBX's first byte: its initial sequence number + 1."""
    sent: int
    """The PBX's next byte."""
    received: int
    """The next byte that the PBX expects."""
    proven: int
    began: int
    """The other side's first byte: its initial sequence number + 1."""


class Connections:
    """Handshakes begun and finished. Bounded: those begun make room for those finished, and one pushed out proves nothing."""

    def __init__(self, capacity: int = 16_384) -> None:
        self.table = tables.Records(capacity, len(Held._fields))

    def left(self, examined: examine.Examined) -> None:
        """A segment of the PBX: a handshake begins, goes on, or ends."""
        flags, key, ts = examined.tcp_flags, examined.connection_key(True), examined.ts  # noqa: FBT003
        numbers = self.table.get(key, ts)
        if flags & _SYN:
            first = (examined.sequence + 1) % _MOST
            if flags & _ACK and (numbers is None or numbers[0] != first):
                held = Held(first, first, examined.acknowledged, _BEGUN, examined.acknowledged)
                self.table.put(key, ts, ts + HANDSHAKE_SECONDS * NANOSECONDS, held, _BEGUN)
            return
        if numbers is None:
            return
        held = Held(*numbers)
        # A forged ACK is answered by a RST with the number that it named (RFC 9293 3.5.2): that ends nothing.
        if flags & (_FIN | _RST) and _behind(examined.sequence, held.sent) < WINDOW:
            self.table.forget(key)
        elif held.proven and not flags & _RST:
            sent = _later(held.sent, (examined.sequence + examined.segment_length) % _MOST)
            received = _later(held.received, examined.acknowledged) if flags & _ACK else held.received
            self._prove(key, ts, held._replace(sent=sent, received=received))

    def came(self, examined: examine.Examined) -> None:
        """A segment of somebody outside: perhaps the one that finishes a handshake."""
        flags = examined.tcp_flags
        if flags & (_ACK | _SYN | _RST) != _ACK:
            return
        key, ts = examined.connection_key(False), examined.ts  # noqa: FBT003
        numbers = self.table.get(key, ts)
        if numbers is None:
            return
        held = Held(*numbers)
        if not held.proven and examined.acknowledged == held.first and examined.sequence == held.received:
            self._prove(key, ts, held._replace(proven=_PROVEN))

    def proves(self, examined: examine.Examined) -> bool:
        """Whether this segment from outside belongs to a finished handshake, as far as its numbers tell."""
        known = self.known(examined)
        return known is not None and known.proves

    def known(self, examined: examine.Examined) -> Known | None:
        """What the PBX's own segments say of this segment's connection, where its handshake is finished."""
        numbers = self.table.get(examined.connection_key(False), examined.ts)  # noqa: FBT003
        held = Held(*numbers) if numbers is not None else None
        if held is None or not held.proven:
            return None
        return Known(held.began, held.received, bool(examined.tcp_flags & _ACK) and _is_near(examined, held))

    def tables(self) -> Sequence[Table]:
        """The connections."""
        return [Table.of("connections", self.table)]

    def _prove(self, key: int, ts: int, held: Held) -> None:
        self.table.put(key, ts, ts + IDLE_SECONDS * NANOSECONDS, held, _PROVEN)


def _is_near(examined: examine.Examined, held: Held) -> bool:
    """Whether its numbers are such as only an end of the connection knows."""
    unread = _behind(examined.acknowledged, held.sent)
    near = _behind(examined.sequence, (held.received + WINDOW) % _MOST)
    return unread < WINDOW and unread <= _behind(held.first, held.sent) and near < 2 * WINDOW


def _behind(number: int, other: int) -> int:
    """How far ``number`` lies behind ``other``, modulo 2**32: 0 where they are equal, and huge where it lies ahead."""
    return (other - number) % _MOST


def _later(one: int, other: int) -> int:
    """The later of two sequence numbers (RFC 9293 3.4)."""
    return other if _behind(one, other) < _MOST // 2 else one
