"""The sensor process: binds the two queues, judges until told to stop, answers what waits, gives the queues back.

``app`` builds the engine and drives it with capture files; this drives the same engine with packets from netfilter. Main thread: starts,
watches, ends. A pump thread for each lane: every packet, inline, under one lock. It runs no other program and never forks: an inherited
descriptor would keep a dead queue bound. Rules are the keeper's, restarts the supervisor's.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

from sipsensor.app import build_engine
from sipsensor.config.errors import ConfigError
from sipsensor.config.settings import Placement, Settings
from sipsensor.export.metrics import Endpoint, MetricsError
from sipsensor.fastpath import examine, ranges
from sipsensor.live.judging import Judging
from sipsensor.live.link import Link
from sipsensor.live.memory import Facts, Memory, seed_of
from sipsensor.live.outlets import Outlets
from sipsensor.live.page import INSIDE_MOST, Lane, LaneNumber, Number, Page, State
from sipsensor.live.plan import accepts_unjudged, accepts_unserved
from sipsensor.live.posture import Posture
from sipsensor.live.priority import go_first
from sipsensor.live.serving import serve_control, serve_metrics
from sipsensor.live.shedding import Shedding, cost_of_judging
from sipsensor.model import Arrival, Decision
from sipsensor.sources import governor as governing
from sipsensor.sources import pump as pumps
from sipsensor.sources.interfaces import inside_interfaces, loopback, own_addresses
from sipsensor.sources.nfqueue import BoundQueue, QueueError, QueueThread

SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy thread lets another run: Python's 5 ms would be added to the verdict of a packet that comes meanwhile."""


