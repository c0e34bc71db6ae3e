"""Which address each nonce of the PBX went to: the only proof that a sender of datagrams receives where he says he is (DESIGN 6).

A nonce that went to two addresses proves neither: Kamailio gives two sources that it challenges in one second the same one. What counts is
the destination of the packet that carried the challenge, not a Via: Asterisk can be told by maddr where to send it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sipsensor.fastpath import names, pair_key, tables
from sipsensor.model import NANOSECONDS, Table

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


_PROVES_NONE, _PROVES_SHARED, _PROVES_OTHERS, _PROVES_OWN = (int(proof) for proof in Proof)


class Challenges:
    """Remembers nonces for ``seconds`` after they were last sent. Bounded: a nonce pushed out proves nobody."""

    SECONDS = 3600

    def __init__(self, capacity: int = 65_536, seconds: int = SECONDS) -> None:
        self.table = tables.Records(capacity, 1)
        self.exchanges = tables.Records(capacity, 1)
        self.foreign = tables.Records(capacity // 8, 1)
        self._life = seconds * NANOSECONDS

    def sent(self, examined: examine.Examined, to: int, exchange: int) -> None:
        """A response of the PBX to that address: note who got its nonces, and for what (a key; 0 where its request is not known)."""
        ts = examined.ts
        until = ts + self._life
        for nonce in examined.nonce_keys():
            alone = self.table.first(nonce, ts, to) == to and not self.foreign.holds(nonce, ts)
            self.table.put_one(nonce, ts, until, to if alone else _SHARED)
            if exchange:
                self.exchanges.put_one(pair_key(nonce, exchange), ts, until, to)

    def came(self, examined: examine.Examined, asked: bool) -> None:  # noqa: FBT001 - typed for C
        """Somebody outside challenges the PBX, or whoever it asked for. His nonce proves nobody, also where the PBX hands it on. Those that
        answer what the PBX ``asked`` are not pushed out by others, which anybody may send in any number.
        """
        ts = examined.ts
        for nonce in examined.nonce_keys():
            self.foreign.put_one(nonce, ts, ts + self._life, 1, asked)
            if self.table.holds(nonce, ts):
                self.table.put_one(nonce, ts, ts + self._life, _SHARED)

    def asked_for(self, examined: examine.Examined, address: int, exchange: int, sole: int) -> bool:
        """Whether the one nonce of these credentials went to that address in answer to the same request without them. ``sole``: its key,
        where there cannot be several.
        """
        nonce = sole or _one_of(examined.keys(_NONCE))
        return (
            nonce != 0
            and exchange != 0
            and self.exchanges.first(pair_key(nonce, exchange), examined.ts, _SHARED) == address
        )

    def tables(self) -> Sequence[Table]:
        """The nonces, what they were sent for, and those of others."""
        held = {"nonces": self.table, "challenged_requests": self.exchanges, "foreign_nonces": self.foreign}
        return [Table.of(name, table) for name, table in held.items()]

    def proof(self, examined: examine.Examined, address: int, sole: int) -> int:
        """What the credentials of a request from that address prove, a ``Proof``. With several, the weakest counts: which one the PBX
        reads, nobody knows. ``sole``: the key of their nonce, where there cannot be several.
        """
        if sole:
            return self._proof(sole, address, examined.ts)
        nonces = examined.keys(_NONCE)
        proves = _PROVES_OWN if nonces else _PROVES_NONE
        for nonce in nonces:
            proves = min(proves, self._proof(nonce, address, examined.ts))
        return proves

    def _proof(self, nonce: int, address: int, now: int) -> int:
        place = self.table.find(nonce, now)
        if place < 0:
            return _PROVES_NONE
        held = self.table.number(place, 0)
        if held == _SHARED:
            return _PROVES_SHARED
        return _PROVES_OWN if held == address else _PROVES_OTHERS


def _one_of(keys: list[int]) -> int:
    """The key that all of them are; 0 where they differ, or there is none."""
    return keys[0] if keys and keys.count(keys[0]) == len(keys) else 0
