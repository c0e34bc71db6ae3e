"""How far an ``address . port`` is believed, and which accounts were ever accepted from which source (DESIGN 6).

Proven: he receives at his address. Trusted: the PBX accepted his credentials, given on a nonce that went to him alone, for a registration or
a call. Strangers are not kept here, so no flood of theirs costs a place; the proven make room for the trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import tables
from sipsensor.model import NANOSECONDS, Standing, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

PROVEN_SECONDS = 3600
KNOWN_SECONDS = 14 * 86400
SOURCES_PER_ACCOUNT = 10
"""A stolen or shared password makes no more sources trusted than this."""
_MIX = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def pair_key(account: int, network: int) -> int:
    """One account from one source."""
    return (account ^ (network * _MIX & _WORD)) or 1


class Standings:
    """Who is proven or trusted, until when, and for which account. ``known`` outlives trust: an account was accepted from there before."""

    def __init__(self, capacity: int = 65_536) -> None:
        self.table = tables.Records(capacity, 2)
        self.known = tables.Records(capacity, 1)
        self.sources = tables.Records(capacity, 1)

    def of(self, port: int, now: int) -> Standing:
        """The standing of an ``address . port``."""
        held = self.table.get(port, now)
        return Standing(held[0]) if held is not None else Standing.STRANGER

    def trusts(self, port: int, account: int, now: int) -> bool:
        """Whether that account was accepted from there and its registration still holds."""
        held = self.table.get(port, now)
        return held is not None and held == (Standing.TRUSTED, account)

    def is_known(self, account: int, network: int, now: int) -> bool:
        """Whether the PBX accepted that account's credentials from that source within the last weeks."""
        return self.known.get(pair_key(account, network), now) is not None

    def is_account(self, account: int, now: int) -> bool:
        """Whether the PBX accepted credentials for that name within the last weeks, from anywhere."""
        return self.sources.get(account, now) is not None

    def prove(self, port: int, now: int) -> None:
        """This very exchange showed that he receives there."""
        if self.of(port, now) < Standing.PROVEN:
            self.table.put(port, now, now + PROVEN_SECONDS * NANOSECONDS, (Standing.PROVEN, 0), Standing.PROVEN)

    def accept(self, port: int, account: int, network: int, now: int, until: int) -> None:
        """The PBX accepted his credentials, on a nonce of his own, for a registration or a call that lasts until then."""
        if not self.is_known(account, network, now):
            held = self.sources.get(account, now)
            count = held[0] if held is not None else 0
            if count >= SOURCES_PER_ACCOUNT:
                return
            self.sources.put(account, now, now + KNOWN_SECONDS * NANOSECONDS, (count + 1,), Standing.TRUSTED)
        self.known.put(pair_key(account, network), now, now + KNOWN_SECONDS * NANOSECONDS, (now,), Standing.TRUSTED)
        self.table.put(port, now, until, (Standing.TRUSTED, account), Standing.TRUSTED)

    def tables(self) -> Sequence[Table]:
        """Who is proven or trusted; which account from where; from how many places."""
        held = {"standing": self.table, "known_accounts": self.known, "account_sources": self.sources}
        return [Table(name, table.fill, table.capacity, table.evictions) for name, table in held.items()]

    def withdraw(self, port: int) -> None:
        """His registration was removed."""
        self.table.forget(port)
