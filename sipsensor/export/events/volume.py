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


class VolumeCap:
    """``limit`` events for one source and rule. ``seed``: 16 bytes, so that nobody can choose sources that share a
    bucket.
    """

    def __init__(self, limit: Limit, seed: bytes, sources: int = SOURCES_MAX) -> None:
        self._limit = limit
        self._seed = seed
        self._sources = sources
        self._table = tables.RateTable(sources, ((limit.count, limit.seconds),))
        self._waiting: OrderedDict[tuple[str, str], LeftOut] = OrderedDict()
        self.left_out = 0
        """Events not written since the start."""

    def admit(self, source: str, rule: str, now: int) -> int:
        """How many events were left out before this one, or -1 when this one is to be left out itself."""
        key = (source, rule)
        if self._table.charge(tables.keyed_hash(self._seed, f"{source} {rule}".encode()), now):
            self.left_out += 1
            before = self._waiting.get(key) or LeftOut(source, rule, 0, now, now)
            self._waiting[key] = before._replace(events=before.events + 1, until=now)
            if len(self._waiting) > self._sources:
                self._waiting.popitem(last=False)
            return -1
        waiting = self._waiting.pop(key, None)
        return waiting.events if waiting else 0

    def tables(self) -> Sequence[Table]:
        """How full the table of sources and rules is."""
        return (Table.of("event_volume", self._table),)

    def settled(self, now: int) -> Iterator[LeftOut]:
        """What was left out of sources that have been silent for the limit's time; each is told once."""
        silent = now - self._limit.seconds * NANOSECONDS
        for key in [key for key, waiting in self._waiting.items() if waiting.until <= silent]:
            yield self._waiting.pop(key)
