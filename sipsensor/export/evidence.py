"""What was said of a source lately, and its last packets: in memory, bounded, for ``sipsensor why``.

A source gets a trail when a rule fires on it or a packet of it is to be dropped; from then on its packets are kept in both directions,
the last ones of each. Trails of sources on which only forgeable evidence fell have room of their own: a flood of forged ones pushes out
none of the others. Not thread-safe: whoever reads it holds what keeps packets from being judged.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sipsensor.export.events.text import shown
from sipsensor.export.recording import record
from sipsensor.model import NANOSECONDS, Reason, Table, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sipsensor.fastpath import examine
    from sipsensor.model import Decision

_DROP = Verdict.DROP
_K = TypeVar("_K")
_V = TypeVar("_V")
LINES_MOST = 16
"""Rules and reasons remembered of one source."""
PORTS_MOST = 8
NAMES_MOST = 4096
_OVERHEAD = 256
"""Bytes that a packet costs beside its own."""


class Kept(NamedTuple):
    """A packet as it came from the network, and what was decided of it."""

    data: bytes
    ts: int
    wire_length: int
    arrival: int
    verdict: int


class Line:
    """What one rule, or a reason without one, did to a source: counts, first and last time in ns, the evidence of the last."""

    __slots__ = ("alerts", "dropped", "evidence", "first", "last", "reason", "rule")

    def __init__(self, rule: str, reason: Reason, now: int) -> None:
        self.rule = rule
        self.reason = reason
        self.first = self.last = now
        self.alerts = self.dropped = 0
        self.evidence: dict[str, str | int] = {}
        """As the detector has it: to be escaped before it is shown."""


class Trail:
    """What is kept of one source. ``ports`` are the last that it used, with their keys."""

    __slots__ = ("dropped", "last", "lines", "packets", "ports", "size", "sure")

    def __init__(self, packets: int, now: int) -> None:
        self.lines: OrderedDict[tuple[str, Reason], Line] = OrderedDict()
        self.packets: deque[Kept] = deque(maxlen=packets)
        self.ports: OrderedDict[int, int] = OrderedDict()
        self.size = 0
        self.dropped = 0
        """Packets to drop, whatever the mode."""
        self.last = now
        self.sure = False
        """Something that nobody can forge fell on it."""


class _Ring:
    """Trails by source, the one that was silent longest in front."""

    def __init__(self, sources: int, size: int) -> None:
        self.trails: OrderedDict[int, Trail] = OrderedDict()
        self.sources = sources
        self.room = size
        self.size = 0
        self.gone = 0
        """Trails that made room for others."""

    def put(self, key: int, trail: Trail) -> None:
        self.trails[key] = trail
        self.trails.move_to_end(key)
        self.size += trail.size
        self.bound()

    def take(self, key: int) -> Trail:
        trail = self.trails.pop(key)
        self.size -= trail.size
        return trail

    def bound(self) -> None:
        while len(self.trails) > self.sources or (self.size > self.room and len(self.trails) > 1):
            self.take(next(iter(self.trails)))
            self.gone += 1

    def keep(self, trail: Trail, packet: Kept) -> None:
        packets = trail.packets
        grown = len(packet.data) + _OVERHEAD
        while packets and (len(packets) == packets.maxlen or trail.size + grown > self.room):
            gone = len(packets.popleft().data) + _OVERHEAD
            trail.size -= gone
            self.size -= gone
        if packets.maxlen and grown <= self.room:
            packets.append(packet)
            trail.size += grown
            self.size += grown
            self.bound()

    def older(self, than: int) -> None:
        while self.trails and next(iter(self.trails.values())).last < than:
            self.take(next(iter(self.trails)))


class Evidence:
    """``sources`` trails of at most ``packets`` packets, ``size`` bytes in all; nothing is kept longer than ``age`` seconds."""

    def __init__(self, sources: int, packets: int, size: int, age: int) -> None:
        self.names: OrderedDict[int, str] = OrderedDict()
        """Accounts by key, as text that may be shown: the last ones on which a rule fired."""
        self._age = age * NANOSECONDS
        self._packets = packets
        self._capacity = sources
        self._rings = tuple(_Ring(max(1, sources // 2), size // 2) for _ in range(2))

    def tables(self) -> Sequence[Table]:
        """How many trails there are."""
        gone = sum(ring.gone for ring in self._rings)
        return (Table("evidence", self.sources, max(2, self._capacity // 2 * 2), gone),)

    @property
    def followed(self) -> tuple[Mapping[int, Trail], ...]:
        """The trails by their source's key: whoever is in neither need not be shown here, where nothing is said of him."""
        return tuple(ring.trails for ring in self._rings)

    @property
    def sources(self) -> int:
        """Trails kept."""
        return sum(len(ring.trails) for ring in self._rings)

    @property
    def bytes(self) -> int:
        """What the packets take, roughly."""
        return sum(ring.size for ring in self._rings)

    def see(self, examined: examine.Examined, decision: Decision) -> None:
        """One packet and what was decided of it. Cheap where nothing was said of its source."""
        observation = decision.observation
        told = decision.alerts or decision.verdict is _DROP
        if observation is not None:
            key = observation.source_key
        elif told:
            key = examined.network_key(False)  # noqa: FBT003 - a compiled function's flag
        else:
            return
        plain, sure = self._rings
        ring = plain if key in plain.trails else sure
        if ring is sure and key not in sure.trails:
            if not told:
                return
            ring = plain
            ring.older(examined.ts - self._age)
            ring.put(key, Trail(self._packets, examined.ts))
        trail = ring.trails[key]
        trail.last = examined.ts
        ring.trails.move_to_end(key)
        if told:
            self._say(trail, examined, decision)
        if trail.sure and ring is plain:
            trail = ring.take(key)
            ring = sure
            ring.put(key, trail)
        ring.keep(
            trail, Kept(examined.data, examined.ts, examined.wire_length, examined.arrival, int(decision.verdict))
        )

    def trail(self, source: int, now: int) -> Trail | None:
        """What is kept of a source, by its key; None where nothing is, or it is too old."""
        found = next((ring.trails[source] for ring in self._rings if source in ring.trails), None)
        return found if found is not None and found.last >= now - self._age else None

    def packets(self, source: int, now: int) -> Iterator[Kept]:
        """Its last packets, oldest first."""
        trail = self.trail(source, now)
        return (kept for kept in (trail.packets if trail else ()) if kept.ts >= now - self._age)

    def name(self, account: int) -> str | None:
        """The account of that key, where it is remembered."""
        return self.names.get(account)

    def tick(self, now: int) -> None:
        """Forget what is too old."""
        for ring in self._rings:
            ring.older(now - self._age)

    def _say(self, trail: Trail, examined: examine.Examined, decision: Decision) -> None:
        now, answering = examined.ts, None
        if decision.verdict is _DROP:
            answering = decision.rule
            trail.dropped += 1
            self._line(trail, answering.slug if answering else "", decision.reason, now).dropped += 1
        for alert in decision.alerts:
            rule = alert.rule
            line = self._line(trail, rule.slug, decision.reason if rule is answering else Reason.NONE, now)
            line.alerts += 1
            line.evidence = alert.evidence
            if not rule.spoofable:
                trail.sure = True
        if decision.cuts:
            trail.sure = True
        observation = decision.observation
        if observation is None:
            return
        if observation.port_key not in trail.ports:
            _put(trail.ports, observation.port_key, observation.end.text[1] if observation.end else 0, PORTS_MOST)
        if observation.account_key and observation.message.account is not None:
            _put(self.names, observation.account_key, shown(observation.message.account), NAMES_MOST)

    @staticmethod
    def _line(trail: Trail, rule: str, reason: Reason, now: int) -> Line:
        lines, key = trail.lines, (rule, reason)
        line = lines.get(key)
        if line is None:
            line = Line(rule, reason, now)
            _put(lines, key, line, LINES_MOST)
        else:
            lines.move_to_end(key)
        line.last = now
        return line


def capture(kept: Iterator[Kept] | list[Kept]) -> bytes:
    """Packets as the records of a capture file (see ``recording``)."""
    return b"".join(
        record(packet.data, packet.ts, packet.wire_length, packet.arrival, packet.verdict) for packet in kept
    )


def _put(table: OrderedDict[_K, _V], key: _K, value: _V, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)
