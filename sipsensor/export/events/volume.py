"""The cap on a live event log: so many events for one source and rule, and a count of what was left out.

A flood must not become a flood of log lines. What is written last after silence says how many came in between
(``sipsensor.left_out``); what stays uncounted when an attacker stops is told by ``settled``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sipsensor.fastpath import tables
from sipsensor.model import NANOSECONDS, Limit, Table

SOURCES_MAX = 16_384


class LeftOut(NamedTuple):
    """Events of one source and rule that were not written. ``since`` and ``until`` in ns since the epoch."""

    source: str
    rule: str
    events: int
    since: int
    until: int


class _Waiting:
    """What is left out while it goes on: the bucket's key, how many, and from when to when."""

    __slots__ = ("events", "key", "since", "until")

    def __init__(self, key: int, now: int) -> None:
        self.key = key
        self.events = 0
        self.since = self.until = now


class VolumeCap:
    """``limit`` events for one source and rule. ``seed``: 16 bytes, so that nobody can choose sources that share a
    bucket.
    """

    def __init__(self, limit: Limit, seed: bytes, sources: int = SOURCES_MAX) -> None:
        self._limit = limit
        self._seed = seed
        self._sources = sources
        self._table = tables.RateTable(sources, ((limit.count, limit.seconds),))
        self._waiting: OrderedDict[tuple[str, str], _Waiting] = OrderedDict()
        self.left_out = 0
        """Events not written since the start."""

    def admit(self, source: str, rule: str, now: int) -> int:
        """How many events were left out before this one, or -1 when this one is to be left out itself."""
        waiting = self._waiting.get((source, rule))
        key = waiting.key if waiting else tables.keyed_hash(self._seed, f"{source} {rule}".encode())
        if not self._table.charge(key, now):
            return self._waiting.pop((source, rule)).events if waiting else 0
        self.left_out += 1
        if waiting is None:
            waiting = self._waiting[source, rule] = _Waiting(key, now)
            if len(self._waiting) > self._sources:
                self._waiting.popitem(last=False)
        waiting.events += 1
        waiting.until = now
        return -1

    def tables(self) -> Sequence[Table]:
        """How full the table of sources and rules is."""
        return (Table.of("event_volume", self._table),)

    def settled(self, now: int) -> Iterator[LeftOut]:
        """What was left out of sources that have been silent for the limit's time; each is told once."""
        silent = now - self._limit.seconds * NANOSECONDS
        for source, rule in [pair for pair, waiting in self._waiting.items() if waiting.until <= silent]:
            one = self._waiting.pop((source, rule))
            yield LeftOut(source, rule, one.events, one.since, one.until)
