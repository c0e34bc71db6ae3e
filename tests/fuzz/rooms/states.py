"""Tables and the governor, asked anything at any time: no key, count or moment breaks them, and none holds more than it has room for."""

from __future__ import annotations

from random import Random
from typing import Any

from sipsensor.fastpath.contents import contents
from sipsensor.fastpath.tables import RateTable, Records, SeenTable
from sipsensor.model import NANOSECONDS
from sipsensor.sources.governor import Governor

LATEST = (1 << 32) * NANOSECONDS - 1
LONGEST = 1 << 62
"""A time until which something may be held: `LATEST`, and as long again."""
STEPS = 500


class Moments:
    """Times and keys as packets bring them, and as nobody should."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 10**18

    def time(self) -> int:
        random = self.random
        if random.random() < 0.01:
            self.now = random.choice((0, 1, LATEST, 10**18, random.randrange(LATEST)))
        self.now = min(max(self.now + random.choice((0, 1, 1000, NANOSECONDS, -NANOSECONDS, 10**12)), 0), LATEST)
        return self.now

    def key(self) -> int:
        random = self.random
        return random.choice((0, 1, 2**64 - 1, 2**63, random.randrange(64), random.getrandbits(64)))


class States:
    """A table of each kind, made anew every few rounds."""

    def __init__(self, seed: int) -> None:
        self.done = 0
        self.moments = Moments(seed)
        self.random = self.moments.random
        self._renew()

    def close(self) -> None:
        """Nothing to give back."""

    def _renew(self) -> None:
        random = self.random
        capacity = random.choice((8, 9, 64, 1000))
        limits = [self.limit() for _ in range(random.randrange(1, 5))]
        self.rates = RateTable(capacity, limits)
        self.limits = len(limits)
        self.seen = SeenTable(capacity, random.choice((1, 32, 2**31 - 1)))
        self.width = random.randrange(1, 17)
        self.records = Records(capacity, self.width, random.random() < 0.5)

    def limit(self) -> tuple[int, int]:
        """How many in how many seconds: anything that the table takes."""
        seconds = self.random.choice((1, 60, 86_400, 2**31 - 1))
        most = min(2**31 - 1, seconds * NANOSECONDS)
        return self.random.choice((1, 10, most, self.random.randrange(1, most))), seconds

    def round(self) -> None:
        """Some calls of each."""
        now = self.moments.time()
        for _ in range(STEPS):
            now, key = self.moments.time(), self.moments.key()
            self._rate(key, now)
            self._see(key, now)
            self._record(key, now)
            self.done += 3
        for table in (self.rates, self.seen, self.records):
            assert 0 <= table.fill <= table.capacity
            held = contents(table, now)
            assert len(held) <= table.fill
            assert 0 not in {entry[0] for entry in held}
            assert len({entry[0] for entry in held}) == len(held)
        if self.random.random() < 0.1:
            self._renew()

    def _rate(self, key: int, now: int) -> None:
        what = self.random.random()
        if what < 0.6:
            assert 0 <= self.rates.charge(key, now, self.random.choice((0, 1, 2**32 - 1))) < 1 << self.limits
        elif what < 0.8:
            self.rates.refund(key, now)
        else:
            assert self.rates.level(key, now, self.random.randrange(self.limits)) >= 0

    def _see(self, key: int, now: int) -> None:
        what = self.random.random()
        if what < 0.6:
            before = self.seen.seen(key, now)
            assert self.seen.touch(key, now) in {before, 0}
        elif what < 0.7:
            self.seen.forget(key)
            assert self.seen.seen(key, now) == 0

    def _record(self, key: int, now: int) -> None:
        random, records = self.random, self.records
        until = random.choice((0, now, now + 1, now + random.randrange(10**13), LONGEST))
        rank = random.choice((0, 1, 2**32 - 1))
        calls: tuple[Any, ...] = (
            lambda: self._put(key, now, until, rank),
            lambda: self._keep(key, now, until, rank),
            lambda: records.get(key, now),
            lambda: records.until(key, now),
            lambda: records.number(records.find(key, now), random.randrange(-1, 18)),
            lambda: records.number(random.randrange(-(2**31), 2**31), random.randrange(-(2**31), 2**31)),
            lambda: records.fill_in(random.randrange(-(2**31), 2**31), random.randrange(-(2**31), 2**31), 1),
            lambda: records.draft(random.randrange(-(2**31), 2**31), 2**64 - 1),
            lambda: records.put_one(key, now, until, key, rank),
            lambda: records.put_drafted(key, now, until, rank),
            lambda: records.forget(key),
            lambda: records.first(key, now, 7),
            records.changes,
            lambda: records.count(now, rank),
            lambda: records.distinct(now, rank, random.randrange(self.width)),
        )
        random.choices(calls, (20, 20, 10, 5, 10, 1, 1, 1, 5, 5, 5, 10, 2, 1, 1))[0]()

    def _put(self, key: int, now: int, until: int, rank: int) -> None:
        numbers = tuple(self.random.getrandbits(64) for _ in range(self.width))
        if self.records.put(key, now, until, numbers, rank) and until > now:
            assert self.records.get(key, now) == numbers

    def _keep(self, key: int, now: int, until: int, rank: int) -> None:
        place = self.records.keep(key, now, until, rank)
        for index in range(self.width if place >= 0 else 0):
            self.records.fill_in(place, index, index)


class Governors:
    """A governor of any share, with floods of any shape."""

    def __init__(self, seed: int) -> None:
        self.done = 0
        self.moments = Moments(seed)
        self.random = self.moments.random
        self._renew()

    def close(self) -> None:
        """Nothing to give back."""

    def _renew(self) -> None:
        share = self.random.choice((0.001, 0.6, 1))
        self.governor = Governor(share, self.random.choice((1, 30_000, 10**8)), self.random.choice((8, 64, 16_384)))
        self.processor = self.asked = 0

    def round(self) -> None:
        """A window of time and what came in it."""
        random, governor = self.random, self.governor
        for _ in range(random.randrange(STEPS)):
            now = self.moments.time()
            governor.admit(self.moments.key(), now, random.random() < 0.9)
            if random.random() < 0.3:
                governor.spent(random.choice((0, 1, 40_000, 10**9, 10**12)))
            self.asked += 1
            self.done += 1
        self.processor += random.choice((0, 10**6, 10**8, 10**11))
        governor.settle(self.moments.time(), self.processor)
        assert 0 <= governor.level <= 4
        assert governor.cost > 0
        assert governor.rate > 0
        assert governor.judged + governor.shed_sources + governor.shed_all == self.asked
        if random.random() < 0.05:
            self._renew()
