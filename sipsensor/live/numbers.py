"""Everything that the live sensor tells Prometheus: its own counters, the kernel's and those that the other processes wrote into the page.

Read from the endpoint's thread, without the engine's lock: each number is one integer, and a scrape never makes a packet wait for it.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from sipsensor import __version__
from sipsensor.config.settings import Settings
from sipsensor.detect.scanner import Scanner
from sipsensor.engine import Engine
from sipsensor.export.evidence import Evidence
from sipsensor.export.metrics import Distribution, Series, engine_series, one, table_series
from sipsensor.live.lasting import Lasting
from sipsensor.live.memory import Facts
from sipsensor.live.page import BACKENDS, Lane, LaneNumber, Number, Page
from sipsensor.model import Mode, Rule, Table
from sipsensor.sources import governor as governing
from sipsensor.sources import pump as pumping
from sipsensor.sources.nfqueue import QueueState, state

NANO = 1e9
_DIGITS = 12


class PumpNumbers(Protocol):
    """What a pump counted."""

    packets: int
    packet_bytes: int
    accepted: int
    dropped: int
    forged: int
    truncated: int
    failures: int
    netlink_errors: int
    latency_total: int

    @property
    def latency(self) -> tuple[int, ...]:
        """Packets by the time they took, as pumping.LATENCY_BOUNDS has it."""


class EventNumbers(Protocol):
    """What the event log counted."""

    written: int

    @property
    def left_out(self) -> int:
        """Events not written for their volume."""

    def tables(self) -> Sequence[Table]:
        """How full its tables are."""


class QuarantineNumbers(Protocol):
    """What the quarantine counted."""

    kept: int


class SheddingNumbers(Protocol):
    """What became of packets that were shed."""

    accepted: int
    dropped: int


class OutletNumbers(Protocol):
    """What was told of packets."""

    failures: int

    @property
    def lost(self) -> int:
        """Events and packets that could not be written."""

    @property
    def events(self) -> EventNumbers | None:
        """The event log."""

    @property
    def quarantine(self) -> QuarantineNumbers | None:
        """The quarantine."""

    @property
    def evidence(self) -> Evidence:
        """What is remembered of sources."""


class Live(Protocol):
    """What is read of a live sensor."""

    settings: Settings
    page: Page
    loaded: float
    """When the configuration was read, in s since the epoch."""
    started: float
    """When this sensor process began, in s since the epoch."""

    @property
    def protected(self) -> Sequence[str]:
        """The networks it protects."""

    @property
    def engine(self) -> Engine:
        """The engine."""

    @property
    def outlets(self) -> OutletNumbers:
        """Events, recording, quarantine."""

    @property
    def facts(self) -> Facts:
        """What the keeper says of the kernel's sets and of the database."""

    @property
    def pumps(self) -> Mapping[Lane, PumpNumbers]:
        """The pump of each lane."""

    @property
    def governor(self) -> governing.Governor | None:
        """What keeps strangers' packets below a share of the processor; None where nothing does."""

    @property
    def shedding(self) -> SheddingNumbers:
        """What it did not admit."""

    @property
    def errors(self) -> Sequence[tuple[float, str]]:
        """The last lines for the operator, with s since the epoch."""


Look = Callable[[int], QueueState | None]


