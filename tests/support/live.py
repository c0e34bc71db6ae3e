"""A live sensor's numbers without a sensor: what an idle one has, to be set by hand, and a kernel that says what it is told to."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace

from sipsensor.app import build_engine
from sipsensor.config.load import defaults
from sipsensor.config.settings import Settings
from sipsensor.engine import Engine
from sipsensor.export.events.build import Event
from sipsensor.export.evidence import Evidence
from sipsensor.live.memory import Facts
from sipsensor.live.page import Lane, Page
from sipsensor.model import Table
from sipsensor.sources.governor import Governor
from sipsensor.sources.nfqueue import QueueState
from sipsensor.sources.pump import LATENCY_BOUNDS

STARTED = 1_800_000_000.0


@dataclass
class FakePump:
    packets: int = 0
    packet_bytes: int = 0
    accepted: int = 0
    dropped: int = 0
    forged: int = 0
    truncated: int = 0
    failures: int = 0
    netlink_errors: int = 0
    latency_total: int = 0
    latency: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS) + 1)


@dataclass
class FakeEvents:
    written: int = 0
    left_out: int = 0
    told: list[Event] = field(default_factory=list)

    def write(self, event: Event) -> None:
        self.told.append(event)

    @staticmethod
    def tables() -> tuple[Table, ...]:
        return (Table("event_volume", 3, 16384, 1),)


@dataclass
class FakeOutlets:
    failures: int = 0
    lost: int = 0
    events: FakeEvents | None = field(default_factory=FakeEvents)
    quarantine: SimpleNamespace | None = None
    evidence: Evidence = field(default_factory=lambda: Evidence(64, 10, 1 << 20, 3600))


@dataclass
class FakeShedding:
    accepted: int = 0
    dropped: int = 0


@dataclass
class FakeSensor:
    settings: Settings = field(default_factory=defaults)
    engine: Engine = field(default_factory=lambda: build_engine(defaults()))
    page: Page = field(default_factory=Page)
    protected: tuple[str, ...] = ("192.0.2.10",)
    loaded: float = STARTED - 5
    started: float = STARTED
    pumps: dict[Lane, FakePump] = field(default_factory=lambda: {lane: FakePump() for lane in Lane})
    outlets: FakeOutlets = field(default_factory=FakeOutlets)
    governor: Governor | None = None
    shedding: FakeShedding = field(default_factory=FakeShedding)
    errors: deque[tuple[float, str]] = field(default_factory=deque)
    facts: Facts = field(default_factory=Facts)
    said: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def between_packets(self) -> threading.Lock:
        return self.lock

    def say(self, line: str) -> None:
        self.said.append(line)


class Kernel:
    """What the kernel says of queues, by number; None for one that cannot be read."""

    def __init__(self) -> None:
        self.queues: dict[int, QueueState | None] = {5060: QueueState(0, 0, 0), 5061: QueueState(0, 0, 0)}

    def __call__(self, number: int) -> QueueState | None:
        return self.queues[number]
