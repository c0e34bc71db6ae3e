"""How far an ``address . port`` is believed, and which accounts were ever accepted from which source (DESIGN 6).

Proven: he receives at his address. Trusted: the PBX accepted his credentials, given on a nonce that went to him alone, for a
registration or a call; or he is a provider where the PBX registered itself. Strangers are not kept here, so no flood of theirs costs a
place; the proven make room for the trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sipsensor.fastpath import pair_key, tables
from sipsensor.model import NANOSECONDS, Standing, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PROVEN, _TRUSTED = int(Standing.PROVEN), int(Standing.TRUSTED)
PROVEN_SECONDS = 3600
KNOWN_SECONDS = 14 * 86400
TRUSTED_SECONDS_MOST = 7 * 86400
"""Whatever the PBX grants, nobody is trusted for longer without registering again."""
SOURCES_PER_ACCOUNT = 10
"""A stolen or shared password makes no more sources trusted than this."""
PORTS_PER_ACCOUNT = 32
"""New ``address . port`` that one account may make trusted in an hour: no more, or one account would push out all others."""


class Held(NamedTuple):
    """What is kept of an ``address . port``. Its account is 0 for a provider: he is trusted for all that he sends."""

    standing: int
    account: int
    name: int
    """The AOR's user, where it is not the name that the credentials are for."""
    high: int
    """The address, as two numbers: 16 bytes, IPv4 as ::ffff:a.b.c.d."""
    low: int
    port: int
    behind: int
    """1 for a client behind one of ``network.proxies``: the kernel sees the proxy's address, never his."""

    @property
    def address(self) -> bytes:
        """As 16 bytes."""
        return self.high.to_bytes(8, "big") + self.low.to_bytes(8, "big")


class Known(NamedTuple):
    """What is kept of an account that was accepted from a source."""

    call: int
    """The Call-ID of the registration that was accepted last: who does not see the traffic does not know it."""


