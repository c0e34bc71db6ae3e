"""What ``sipsensor status`` is told: how the sensor does, in numbers, and in words what is not well.

``Watch.sample`` is called once a second, so that an answer knows the rates of the last ten seconds and what grew within the last minute.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from sipsensor import __version__
from sipsensor.live.lasting import Lasting
from sipsensor.live.numbers import NANO, Live, Look, backend_of, lengths_of, name_of, tables
from sipsensor.live.page import Lane, LaneNumber, Number
from sipsensor.model import DROP_REASONS
from sipsensor.sources import pump as pumping
from sipsensor.sources.nfqueue import QueueState, state

SAMPLES = 60
"""Seconds for which something that went wrong is told."""
RATE_SAMPLES = 10
"""Seconds over which rates are taken."""
KEEPER_PATIENCE = 15.0
"""Seconds without a look at the rules after which they are unknown: a tool of the keeper's may be slow."""
PERCENT = 100


class Sample(NamedTuple):
    """What grows, at one moment. ``at`` is in seconds of a clock that never goes back."""

    at: float
    packets: int
    packet_bytes: int
    messages: int
    drops: int
    uninspected: int
    lost: int
    unjudged: int
    shed: int
    errors: int
    failures: int
    lost_writes: int
    enforcement_errors: int
    store_errors: int
    rules_looks: int
    rules_put_back: int


_GROWING = {
    "rules_put_back": "times that the kernel rules were damaged and put back in the last minute: {}",
    "uninspected": "packets that passed uninspected in the last minute: {}",
    "lost": "packets that the kernel dropped unseen in the last minute, because a queue or its socket was full: {}",
    "unjudged": "packets that were answered unjudged in the last minute, because the sensor hung or began: {}",
    "shed": "packets of strangers that were shed unjudged in the last minute, because more came than queue.governor allows: {}",
    "errors": "packets on which the engine failed in the last minute: {}",
    "failures": "exceptions beside the engine in the last minute (see the log): {}",
    "lost_writes": "events or recorded packets that could not be written in the last minute (see the disk): {}",
    "enforcement_errors": "changes that the kernel's sets refused in the last minute (the sensor drops by itself): {}",
    "store_errors": "times that the state could not be kept in the last minute (see the disk): {}",
}


