"""The live half of the composition root: binds the queue, puts the rules in place, judges until told to stop, leaves nothing behind.

``app`` builds the engine and drives it with capture files; this drives the same engine with packets from netfilter. Main thread: starts,
watches, ends. Pump thread: every packet, inline. What is told of packets is written by other threads, so that no packet waits for a disk.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from sipsensor import __version__
from sipsensor.app import build_engine
from sipsensor.config.errors import ConfigError
from sipsensor.config.settings import Fallback, Placement, Settings
from sipsensor.enforce.queue_rules import QueuePlan, QueueRules, needed
from sipsensor.export.events import EventLog, EventLogError, VolumeCap, open_events, reopen
from sipsensor.export.events.log import STANDARD_OUTPUT
from sipsensor.export.events.text import shown
from sipsensor.export.metrics import Endpoint, Series, engine_series, one, registry
from sipsensor.export.recording import Quarantine, Recording, create, remove_empty, set_aside
from sipsensor.export.spool import Spool
from sipsensor.fastpath import examine, tables
from sipsensor.model import Arrival, Decision, Mode
from sipsensor.sources import pump as pumps
from sipsensor.sources.interfaces import inside_interfaces, loopback, own_addresses
from sipsensor.sources.nfqueue import BoundQueue, QueueError, QueueThread, owner, state

SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy thread lets another run: Python's 5 ms would be added to the verdict of a packet that comes meanwhile."""


class Outlets:
    """Where a live sensor tells what it saw: events, the recording, the quarantine. ``edges`` closes them.

    Raises EventLogError, or OSError for the other files.
    """

    NOTICES = 100
    ROOM = 64 * 1024 * 1024
    """Bytes that may wait for each file."""

    def __init__(self, settings: Settings, record: Path | None, edges: ExitStack) -> None:
        self.notices: deque[str] = deque(maxlen=self.NOTICES)
        """Lines for the operator; the main thread says them."""
        self.failures = 0
        self.events: EventLog | None = None
        self.recording: Recording | None = None
        self.quarantine: Quarantine | None = None
        self._spools: list[Spool] = []
        self._edges = edges
        limits = settings.limits
        if settings.events.file:
            self._file = open_events(settings.events.file)
            target = self._spool(self._file, close=settings.events.file != STANDARD_OUTPUT)
            self.events = EventLog(target, VolumeCap(limits.events, os.urandom(16)))
        if record is not None:
            self.recording = Recording(self._spool(create(record)))
        if settings.quarantine.file and limits.quarantine_packets:
            path = Path(settings.quarantine.file)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            set_aside(path)
            edges.callback(remove_empty, path)
            self.quarantine = Quarantine(self._spool(create(path)), limits.quarantine_packets, limits.quarantine_bytes)

    def _spool(self, file: BinaryIO, *, close: bool = True) -> Spool:
        if close:
            self._edges.callback(file.close)
        spool = Spool(file, self.ROOM)
        self._edges.callback(spool.close)
        self._spools.append(spool)
        return spool

    def reopen(self, name: str) -> None:
        """Go on in what the event file's name is now, after rotation. Where that fails, go on in the old one, and say so."""
        if self.events is not None:
            try:
                reopen(self._file, name)
            except EventLogError as error:
                self.notices.append(str(error))

    @property
    def lost(self) -> int:
        """Events and packets that could not be written."""
        return sum(spool.lost for spool in self._spools)

    def tell(self, examined: examine.Examined, decision: Decision) -> None:
        """One packet and what was decided of it. A fault in here must not change what becomes of the packet."""
        try:
            if self.recording is not None:
                self.recording.write(
                    examined.data, examined.ts, examined.wire_length, examined.arrival, decision.verdict
                )
            if self.events is not None and (decision.alerts or decision.verdict):
                self.events.packet(examined, decision)
        except Exception as error:  # noqa: BLE001
            self.failures += 1
            self.notices.append(f"telling of a packet failed: {where(error)}")

    def failed(self, packet: bytes, ts: int, arrival: int, error: BaseException) -> None:
        """One packet on which the engine failed."""
        if self.quarantine is not None:
            self.quarantine.keep(packet, ts, len(packet), arrival)
        self.notices.append(f"the engine failed on a packet: {where(error)}")