class Sensor:
    """A live sensor of this network namespace. ``say`` gets lines for the operator; ``record`` is a file for every packet judged.

    Made before the processes part, so that what is wrong with the settings is found once: raises ConfigError. ``run`` is for the sensor
    process; what it cannot have raises before the first packet: EventLogError, MetricsError, QueueError, or OSError for the other files.
    """

    PATIENCE = 5.0
    """Seconds that the last packets may take at the end."""
    LOOK = 0.5
    """Seconds between two looks of the main thread."""
    SERVE = 30.0
    """Seconds between two tries for a metrics port that could not be had."""
    SETTLE = 10
    """Ticks between two looks at what the event log left out: it walks all that waits."""
    ERRORS = 20
    """Lines for the operator that ``status`` shows again."""

    def __init__(
        self, settings: Settings, say: Callable[[str], None], record: Path | None = None, page: Page | None = None
    ) -> None:
        network = settings.network
        self._host = network.placement is Placement.HOST
        if not self._host and not (network.protected or network.inside):
            raise ConfigError(
                ["network.protected: a gateway has to know whom it protects; name them here or in network.inside"]
            )
        self.settings = settings
        self.page = page or Page()
        self.protected = self._whom()
        self._seed = seed_of(settings, say)
        self.engine = build_engine(
            settings, protected=self.protected, seed=self._seed, report_error=self._engine_failed
        )
        self.link = Link()
        self.memory = Memory(settings, self.engine, self.link.sensor, self.between_packets, self.say)
        self.posture = Posture(self)
        self.loaded = time.time()
        self.started = 0.0
        self.pumps: dict[Lane, pumps.Pump] = {}
        self.governor: governing.Governor | None = None
        self.shedding = Shedding(self.engine, settings.failure.on_full[Lane.STRANGERS].verdict, self._tell_shed)
        self.errors: deque[tuple[float, str]] = deque(maxlen=self.ERRORS)
        self._listener = say
        self._record = record
        self._lock = threading.Lock()
        self._inside = loopback() if self._host else inside_interfaces(network.inside, network.protected)
        self._ticks = 0
        self._rotated = False
        self._endpoint: Endpoint | None = None
        self._edges = ExitStack()
        self._serve_due = 0.0

    def rotate(self) -> None:
        """Go on in a fresh event file soon: the old one was moved away. May be called from a signal handler."""
        self._rotated = True

    @property
    def facts(self) -> Facts:
        """What the keeper said last of the kernel's sets and the database: metrics and ``status`` tell it."""
        return self.memory.facts

    def between_packets(self) -> AbstractContextManager[object]:
        """While it is entered no packet is judged: for orders, which take moments."""
        return self._lock

    def say(self, line: str) -> None:
        """A line for the operator, from any thread; the main thread says it."""
        self.outlets.notices.append(line)

    def run(self, stop: threading.Event) -> None:
        """Judge until ``stop`` is set, or a queue fails (QueueError). At the end what waits is answered before the queues go."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        go_first()
        self.started = time.time()
        with ExitStack() as edges:
            self.outlets = Outlets(self.settings, self._own_record(), edges)
            self.memory.load(self._seed)
            self.posture.resume(self.memory.fell)
            if self.settings.queue.governor:
                self.governor = governing.Governor(self.settings.queue.governor, cost_of_judging(self.settings))
            queues = {lane: self._bind(lane, edges) for lane in Lane}
            turns = pumps.Turns()
            self.pumps = {lane: self._make_pump(lane, queue, turns) for lane, queue in queues.items()}
            self._edges = edges
            self._endpoint = serve_metrics(self, edges, self.outlets.notices.append)
            self._serve_due = time.monotonic() + self.SERVE
            serve_control(self, self.posture, edges, self.outlets.notices.append)
            threads = [QueueThread(pump, stop) for pump in self.pumps.values()]
            edges.callback(self._end, threads)
            # What was built so far lives as long as the process: the collector need not walk it while packets wait.
            gc.freeze()
            self.page[Number.SENSOR_STATE] = State.READY
            self._watch(stop)
            self.page[Number.SENSOR_STATE] = State.ENDING
        self.memory.close()
        self._tell_notices()
        if self.page[Number.BACKEND]:  # else it never served: nothing was queued
            self._say(self._farewell())
        for lane, thread in zip(self.pumps, threads, strict=True):
            if thread.error is not None:
                what = thread.error.strerror or thread.error
                raise QueueError(f"queue {queues[lane].number}: {what}; see what else uses this queue")

    def _say(self, line: str) -> None:
        """A log that went away is no reason to go, too."""
        with suppress(OSError):
            self._listener(line)

    def _own_record(self) -> Path | None:
        """Each sensor writes a recording of its own: what one that died left stays."""
        before = self.page[Number.RESTARTS]
        record = self._record
        return record.with_name(f"{record.name}.{before}") if record is not None and before else record

    # --- one packet: a pump's thread, under the lock

    def _failed(self, packet: bytes, ts: int, arrival: int, error: BaseException) -> int:
        """Examining failed, so there is nothing that the engine could answer for."""
        verdict = self.engine.on_error[arrival == Arrival.OUTBOUND]
        if self.outlets.recording is not None:
            self.outlets.recording.write(packet, ts, len(packet), arrival, verdict)
        self.outlets.failed(packet, ts, arrival, error)
        return self.engine.policy.effect(verdict)

    def _tell_shed(self, examined: examine.Examined, decision: Decision, aloud: bool) -> None:  # noqa: FBT001
        self.outlets.shed(examined, decision, self.engine.policy.mode, aloud=aloud)

    def _engine_failed(self, examined: examine.Examined, error: BaseException) -> None:
        self.outlets.failed(examined.data, examined.ts, examined.arrival, error)

    def _tick(self, now: int) -> None:
        self.engine.tick(now)
        self.posture.keep()
        self._ticks += 1
        if self.outlets.events is not None and self._ticks % self.SETTLE == 0:
            self.outlets.events.tick(now)

    # --- start, watch, end: main thread

    def _bind(self, lane: Lane, edges: ExitStack) -> BoundQueue:
        settings = self.settings
        length = (settings.queue.length, settings.queue.trusted_length)[lane]
        queue = BoundQueue(
            settings.queue.first + lane,
            length,
            fail_open=accepts_unjudged(settings, lane),
            accept_early=accepts_unserved(settings, lane),
        )
        self.page.lane(lane)[LaneNumber.UNJUDGED_DROPPED] += queue.dropped_early
        edges.callback(self._release, lane, queue)
        self.page.lane(lane)[LaneNumber.DESCRIPTOR] = queue.fd + 1
        return queue

    def _release(self, lane: Lane, queue: BoundQueue) -> None:
        self.page.lane(lane)[LaneNumber.DESCRIPTOR] = 0
        queue.close()

    def _make_pump(self, lane: Lane, queue: BoundQueue, turns: pumps.Turns) -> pumps.Pump:
        return pumps.Pump(
            queue.fd,
            queue.number,
            self.engine.examiner,
            Judging(self.engine, self.outlets),
            self._failed,
            self._lock,
            protected=ranges.Networks(self.protected),
            inside=self._inside,
            tick=self._tick if lane is Lane.STRANGERS else None,
            early=queue.early,
            turns=turns,
            first=lane is Lane.TRUSTED,
            numbers=self.page.lane(lane),
            governor=self.governor if lane is Lane.STRANGERS else None,
            shed=self.shedding.shed,
        )

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self.LOOK):
            if self._rotated:
                self._rotated = False
                self._reopen()
            self.posture.tick()
            self._tell_notices()
            self.memory.look()
            self._follow_interfaces()
            self._follow_addresses()
            self._serve_again()

    def _reopen(self) -> None:
        """What may have changed on the disk under its name: the event file, the certificate of the metrics."""
        self.outlets.reopen(self.settings.events.file)
        if self._endpoint is not None:
            try:
                self._endpoint.renew()
            except MetricsError as error:
                self.outlets.notices.append(str(error))

    def _follow_interfaces(self) -> None:
        """Interfaces come back under other numbers and routes change (the keeper looks); the PBX must not become a forger for it."""
        count = self.page[Number.INSIDE_COUNT]
        if self._host or not 0 < count <= INSIDE_MOST:
            return
        inside = tuple(self.page.numbers[Number.INSIDE : Number.INSIDE + count])
        if inside != self._inside:
            with self._lock:
                for pump in self.pumps.values():
                    pump.set_inside(inside)
            self._inside = inside
            self._say(f"the inside interfaces are now {', '.join(map(str, inside))}")

    def _serve_again(self) -> None:
        """A metrics port that somebody else took when the sensor before this one died may be free again."""
        now = time.monotonic()
        if self._endpoint is None and self.settings.metrics.listen and now >= self._serve_due:
            self._serve_due = now + self.SERVE
            self._endpoint = serve_metrics(self, self._edges, self.outlets.notices.append)

    def _follow_addresses(self) -> None:
        """An address that moves away from a PBX host belongs to somebody else then: he is no forger. The engine goes by the hook."""
        whom = self._whom()
        if whom != self.protected:
            networks = ranges.Networks(whom)
            with self._lock:
                for pump in self.pumps.values():
                    pump.set_protected(networks)
            self.protected = whom
            self._say(f"protects {', '.join(whom) or 'no address'} now")

    def _whom(self) -> tuple[str, ...]:
        """The protected: those named, or on a host its own addresses; our public ones as well."""
        network = self.settings.network
        return (*(network.protected or (own_addresses() if self._host else ())), *network.public)

    def _tell_notices(self) -> None:
        notices = self.outlets.notices
        while notices:
            line = notices.popleft()
            self.errors.append((time.time(), line))
            self._say(line)

    def _end(self, threads: list[QueueThread]) -> None:
        for thread in threads:
            if not thread.stop(self.PATIENCE):
                self._say(f"the last packet took more than {self.PATIENCE:g} s; what still waited is dropped")

    def _farewell(self) -> str:
        of, outlets = self.pumps.values(), self.outlets
        words = [f"{self.engine.counters.dropped} to drop", f"{sum(pump.dropped for pump in of)} dropped"]
        faults = {
            "errors": self.engine.counters.errors + sum(pump.failures for pump in of) + outlets.failures,
            "netlink errors": sum(pump.netlink_errors for pump in of),
            "lost writes": outlets.lost,
        }
        return f"stopped after {sum(pump.packets for pump in of)} packets: " + ", ".join(
            words + [f"{count} {what}" for what, count in faults.items() if count]
        )
