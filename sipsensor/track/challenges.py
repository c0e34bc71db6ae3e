"""Which address each nonce of the PBX went to: the only proof that a sender of datagrams receives where he says he is (DESIGN 6).

A nonce that went to two addresses proves neither: Kamailio gives two sources that it challenges in one second the same one. What counts is
the destination of the packet that carried the challenge, not a Via: Asterisk can be told by maddr where to send it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sipsensor.fastpath import names, tables
from sipsensor.model import NANOSECONDS, Table
from sipsensor.track.standing import pair_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.fastpath import examine

_NONCE = names.FIELDS["auth.nonce"]
_SHARED = 0
"""In place of an address: more than one got it."""


class Proof(IntEnum):
    """What the nonce in a request's credentials says of its sender."""

    NONE = 0
    """There are no credentials, or their nonce is not one that we saw go out."""
    SHARED = 1
    """It went to him and to others."""
    OTHERS = 2
    """It went to somebody else alone."""
    OWN = 3
    """It went to him alone."""


class Challenges:
    """Remembers nonces for ``seconds`` after they were last sent. Bounded: a nonce pushed out proves nobody."""

    SECONDS = 3600

    def __init__(self, capacity: int = 65_536, seconds: int = SECONDS) -> None:
        self.table = tables.Records(capacity, 1)
        self.exchanges = tables.Records(capacity, 1)
        self.foreign = tables.Records(capacity // 8, 1)
        self._life = seconds * NANOSECONDS

    def sent(self, examined: examine.Examined, to: int, exchange: int = 0) -> None:
        """A response of the PBX to that address: note who got its nonces, and for what (a key; 0 where its request is not known)."""
        ts = examined.ts
        until = ts + self._life
        for nonce in examined.nonce_keys():
            held = self.table.get(nonce, ts)
            alone = (held is None or held[0] == to) and self.foreign.get(nonce, ts) is None
            self.table.put(nonce, ts, until, (to if alone else _SHARED,))
            if exchange:
                self.exchanges.put(pair_key(nonce, exchange), ts, until, (to,))

    def came(self, examined: examine.Examined, *, asked: bool = False) -> None:
        """Somebody outside challenges the PBX, or whoever it asked for. His nonce proves nobody, also where the PBX hands it on. Those that
        answer what the PBX ``asked`` are not pushed out by others, which anybody may send in any number.
        """
        ts = examined.ts
        for nonce in examined.nonce_keys():
            self.foreign.put(nonce, ts, ts + self._life, (1,), int(asked))
            if self.table.get(nonce, ts) is not None:
                self.table.put(nonce, ts, ts + self._life, (_SHARED,))

    def asked_for(self, examined: examine.Examined, address: int, exchange: int) -> bool:
        """Whether the one nonce of these credentials went to that address in answer to the same request without them."""
        nonces = set(examined.keys(_NONCE))
        if len(nonces) != 1 or not exchange:
            return False
        return self.exchanges.get(pair_key(nonces.pop(), exchange), examined.ts) == (address,)

    def tables(self) -> Sequence[Table]:
        """The nonces, what they were sent for, and those of others."""
        held = {"nonces": self.table, "challenged_requests": self.exchanges, "foreign_nonces": self.foreign}
        return [Table.of(name, table) for name, table in held.items()]

    def proof(self, examined: examine.Examined, address: int) -> Proof:
        """What the credentials of a request from that address prove. With several, the weakest counts: which one the PBX reads, nobody
        knows.
        """
        nonces = examined.keys(_NONCE)
        if len(nonces) == 1:
            return self._proof(nonces[0], address, examined.ts)
        return min((self._proof(nonce, address, examined.ts) for nonce in set(nonces)), default=Proof.NONE)

    def _proof(self, nonce: int, address: int, now: int) -> Proof:
        held = self.table.get(nonce, now)
        if held is None:
            return Proof.NONE
        if held[0] == _SHARED:
            return Proof.SHARED
        return Proof.OWN if held[0] == address else Proof.OTHERS
