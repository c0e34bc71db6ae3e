"""How long a packet is held at 100 packets a second, by who reads the queue; and what the sensor takes when nothing happens. `make bench-live`.

Times are from a phone's system call to its answer, by the kernel's clock: two packets; "held" is what they have more than the middle one without a
queue. Nobody is pinned. No time is asserted.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.bench.readers import QUEUE, QUEUED
from tests.bench.stage import spent
from tests.lab.sensor import GATEWAY, Running, sensor
from tests.lab.traffic.field import PBX, STRANGERS, Field, Load, field
from tests.lab.traffic.tools import Times, running
from tests.lab.traffic.watch import family, publish, samples

SECONDS = float(os.environ.get("SIPSENSOR_BENCH_SECONDS", "10"))
ROUNDS = int(os.environ.get("SIPSENSOR_BENCH_ROUNDS", "3"))
IDLE_SECONDS = 30.0
EXCHANGES = 50
"""A second: a request and its answer each."""
PHONES = 200
PROMISED = {"sensor, trusted": 2.5, "sensor, strangers": 5.0}
"""At most so many times what the floor adds, p99."""


@dataclass(frozen=True)
class Place:
    """A network with somebody who reads its queue, or nobody; ``mix`` is what its phones send."""

    ground: Field
    mix: str = "again"

    def sent(self, seconds: float = SECONDS) -> Times:
        """µs there and back. Nothing may be lost."""
        load = Load(rate=EXCHANGES, seconds=seconds, mix=self.mix, phones=PHONES)
        heard = self.ground.heard(STRANGERS, load)
        heard.assert_nothing_lost()
        return heard.round_trip


@contextlib.contextmanager
def place(folder: Path, name: str, mix: str = "again") -> Iterator[Place]:
    own = folder / name.replace(" ", "-")
    own.mkdir()
    with field(own) as made, running(made.network.pbx, own, "responder", "responder", f"{PBX[4]} 5060 0"):
        made.heard(STRANGERS, Load(rate=1, seconds=1, phones=1))
        yield Place(made, mix)


@contextlib.contextmanager
def accepting(folder: Path) -> Iterator[Place]:
    """A reader in C accepts everything."""
    with place(folder, "floor") as made:
        gateway = made.ground.network.gateway
        with running(gateway, made.ground.folder, "floor", "floor", f"{QUEUE}"):
            for rule in QUEUED:
                gateway.run(f"iptables -w -t mangle -A {rule}")
            yield made


@contextlib.contextmanager
def judging(folder: Path, name: str, mix: str) -> Iterator[tuple[Place, Running]]:
    """A sensor with its own settings that enforces."""
    with place(folder, name, mix) as made, sensor(made.ground.network.gateway, made.ground.folder, GATEWAY) as live:
        yield made, live


def become_trusted(there: Place, live: Running) -> None:
    """Each phone registers once; then all of them come through the queue of the trusted."""
    there.ground.heard(STRANGERS, Load(rate=PHONES, seconds=1, mix="register", phones=PHONES)).assert_nothing_lost()
    time.sleep(3)
    before = samples(live)
    there.sent(2)
    seen = samples(live).since(before)
    assert seen.get('sipsensor_packets_total{queue="strangers"}', 0) == 0, seen


def idle(live: Running) -> float:
    """Parts of a processor that all its processes take together."""
    before = sum(spent(process) for process in family(live.process.pid))
    time.sleep(IDLE_SECONDS)
    return (sum(spent(process) for process in family(live.process.pid)) - before) / IDLE_SECONDS


def table(rounds: dict[str, list[Times]]) -> str:
    """Medians of the rounds, and what they have more than the middle packet without a queue: its slowest are as slow by chance as any."""
    seen = {name: (median(one.p50 for one in each), median(one.p99 for one in each)) for name, each in rounds.items()}
    base = seen["no queue"][0]
    floor = [of - base for of in seen["floor"]]
    lines = [
        f"{'us there and back, 100 packets/s':34}{'p50':>8}{'p99':>8}{'held p50':>10}{'p99':>8}{'x floor':>9}{'p99':>8}  promised"
    ]
    for name, pair in seen.items():
        held = [of - base for of in pair]
        times = [f"{mine / least:.2f}" if least > 0 else "-" for mine, least in zip(held, floor, strict=True)]
        promised = f"at most {PROMISED[name]:g} (p99)" if name in PROMISED else ""
        lines.append(
            f"{name:34}{pair[0]:8.0f}{pair[1]:8.0f}{held[0]:10.0f}{held[1]:8.0f}{times[0]:>9}{times[1]:>8}  {promised}"
        )
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_how_long_a_packet_is_held(root: None, tmp_path: Path) -> None:  # noqa: ARG001
    with contextlib.ExitStack() as open_:
        strangers, live = open_.enter_context(judging(tmp_path, "strangers", "options"))
        resting = idle(live)
        trusted, live = open_.enter_context(judging(tmp_path, "trusted", "again"))
        places = {
            "no queue": open_.enter_context(place(tmp_path, "no queue")),
            "floor": open_.enter_context(accepting(tmp_path)),
            "sensor, strangers": strangers,
            "sensor, trusted": trusted,
        }
        become_trusted(trusted, live)
        rounds: dict[str, list[Times]] = {name: [] for name in places}
        for _ in range(ROUNDS):
            for name, there in places.items():
                rounds[name].append(there.sent())
    print(table(rounds))  # noqa: T201
    print(f"the sensor with nothing to do: {resting:.2%} of a processor; promised: below 1 %")  # noqa: T201
    publish("latency", {**rounds, "idle": resting})