def where(error: BaseException) -> str:
    """An exception and where it was raised, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return shown(f"{type(error).__name__}: {error}") + place


class Sensor:
    """A live sensor of this network namespace. ``say`` gets lines for the operator; ``record`` is a file for every packet judged.

    What cannot be had raises before the first packet, and then nothing is left: ConfigError, EventLogError, MetricsError, QueueError,
    RulesError, or OSError for the recording and the quarantine.
    """

    PATIENCE = 5.0
    """Seconds that the last packets may take at the end."""
    LOOK = 0.5
    """Seconds between two looks of the main thread."""
    ROUTES = 10.0
    """Seconds between two look-ups of the routes, where nothing calls for one sooner."""
    SETTLE = 50
    """Ticks between two looks at what the event log left out: it walks all that waits."""

    def __init__(self, settings: Settings, say: Callable[[str], None], record: Path | None = None) -> None:
        network = settings.network
        self._host = network.placement is Placement.HOST
        if not self._host and not (network.protected or network.inside):
            raise ConfigError(
                ["network.protected: a gateway has to know whom it protects; name them here or in network.inside"]
            )
        self.settings = settings
        self.protected = network.protected or (own_addresses() if self._host else ())
        self.engine = build_engine(settings, protected=self.protected, report_error=self._engine_failed)
        self._listener = say
        self._record = record
        self._lock = threading.Lock()
        self._inside = self._interfaces()
        self._routes_due = 0.0
        self._forged = 0
        self._ticks = 0
        self._rotated = threading.Event()

    def rotate(self) -> None:
        """Go on in a fresh event file soon: the old one was moved away. May be called from a signal handler."""
        self._rotated.set()

    def run(self, stop: threading.Event) -> None:
        """Judge until ``stop`` is set. At the end the rules go first, then what waits is answered, then the queue goes: nothing is lost."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        settings, number = self.settings, self.settings.queue.first
        with ExitStack() as edges:
            self.outlets = Outlets(settings, self._record, edges)
            fail_open = settings.mode is Mode.OBSERVE or settings.failure.on_full[0] is Fallback.ACCEPT
            queue = BoundQueue(number, settings.queue.length, fail_open=fail_open)
            edges.callback(queue.close)
            self.pump = self._make_pump(queue)
            address = self._serve_metrics(edges)
            thread = QueueThread(self.pump, stop)
            edges.callback(self._end, thread)
            rules = QueueRules(self._plan(), settings.queue.rules.value, owner)
            backend = rules.install()
            edges.callback(rules.remove)
            self._say(f"version {__version__}, {self._posture()}, rules {backend}, metrics {address or 'off'}")
            for line in needed(self._plan()) if backend == "none" else ():
                self._say(f"rule for you to add: {line}")
            # What was built so far lives as long as the process: the collector need not walk it while packets wait.
            gc.freeze()
            self._watch(stop)
        self._tell_notices()
        self._say(self._farewell())
        if thread.error is not None:
            raise QueueError(f"queue {number}: {thread.error.strerror or thread.error}; see what else uses this queue")

    def _say(self, line: str) -> None:
        """A log that went away is no reason to go, too."""
        with suppress(OSError):
            self._listener(line)

    # --- one packet: pump thread, under the lock

    def _judge(self, examined: examine.Examined) -> int:
        decision = self.engine.judge(examined)
        self.outlets.tell(examined, decision)
        return decision.effect

    def _failed(self, packet: bytes, ts: int, arrival: int, error: BaseException) -> int:
        """Examining failed, so there is nothing that the engine could answer for."""
        verdict = self.engine.on_error[arrival == Arrival.OUTBOUND]
        if self.outlets.recording is not None:
            self.outlets.recording.write(packet, ts, len(packet), arrival, verdict)
        self.outlets.failed(packet, ts, arrival, error)
        return self.engine.policy.effect(verdict)

    def _engine_failed(self, examined: examine.Examined, error: BaseException) -> None:
        self.outlets.failed(examined.data, examined.ts, examined.arrival, error)

    def _tick(self, now: int) -> None:
        self.engine.tick(now)
        self._ticks += 1
        if self.outlets.events is not None and self._ticks % self.SETTLE == 0:
            self.outlets.events.tick(now)

    # --- start, watch, end: main thread

    def _make_pump(self, queue: BoundQueue) -> pumps.Pump:
        return pumps.Pump(
            queue.fd,
            queue.number,
            self.engine.examiner,
            self._judge,
            self._failed,
            self._lock,
            protected=tables.Networks(self.protected),
            inside=self._inside,
            tick=self._tick,
            early=queue.early,
        )

    def _serve_metrics(self, edges: ExitStack) -> str:
        listen = self.settings.metrics.listen
        if not listen:
            return ""
        endpoint = Endpoint(listen, registry(self._series))
        edges.callback(endpoint.close)
        return endpoint.address

    def _plan(self) -> QueuePlan:
        settings = self.settings
        network = settings.network
        bypass = settings.failure.on_death[0] is Fallback.ACCEPT
        return QueuePlan(network.placement.value, settings.queue.first, network.sip_ports, network.protected, bypass)

    def _posture(self) -> str:
        settings = self.settings
        whom = ", ".join(self.protected or settings.network.inside) or "this host"
        return f"{settings.mode}, {settings.network.placement}, protects {whom}, queue {settings.queue.first}"

    def _interfaces(self) -> tuple[int, ...]:
        return loopback() if self._host else inside_interfaces(self.settings.network.inside, self.protected)

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self.LOOK):
            if self._rotated.is_set():
                self._rotated.clear()
                self.outlets.reopen(self.settings.events.file)
            self._tell_notices()
            if not self._host:
                self._follow_interfaces()

    def _follow_interfaces(self) -> None:
        """Interfaces come back under other numbers and routes change; the PBX must not become a forger for it."""
        forged, now = self.pump.forged, time.monotonic()
        if not self.settings.network.inside and forged == self._forged and now < self._routes_due:
            return
        self._forged, self._routes_due = forged, now + self.ROUTES
        with suppress(ConfigError):
            inside = self._interfaces()
            if inside != self._inside:
                with self._lock:
                    self.pump.set_inside(inside)
                self._inside = inside
                self._say(f"the inside interfaces are now {', '.join(map(str, inside))}")

    def _tell_notices(self) -> None:
        notices = self.outlets.notices
        while notices:
            self._say(notices.popleft())

    def _end(self, thread: QueueThread) -> None:
        if not thread.stop(self.PATIENCE):
            self._say(f"the last packet took more than {self.PATIENCE:g} s; what still waited is dropped")

    def _farewell(self) -> str:
        pump, outlets = self.pump, self.outlets
        words = [f"{self.engine.counters.dropped} to drop", f"{pump.dropped} dropped"]
        faults = {
            "errors": self.engine.counters.errors + pump.failures + outlets.failures,
            "netlink errors": pump.netlink_errors,
            "lost writes": outlets.lost,
        }
        return f"stopped after {pump.packets} packets: " + ", ".join(
            words + [f"{count} {what}" for what, count in faults.items() if count]
        )

    def _series(self) -> Iterator[Series]:
        yield from engine_series(self.engine.counters)
        yield from self._pump_series()
        yield from self._queue_series()
        posture = (
            self.settings.mode.value,
            self.settings.network.placement.value,
            __version__,
            platform.python_version(),
        )
        yield Series("info", "build", "What runs here", [(posture, 1)], ("mode", "placement", "version", "python"))

    def _pump_series(self) -> Iterator[Series]:
        pump = self.pump
        yield one("counter", "packets", "Packets from the queue", pump.packets)
        yield one("counter", "packet_bytes", "Bytes of packets from the queue, IP headers included", pump.packet_bytes)
        answers = [(("accept",), pump.accepted), (("drop",), pump.dropped)]
        yield Series(
            "counter", "answers", "What was done with packets: in observe mode all are accepted", answers, ("answer",)
        )
        yield one("counter", "truncated_packets", "Packets of which the kernel showed only a part", pump.truncated)
        yield one("counter", "forged_packets", "Packets with a protected source that came from outside", pump.forged)
        yield one(
            "counter",
            "netlink_errors",
            "Messages of the queue that were lost, unreadable or refused",
            pump.netlink_errors,
        )
        yield one("counter", "failures", "Exceptions beside the engine", pump.failures + self.outlets.failures)
        yield one("counter", "lost_writes", "Events and recorded packets that could not be written", self.outlets.lost)
        if self.outlets.quarantine is not None:
            yield one(
                "counter", "quarantined_packets", "Packets kept because the engine failed", self.outlets.quarantine.kept
            )

    def _queue_series(self) -> Iterator[Series]:
        queue = state(self.settings.queue.first)
        if queue is not None:
            yield one("gauge", "queue_waiting_packets", "Packets that wait in the kernel", queue.waiting)
            losses = [(("queue",), queue.dropped_full), (("socket",), queue.dropped_socket)]
            yield Series(
                "counter",
                "queue_lost_packets",
                "Packets that the kernel dropped unseen, by what was full",
                losses,
                ("full",),
            )