class Numbers:
    """The series of one live sensor. ``look`` reads the kernel's counters of a queue."""

    def __init__(self, sensor: Live, look: Look = state) -> None:
        self._sensor = sensor
        self._look = look
        self._rules: tuple[Rule, ...] = tuple(rule for each in sensor.engine.detectors for rule in each.rules)
        self._signatures = sum(len(each.rules) for each in sensor.engine.detectors if each.name == Scanner.name)
        self._lasting = Lasting(sensor.engine, lambda: sensor.outlets.evidence, lambda: sensor.facts)
        self._digest = hashlib.sha256(repr(sensor.settings).encode()).hexdigest()[:_DIGITS]

    def series(self) -> Iterator[Series | Distribution]:
        """All of them, at this moment."""
        sensor = self._sensor
        yield from self._packets(sensor.pumps)
        yield from engine_series(sensor.engine.counters, self._rules)
        yield from table_series(tables(sensor))
        yield from self._queues()
        yield from self._governed()
        yield from self._lasting.series()
        yield from self._faults()
        yield from self._rules_in_kernel()
        yield from self._process()

    def _packets(self, pumps: Mapping[Lane, PumpNumbers]) -> Iterator[Series | Distribution]:
        lanes = [((name_of(lane),), pumps[lane]) for lane in Lane]
        queue = ("queue",)
        doc = "Packets that the sensor received from its queues"
        yield Series("counter", "packets", doc, [(name, pump.packets) for name, pump in lanes], queue)
        doc = "Their bytes, IP headers included"
        yield Series("counter", "packet_bytes", doc, [(name, pump.packet_bytes) for name, pump in lanes], queue)
        answers = [((*name, "accept"), pump.accepted) for name, pump in lanes]
        answers += [((*name, "drop"), pump.dropped) for name, pump in lanes]
        doc = "What was done with packets: in observe mode all are accepted"
        yield Series("counter", "answers", doc, answers, ("queue", "answer"))
        doc = "Time from receiving a packet to its answer"
        spent = [(name, pump.latency, pump.latency_total) for name, pump in lanes]
        yield Distribution("verdict_latency_seconds", doc, pumping.LATENCY_BOUNDS, spent, queue)
        doc = "Packets of which the kernel showed only the first 65,531 bytes"
        yield Series("counter", "truncated_packets", doc, [(name, pump.truncated) for name, pump in lanes], queue)
        doc = "Packets with a protected source that came from outside"
        yield Series("counter", "forged_packets", doc, [(name, pump.forged) for name, pump in lanes], queue)
        doc = "Messages of the queue that were lost, unreadable or refused"
        yield Series("counter", "netlink_errors", doc, [(name, pump.netlink_errors) for name, pump in lanes], queue)

    def _queues(self) -> Iterator[Series]:
        settings, page, queue = self._sensor.settings, self._sensor.page, ("queue",)
        seen = {lane: self._look(settings.queue.first + lane) for lane in Lane}
        known = [((name_of(lane),), found) for lane, found in seen.items() if found is not None]
        doc = "Packets that wait in the kernel; absent where the sensor's user may not read it"
        yield Series("gauge", "queue_waiting_packets", doc, [(name, found.waiting) for name, found in known], queue)
        doc = "Packets that the kernel's queue can hold"
        lengths = [((name_of(lane),), lengths_of(settings)[lane]) for lane in Lane]
        yield Series("gauge", "queue_capacity_packets", doc, lengths, queue)
        lost = [((*name, "queue"), found.dropped_full) for name, found in known]
        lost += [((*name, "socket"), found.dropped_socket) for name, found in known]
        doc = "Packets that the kernel dropped unseen, by what was full; absent where the sensor's user may not read it"
        yield Series("counter", "queue_lost_packets", doc, lost, ("queue", "full"))
        doc = "Packets that passed and nobody judged: the rules were bypassed, the sensor was dead, or the queue open"
        yield Series("counter", "uninspected_packets", doc, _of(page, LaneNumber.UNINSPECTED), queue)
        doc = "1 where uninspected packets can be reckoned: the kernel's counters of the queues can be read"
        yield one("gauge", "uninspected_reckoned", doc, page[Number.RECKONED])
        unjudged = [((*name, "accept"), count) for name, count in _of(page, LaneNumber.UNJUDGED_ACCEPTED)]
        unjudged += [((*name, "drop"), count) for name, count in _of(page, LaneNumber.UNJUDGED_DROPPED)]
        doc = "Packets that waited for a sensor that hung, or were dropped while one bound its queue: answered unjudged"
        yield Series("counter", "unjudged_packets", doc, unjudged, ("queue", "answer"))
        doc = (
            "Packets of strangers above queue.stranger_rate, or new connections above what connection tracking can hold"
        )
        yield one("counter", "rate_limited_packets", doc, page[Number.LIMITED])
        doc = "Packets of strangers above queue.source_rate: dropped, or only counted where failure.on_full accepts"
        yield one("counter", "source_limited_packets", doc, page[Number.SOURCE_LIMITED])
        doc = "Packets of the trusted above queue.trusted_rate or queue.trunk_rate: they took the queue of strangers"
        yield one("counter", "trusted_fallen_packets", doc, page[Number.TRUSTED_FALLEN])

    def _governed(self) -> Iterator[Series]:
        shedding, governor = self._sensor.shedding, self._sensor.governor
        doc = "Packets of strangers that nobody judged, because more came than queue.governor has processor for"
        shed = [(("accept",), shedding.accepted), (("drop",), shedding.dropped)]
        yield Series("counter", "shed_packets", doc, shed, ("answer",))
        if governor is not None:
            doc = "Packets a second that the governor would let through now"
            yield one("gauge", "governor_rate", doc, governor.rate)
            doc = "How strict the governor is with each source: 0 (not at all) to 4"
            yield one("gauge", "governor_level", doc, governor.level)
            doc = "Processor time that judging a stranger's packet takes, smoothed"
            yield one("gauge", "judging_cost_seconds", doc, governor.cost / NANO)

    def _faults(self) -> Iterator[Series]:
        sensor, outlets = self._sensor, self._sensor.outlets
        events = outlets.events
        failures = sum(pump.failures for pump in sensor.pumps.values()) + outlets.failures
        yield one("counter", "failures", "Exceptions beside the engine: examining, telling, ticking", failures)
        doc = "Events and recorded packets that a slow or full disk cost"
        yield one("counter", "lost_writes", doc, outlets.lost)
        doc = "Packets kept because the engine failed on them"
        yield one("counter", "quarantined_packets", doc, outlets.quarantine.kept if outlets.quarantine else 0)
        yield one("counter", "events", "Events written", events.written if events else 0)
        doc = "Events not written because their source and rule had had their share"
        yield one("counter", "events_left_out", doc, events.left_out if events else 0)
        page = sensor.page
        doc = "Sensor processes that ended unasked and were started again"
        yield one("counter", "sensor_restarts", doc, page[Number.RESTARTS])
        doc = "Sensor processes that were killed because they made no progress"
        yield one("counter", "sensor_hangs", doc, page[Number.HANGS])

    def _rules_in_kernel(self) -> Iterator[Series]:
        page = self._sensor.page
        doc = "1 while the kernel rules that queue packets are what they should be; 0: packets pass uninspected"
        yield one("gauge", "rules_in_place", doc, page[Number.RULES_STAND])
        yield one("counter", "rules_put_back", "Times the rules were damaged and put back", page[Number.RULES_PUT_BACK])
        doc = "Time for which the rules may have been missing, from the last good look to their return"
        yield one("counter", "rules_missing_seconds", doc, page[Number.RULES_MISSING] / NANO)
        doc = "Looks at the rules, one a second: they say nothing new while this stands still"
        yield one("counter", "rules_looks", doc, page[Number.KEEPER_LOOPS])
        used = backend_of(page)
        backends = [((name,), float(name == used)) for name in BACKENDS]
        doc = '1 for what queues packets; "none": rules of the operator\'s own'
        yield Series("gauge", "rules_backend", doc, backends, ("backend",))

    def _process(self) -> Iterator[Series]:
        sensor, settings = self._sensor, self._sensor.settings
        doc = "Signatures in use, the shipped ones and yours"
        yield one("gauge", "signatures_loaded", doc, self._signatures)
        doc = "1 in enforce mode, 0 in observe mode"
        yield one("gauge", "enforcing", doc, float(sensor.engine.policy.mode is Mode.ENFORCE))
        doc = "When the configuration was read, in seconds since 1970"
        yield one("gauge", "config_loaded_timestamp_seconds", doc, sensor.loaded)
        doc = "Digest of all settings: the same on hosts that are configured alike"
        yield Series("info", "config", doc, [((self._digest,), 1)], ("sha256",))
        doc = "When this sensor process started, in seconds since 1970; its counters began then"
        yield one("gauge", "start_time_seconds", doc, sensor.started)
        placement = settings.network.placement.value
        posture = (settings.mode.value, placement, __version__, platform.python_version())
        yield Series("info", "build", "What runs here", [(posture, 1)], ("mode", "placement", "version", "python"))


def name_of(lane: Lane) -> str:
    """The value of the label ``queue``."""
    return lane.name.lower()


def lengths_of(settings: Settings) -> tuple[int, int]:
    """Packets that the queues can hold, by lane."""
    return settings.queue.length, settings.queue.trusted_length


def backend_of(page: Page) -> str:
    """What queues packets."""
    number = page[Number.BACKEND]
    return BACKENDS[number] if number < len(BACKENDS) else BACKENDS[0]


def tables(sensor: Live) -> Iterator[Table]:
    """Every bounded table of the sensor."""
    yield from sensor.engine.tables()
    events = sensor.outlets.events
    if events is not None:
        yield from events.tables()
    yield from sensor.outlets.evidence.tables()


def _of(page: Page, number: LaneNumber) -> list[tuple[tuple[str, ...], float]]:
    return [((name_of(lane),), page.of(lane, number)) for lane in Lane]
