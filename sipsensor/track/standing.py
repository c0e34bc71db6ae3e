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

    from sipsensor.model import Observation
    from sipsensor.track.ends import End

_PROVEN, _TRUSTED = int(Standing.PROVEN), int(Standing.TRUSTED)
PROVEN_SECONDS = 3600
KNOWN_SECONDS = 14 * 86400
TRUSTED_SECONDS_MOST = 7 * 86400
"""Whatever the PBX grants, nobody is trusted for longer without registering again."""
SOURCES_PER_ACCOUNT = 10
"""A stolen or shared password makes no more sources trusted than this."""
PORTS_PER_ACCOUNT = 32
"""New ``address . port`` that one account may make trusted in an hour: no more, or one account would push out all others."""
_PROVEN_LIFE, _KNOWN_LIFE = PROVEN_SECONDS * NANOSECONDS, KNOWN_SECONDS * NANOSECONDS
_SOURCES_MOST = SOURCES_PER_ACCOUNT
_FRESH = 3600 * NANOSECONDS


class Held:
    """What is kept of an ``address . port``. Its account is 0 for a provider: he is trusted for all that he sends."""

    __slots__ = ("account", "behind", "high", "low", "name", "port", "standing")

    def __init__(  # noqa: PLR0913, PLR0917 - the numbers of a record, in their order
        self, standing: int, account: int, name: int, high: int, low: int, port: int, behind: int
    ) -> None:
        self.standing = standing
        self.account = account
        self.name = name
        """The AOR's user, where it is not the name that the credentials are for."""
        self.high = high
        """The address, as two numbers: 16 bytes, IPv4 as ::ffff:a.b.c.d."""
        self.low = low
        self.port = port
        self.behind = behind
        """1 for a client behind one of ``network.proxies``: the kernel sees the proxy's address, never his."""

    @property
    def address(self) -> bytes:
        """As 16 bytes."""
        return self.high.to_bytes(8, "big") + self.low.to_bytes(8, "big")


HELD_WIDTH = 7
"""How many numbers a ``Held`` is, in the order in which it is made."""


class Known(NamedTuple):
    """What is kept of an account that was accepted from a source."""

    call: int
    """The Call-ID of the registration that was accepted last: who does not see the traffic does not know it."""


class Standings:
    """Who is proven or trusted, until when, and for which account. ``known`` outlives trust: an account was accepted from there before."""

    def __init__(self, capacity: int = 65_536) -> None:
        self.table = tables.Records(capacity, HELD_WIDTH, kept=True)
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
        held = self.sources.get(account, now) or ()
        return sum(place != 0 and self.knows(account, place, now) for place in held)

    def accounts_at(self, source: int, now: int) -> int:
        """How many accounts the PBX accepted from that source within the last weeks: an office has many."""
        return self.offices.first(source, now, 0)

    def recognize(self, observation: Observation, end: End) -> None:
        """Note on a request what is known of its account and its sender."""
        ts = observation.ts
        observation.accounts_at = self.accounts_at(end.source, ts)
        account = observation.account_key or observation.name_key
        observation.known = self.knows(account, end.source, ts)
        observation.name_known = observation.known or self.is_account(account, ts)
        trusted = observation.standing == _TRUSTED and self.trusted_for(end.port, account, ts)
        observation.relieved = observation.known or trusted
        if observation.has_credentials:
            # Whoever guesses at it beside him, behind the same NAT, is not he.
            observation.trusted_here = trusted and not self.is_provider(end.port, ts)
            observation.pair_key = pair_key(account, end.port if observation.trusted_here else end.source)

    def prove(self, port: int, held: Held, now: int) -> None:
        """The very exchange showed that he receives there."""
        if self.level(port, now) < _PROVEN:
            self._put(port, held, now, now + _PROVEN_LIFE, _PROVEN)

    def accept(self, port: int, source: int, held: Held, call: int, now: int, until: int) -> bool:
        """The PBX accepted his credentials, on a nonce of his own, for a registration or a call that lasts until then.

        False for an account that has too many sources, or too many ports: he is not trusted.
        """
        weeks = now + _KNOWN_LIFE
        if held.account and not self._know(held.account, source, call, now, weeks):
            return False
        if held.name not in (0, held.account) and not self._know(held.name, source, call, now, weeks):
            return False
        if not self.trusts(port, held.account, now) and self.ports.charge(held.account, now):
            return False
        return self._put(port, held, now, until, _TRUSTED)

    def trusts(self, port: int, account: int, now: int) -> bool:
        """Whether he is trusted already, and for that very account."""
        return self.level(port, now) == _TRUSTED and self.table.number(self.table.find(port, now), 1) == account

    def trust(self, port: int, held: Held, now: int, until: int) -> bool:
        """A provider where the PBX registered itself: trusted for all that he sends."""
        return self._put(port, held, now, until, _TRUSTED)

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

    def _put(self, port: int, held: Held, now: int, until: int, rank: int) -> bool:
        table = self.table
        table.draft(0, held.standing)
        table.draft(1, held.account)
        table.draft(2, held.name)
        table.draft(3, held.high)
        table.draft(4, held.low)
        table.draft(5, held.port)
        table.draft(6, held.behind)
        return table.put_drafted(port, now, until, rank)

    def _know(self, account: int, source: int, call: int, now: int, until: int) -> bool:
        """Where an account has not been for weeks makes room for a new source. What was written within the hour is not written again."""
        sources, pair, count, listed = self.sources, pair_key(account, source), 0, False
        place = self.known.find(pair, now)
        if place >= 0 and self.known.number(place, 0) == call and until - self.known.ends(place) < _FRESH:
            return True
        new = place < 0
        place = sources.find(account, now)
        for index in range(_SOURCES_MOST):
            other = sources.number(place, index)
            if other == source or (other != 0 and self.knows(account, other, now)):
                sources.draft(count, other)
                count += 1
                listed = listed or other == source
        if not listed and count < _SOURCES_MOST:
            sources.draft(count, source)
            count += 1
        elif not listed and new:
            return False
        for index in range(count, _SOURCES_MOST):
            sources.draft(index, 0)
        sources.put_drafted(account, now, until, _TRUSTED)
        self.offices.put_one(source, now, until, max(1, self.accounts_at(source, now) + new), _TRUSTED)
        return self.known.put_one(pair, now, until, call, _TRUSTED)