class Standings:
    """Who is proven or trusted, until when, and for which account. ``known`` outlives trust: an account was accepted from there before."""

    def __init__(self, capacity: int = 65_536) -> None:
        self.table = tables.Records(capacity, len(Held._fields), kept=True)
        self.known = tables.Records(capacity, len(Known._fields), kept=True)
        self.sources = tables.Records(capacity, SOURCES_PER_ACCOUNT, kept=True)
        self.offices = tables.Records(capacity, 1, kept=True)
        self.ports = tables.RateTable(capacity, [(PORTS_PER_ACCOUNT, PROVEN_SECONDS)])
        self.withdrawn = 0
        """Registrations that were removed on purpose; whoever counts them sets it back."""

    def held(self, port: int, now: int) -> Held | None:
        """What is kept of an ``address . port``; None of a stranger."""
        numbers = self.table.get(port, now)
        return Held(*numbers) if numbers is not None else None

    def of(self, port: int, now: int) -> Standing:
        """The standing of an ``address . port``."""
        return Standing(self.level(port, now))

    def level(self, port: int, now: int) -> int:
        """The same as a number."""
        return self.table.first(port, now, 0)

    def trusted_for(self, port: int, account: int, now: int) -> bool:
        """Whether he is trusted for that account: for all, where he is a provider."""
        if self.level(port, now) != _TRUSTED:
            return False
        place = self.table.find(port, now)
        held = self.table.number(place, 1)
        return held in (0, account) or self.table.number(place, 2) == account

    def is_provider(self, port: int, now: int) -> bool:
        """Whether he is trusted, and for all accounts."""
        return self.level(port, now) == _TRUSTED and self.table.number(self.table.find(port, now), 1) == 0

    def knows(self, account: int, source: int, now: int) -> bool:
        """Whether the PBX accepted that account from that source within the last weeks."""
        return self.known.holds(pair_key(account, source), now)

    def known_call(self, account: int, source: int, now: int) -> int:
        """The Call-ID of its registration then, a key; 0 where there was none."""
        return self.known.first(pair_key(account, source), now, 0)

    def is_account(self, account: int, now: int) -> bool:
        """Whether the PBX accepted credentials for that name within the last weeks, from anywhere."""
        return self.sources.holds(account, now)

    def sources_of(self, account: int, now: int) -> int:
        """From how many sources the PBX accepted that account within the last weeks: at most SOURCES_PER_ACCOUNT."""
        return len(self._places(account, 0, now))

    def accounts_at(self, source: int, now: int) -> int:
        """How many accounts the PBX accepted from that source within the last weeks: an office has many."""
        return self.offices.first(source, now, 0)

    def prove(self, port: int, held: Held, now: int) -> None:
        """The very exchange showed that he receives there."""
        if self.level(port, now) < _PROVEN:
            self.table.put(port, now, now + PROVEN_SECONDS * NANOSECONDS, held, Standing.PROVEN)

    def accept(self, port: int, source: int, held: Held, call: int, now: int, until: int) -> bool:
        """The PBX accepted his credentials, on a nonce of his own, for a registration or a call that lasts until then.

        False for an account that has too many sources, or too many ports: he is not trusted.
        """
        weeks = now + KNOWN_SECONDS * NANOSECONDS
        for account in {held.account, held.name}:
            if account and not self._know(account, source, call, now, weeks):
                return False
        if not self.trusts(port, held, now) and self.ports.charge(held.account, now):
            return False
        return self.table.put(port, now, until, held, Standing.TRUSTED)

    def trusts(self, port: int, held: Held, now: int) -> bool:
        """Whether he is trusted already, and for the same account."""
        before = self.held(port, now)
        return before is not None and before.standing == Standing.TRUSTED and before.account == held.account

    def trust(self, port: int, held: Held, now: int, until: int) -> bool:
        """A provider where the PBX registered itself: trusted for all that he sends."""
        return self.table.put(port, now, until, held, Standing.TRUSTED)

    def withdraw(self, port: int, now: int) -> None:
        """His registration was removed."""
        self.withdrawn += self.level(port, now) == _TRUSTED
        self.table.forget(port)

    def all(self, now: int) -> Iterator[tuple[int, Held]]:
        """Key and facts of all who are proven or trusted. Walks the whole table."""
        for key, _, _, numbers in self.table.entries(now):
            yield key, Held(*numbers)

    def registered(self, now: int) -> int:
        """How many accounts are trusted anywhere: one that moves to another port is still one. Walks the whole table."""
        return self.table.distinct(now, Standing.TRUSTED, 1)

    def trusted(self, now: int) -> int:
        """How many are trusted. Walks the whole table."""
        return self.table.count(now, Standing.TRUSTED)

    def kept(self) -> Mapping[str, tables.Records]:
        """What outlives a restart, by name."""
        return {
            "standing": self.table,
            "known_accounts": self.known,
            "account_sources": self.sources,
            "source_accounts": self.offices,
        }

    def tables(self) -> Sequence[Table]:
        """Who is proven or trusted; which account from where; from how many places; how many at one."""
        return [Table.of(name, table) for name, table in self.kept().items()]

    def _know(self, account: int, source: int, call: int, now: int, until: int) -> bool:
        new = not self.knows(account, source, now)
        places = self._places(account, source, now)
        if new and len(places) >= SOURCES_PER_ACCOUNT:
            return False
        held = (*places, source, *(0,) * SOURCES_PER_ACCOUNT)[:SOURCES_PER_ACCOUNT]
        self.sources.put(account, now, until, held, Standing.TRUSTED)
        self.offices.put_one(source, now, until, max(1, self.accounts_at(source, now) + new), _TRUSTED)
        return self.known.put_one(pair_key(account, source), now, until, call, _TRUSTED)

    def _places(self, account: int, source: int, now: int) -> list[int]:
        """The sources but this one (0: none is left out) from which that account is known still: where it has not been for weeks
        makes room for a new one.
        """
        held = self.sources.get(account, now) or ()
        return [place for place in held if place not in {0, source} and self.knows(account, place, now)]