class Watch:
    """Watches one live sensor. ``look`` reads the kernel's counters of a queue, ``clock`` says the time in seconds."""

    def __init__(self, sensor: Live, look: Look = state, clock: Callable[[], float] = time.monotonic) -> None:
        self._sensor = sensor
        self._look = look
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=SAMPLES + 1)
        self._looks = (-1, 0.0)
        self._lasting = Lasting(sensor.engine)
        self.sample()

    def sample(self) -> None:
        """Remember how things stand now."""
        sample = self._sample(self._queues())
        self._samples.append(sample)
        if sample.rules_looks != self._looks[0]:
            self._looks = (sample.rules_looks, sample.at)

    def status(self) -> dict[str, object]:
        """Everything, as JSON can write it. Times in seconds since the epoch, spans in seconds."""
        sensor, settings, page = self._sensor, self._sensor.settings, self._sensor.page
        queues = self._queues()
        now = self._sample(queues)
        counters = sensor.engine.counters
        return {
            "version": __version__,
            "process": os.getpid(),
            "mode": sensor.engine.policy.mode.value,
            "configured_mode": settings.mode.value,
            "safety_net": sensor.engine.safety.tripped,
            "cuts": {scope.value: count for scope, count in self._lasting.cuts().items()},
            "standing": {standing.name.lower(): count for standing, count in self._lasting.standing().items()},
            "orders": {"bans": len(sensor.engine.ledger.orders), "trusted": len(sensor.engine.policy.trust.orders)},
            "placement": settings.network.placement.value,
            "protected": list(sensor.protected),
            "inside": list(settings.network.inside),
            "started": sensor.started,
            "uptime": max(0.0, time.time() - sensor.started),
            "config_loaded": sensor.loaded,
            "troubles": list(self._troubles(now)),
            "rates": self._rates(now),
            "queues": [self._queue(lane, queues[lane]) for lane in Lane],
            "rate_limited": page[Number.LIMITED],
            "source_limited": page[Number.SOURCE_LIMITED],
            "trusted_fallen": page[Number.TRUSTED_FALLEN],
            "shed": now.shed,
            "messages": counters.sip_messages + counters.iax2_frames,
            "malformed": counters.malformed,
            "verdicts": {"accept": counters.accepted, "drop": counters.dropped},
            "drops": {reason.value: counters.reasons[reason] for reason in DROP_REASONS},
            "alerts": dict(sorted(counters.alerts.copy().items())),
            "tables": [table._asdict() for table in tables(sensor)],
            "rules": self._rules(now),
            "uninspected_reckoned": bool(page[Number.RECKONED]),
            **self._faults(now),
            "errors": [{"time": at, "line": line} for at, line in list(sensor.errors)],
        }

    def _rules(self, now: Sample) -> dict[str, object]:
        page = self._sensor.page
        return {
            "in_place": bool(page[Number.RULES_STAND]),
            "backend": backend_of(page),
            "put_back": page[Number.RULES_PUT_BACK],
            "missing_seconds": page[Number.RULES_MISSING] / NANO,
            "last_look": max(0.0, now.at - self._looks[1]),
        }

    def _faults(self, now: Sample) -> dict[str, object]:
        page, outlets = self._sensor.page, self._sensor.outlets
        return {
            "restarts": page[Number.RESTARTS],
            "hangs": page[Number.HANGS],
            "engine_errors": now.errors,
            "failures": now.failures,
            "lost_writes": now.lost_writes,
            "enforcement_errors": now.enforcement_errors,
            "store_errors": now.store_errors,
            "kernel_sets": {"blocked": self._sensor.facts.blocked, "trusted": self._sensor.facts.trusted},
            "events_left_out": outlets.events.left_out if outlets.events else 0,
            "quarantined": outlets.quarantine.kept if outlets.quarantine else 0,
        }

    def _queues(self) -> Mapping[Lane, QueueState | None]:
        first = self._sensor.settings.queue.first
        return {lane: self._look(first + lane) for lane in Lane}

    def _sample(self, queues: Mapping[Lane, QueueState | None]) -> Sample:
        sensor, page = self._sensor, self._sensor.page
        pumps, counters = sensor.pumps.values(), sensor.engine.counters
        of = LaneNumber
        return Sample(
            at=self._clock(),
            packets=sum(pump.packets for pump in pumps),
            packet_bytes=sum(pump.packet_bytes for pump in pumps),
            messages=counters.sip_messages + counters.iax2_frames,
            drops=counters.dropped,
            uninspected=sum(page.of(lane, of.UNINSPECTED) for lane in Lane),
            lost=sum(_lost(queues[lane]) for lane in Lane),
            unjudged=sum(page.of(lane, each) for lane in Lane for each in (of.UNJUDGED_ACCEPTED, of.UNJUDGED_DROPPED)),
            shed=sensor.shedding.accepted + sensor.shedding.dropped,
            errors=counters.errors,
            failures=sum(pump.failures for pump in pumps) + sensor.outlets.failures,
            lost_writes=sensor.outlets.lost,
            enforcement_errors=sensor.facts.enforcement_errors,
            store_errors=sensor.facts.store_errors,
            rules_looks=page[Number.KEEPER_LOOPS],
            rules_put_back=page[Number.RULES_PUT_BACK],
        )

    def _rates(self, now: Sample) -> dict[str, float]:
        before = self._samples[-min(RATE_SAMPLES, len(self._samples))]
        seconds = max(now.at - before.at, 1e-3)
        return {
            "seconds": seconds,
            "packets": (now.packets - before.packets) / seconds,
            "bytes": (now.packet_bytes - before.packet_bytes) / seconds,
            "messages": (now.messages - before.messages) / seconds,
            "drops": (now.drops - before.drops) / seconds,
        }

    def _troubles(self, now: Sample) -> Iterator[str]:
        """What is not well, the worst first. Empty: all is well."""
        page = self._sensor.page
        if not page[Number.RULES_STAND]:
            yield "the kernel rules are not in place: packets pass uninspected"
        tripped = self._sensor.engine.safety.tripped
        if tripped:
            yield f"the safety net fell back to observe: {tripped}; sipsensor enforce goes on"
        stale = now.at - self._looks[1]
        if now.rules_looks == self._looks[0] and stale > KEEPER_PATIENCE:
            yield f"nobody has looked at the kernel rules for {stale:.0f} s: whether they stand is not known"
        first = self._samples[0]
        for name, text in _GROWING.items():
            grown = getattr(now, name) - getattr(first, name)
            if grown > 0:
                yield text.format(grown)

    def _queue(self, lane: Lane, seen: QueueState | None) -> dict[str, object]:
        sensor, page, pump = self._sensor, self._sensor.page, self._sensor.pumps[lane]
        return {
            "queue": name_of(lane),
            "number": sensor.settings.queue.first + lane,
            "waiting": None if seen is None else seen.waiting,
            "capacity": lengths_of(sensor.settings)[lane],
            "packets": pump.packets,
            "accepted": pump.accepted,
            "dropped": pump.dropped,
            "lost": None if seen is None else page.of(lane, LaneNumber.LOST_BEFORE) + _lost(seen),
            "uninspected": page.of(lane, LaneNumber.UNINSPECTED),
            "unjudged_accepted": page.of(lane, LaneNumber.UNJUDGED_ACCEPTED),
            "unjudged_dropped": page.of(lane, LaneNumber.UNJUDGED_DROPPED),
            "forged": pump.forged,
            "truncated": pump.truncated,
            "netlink_errors": pump.netlink_errors,
            "latency_p50": quantile(pump.latency, 50),
            "latency_p99": quantile(pump.latency, 99),
        }


def quantile(latency: Sequence[int], percent: int) -> float | None:
    """The bound in seconds that so many of a hundred packets kept; None without packets, and when more took longer than the last bound."""
    total = sum(latency)
    for bound, count in zip(pumping.LATENCY_BOUNDS, accumulate(latency), strict=False):
        if total and count * PERCENT >= total * percent:
            return bound / NANO
    return None


def _lost(seen: QueueState | None) -> int:
    return 0 if seen is None else seen.dropped_full + seen.dropped_socket
