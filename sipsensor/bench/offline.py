"""What a packet costs without a network: examine, judge, replay; and beside each the least that would have to be done.

Beside examine and judge: splitting the head of the message in plain Python, nothing else. Beside replay: reading the file, judging nothing.
Times are of the processor, this thread's, so that what else runs on the machine counts less; each is the median of several rounds.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from sipsensor.app import Replay, build_engine
from sipsensor.bench import traffic
from sipsensor.config.settings import NetworkSettings, Settings, TrustSettings
from sipsensor.engine import Engine
from sipsensor.model import NANOSECONDS, Arrival, Limit, Mode, Packet
from sipsensor.sources.pcap import Capture

ENOUGH = 100_000_000
LINK = 101
ROUNDS = 5
PACKETS = 2_000
FILE_PACKETS = 50_000

Round = Callable[[], tuple[int, float]]
"""Does some packets; returns how many, and seconds of processor time."""


def unlimited(settings: Settings) -> Settings:
    """The same for this traffic: its port, nobody on a list, and budgets that nobody spends. A hundred sources stand for many, and every
    detector has to judge each packet.
    """
    return dataclasses.replace(
        settings,
        network=dataclasses.replace(NetworkSettings(), sip_ports=(traffic.PBX_PORT,)),
        trust=TrustSettings(),
        detectors={name: _without_limits(section) for name, section in settings.detectors.items()},
    )


def engine_for(settings: Settings) -> Engine:
    """An engine that drops nothing of the traffic here."""
    return build_engine(unlimited(settings), mode=Mode.ENFORCE, protected=[traffic.PBX])


def medians(rounds: Mapping[str, Round], times: int = ROUNDS) -> dict[str, float]:
    """Microseconds of a packet, by name. The rounds take turns, so that all of them meet the same weather; one of each goes before."""
    each: dict[str, list[float]] = {name: [] for name in rounds}
    for one in rounds.values():
        one()
    for _ in range(times):
        for name, one in rounds.items():
            count, seconds = one()
            each[name].append(seconds / count * 1e6)
    return {name: median(costs) for name, costs in each.items()}


def packets(settings: Settings) -> dict[str, float]:
    """Microseconds of a stranger's REGISTER: "split" (the floor), "examine", "judge" (all of it: examined, too)."""
    engine = engine_for(settings)
    made = [traffic.inbound(phone, payload) for phone, payload in traffic.strangers(PACKETS)]
    payloads = [payload for _, payload in traffic.strangers(PACKETS)]
    clock = iter(range(0, 10**18, NANOSECONDS // 1000))
    return medians(
        {
            "split": lambda: _timed(payloads, _split),
            "examine": lambda: _timed(made, lambda data: engine.examiner.examine(_packet(data, next(clock)))),
            "judge": lambda: _timed(made, lambda data: engine.process(_packet(data, next(clock)))),
        }
    )


def files(settings: Settings) -> dict[str, float]:
    """Microseconds of a packet of a capture file, four fifths of them media: "read" (the floor), "replay"."""
    with tempfile.TemporaryDirectory(prefix="sipsensor-bench-") as folder:
        path = Path(folder) / "site.pcap"
        traffic.capture(path, FILE_PACKETS)
        return medians({"read": lambda: _read(path), "replay": lambda: _replay(path, engine_for(settings))}, times=3)


def _without_limits(section: Any) -> Any:  # noqa: ANN401 - every detector has its own
    wide = {
        each.name: Limit(ENOUGH, value.seconds)
        for each in dataclasses.fields(section)
        if isinstance(value := getattr(section, each.name), Limit)
    }
    return dataclasses.replace(section, **wide)


def _packet(data: bytes, ts: int) -> Packet:
    return Packet(ts, data, LINK, arrival=Arrival.INBOUND)


def _split(payload: bytes) -> dict[bytes, bytes]:
    """The least that plain Python can do with a message."""
    head, _, _ = payload.partition(b"\r\n\r\n")
    fields = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in fields}


def _timed(items: list[bytes], one: Callable[[bytes], object]) -> tuple[int, float]:
    started = time.thread_time_ns()
    for item in items:
        one(item)
    return len(items), (time.thread_time_ns() - started) / NANOSECONDS


def _read(path: Path) -> tuple[int, float]:
    started = time.thread_time_ns()
    count = sum(batch.size for batch in Capture(path).batches())
    return count, (time.thread_time_ns() - started) / NANOSECONDS


def _replay(path: Path, engine: Engine) -> tuple[int, float]:
    """Judging, with an engine that is there already."""
    run = Replay(lambda: engine)
    started = time.thread_time_ns()
    run.run([path])
    return run.summary.packets, (time.thread_time_ns() - started) / NANOSECONDS
