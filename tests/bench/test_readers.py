"""What a packet costs live, by who reads the queue: a floor in C, Suricata inline, the sensor. Interleaved rounds in one run; `make bench-live`.

Two sorts of traffic, each read by all three. "registered": phones that registered through the sensor, which trusts them since, register again
and again; requests and answers. "strangers": REGISTERs of few sources, each a transaction of its own, unanswered; limits that they never reach,
so that every detector judges each. No time is asserted: the ratios are published, beside what was promised of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pytest

from tests.bench import readers
from tests.bench.stage import PHONES, Cost, Reader
from tests.bench.suricata import MissingError, find
from tests.lab.traffic.watch import publish

ROUNDS = int(os.environ.get("SIPSENSOR_BENCH_ROUNDS", "3"))
PACKETS = int(os.environ.get("SIPSENSOR_BENCH_PACKETS", "200000"))
SOURCES = 100
BUSY = 0.2
"""The part of the processor that a flood leaves to its reader."""
FASTEST = 50_000
PROMISED = {"registered": {"floor": 2.2, "Suricata": 0.45}, "strangers": {"Suricata": 1.0}}
"""At most so many times what these cost."""
TRUSTED = 0.9
"""The part of the registered phones' packets that has to come through the queue of the trusted."""


@dataclass
class Contest:
    """One sort of traffic, and what each reader's rounds cost."""

    readers: Mapping[str, Reader]
    costs: dict[str, list[Cost]] = field(default_factory=dict)

    def middle(self, name: str) -> float:
        """µs of a packet, the median of the rounds."""
        return median(cost.each for cost in self.costs[name])

    def figures(self) -> dict[str, dict[str, object]]:
        return {
            name: {
                "us a packet": round(self.middle(name), 2),
                "rounds": [round(cost.each, 2) for cost in costs],
                "packets": sum(cost.packets for cost in costs),
                "us a packet, processes beside": round(median(cost.beside / cost.packets for cost in costs) * 1e6, 2),
                "times": {
                    other: round(self.middle(name) / self.middle(other), 2) for other in self.costs if other != name
                },
            }
            for name, costs in self.costs.items()
        }


@pytest.fixture
def contests(root: None, tmp_path: Path) -> Iterator[dict[str, Contest]]:  # noqa: ARG001
    """Every reader, ready. Without a Suricata there is one less, and it is said."""
    with ExitStack() as open_:
        others = {"floor": open_.enter_context(readers.floor(tmp_path))}
        try:
            others["Suricata"] = open_.enter_context(readers.suricata(tmp_path, find()))
        except MissingError as error:
            print(f"without Suricata: {error}")  # noqa: T201
        yield {
            name: Contest(
                {**others, "sensor": open_.enter_context(readers.guard(tmp_path, name, readers.NEVER_REACHED))}
            )
            for name in ("registered", "strangers")
        }


def become_trusted(reader: Reader) -> None:
    """Each phone registers, and the kernel learns of it."""
    reader.registered(PHONES, "register")
    before = reader.now().beside
    while True:
        time.sleep(2)
        beside = reader.now().beside
        if beside - before < 0.1:
            return
        before = beside


def registered(contest: Contest) -> None:
    """A round. Two packets to a registration."""
    for name, reader in contest.readers.items():
        contest.costs.setdefault(name, []).append(reader.registered(PACKETS // 2))


def flooded(contest: Contest, rates: Mapping[str, float]) -> None:
    """A round of strangers."""
    for name, reader in contest.readers.items():
        contest.costs.setdefault(name, []).append(reader.flooded(PACKETS, rates[name], SOURCES))


def table(contests: Mapping[str, Contest]) -> str:
    lines = [
        f"{'processor time of a packet':32}{'us':>8}{'least':>8}{'most':>8}{'x floor':>9}{'x Suricata':>12}{'beside':>8}"
    ]
    for kind, contest in contests.items():
        for name, costs in contest.costs.items():
            each = sorted(cost.each for cost in costs)
            times = [
                f"{contest.middle(name) / contest.middle(other):.2f}" if other in contest.costs else "-"
                for other in ("floor", "Suricata")
            ]
            beside = median(cost.beside / cost.packets for cost in costs) * 1e6
            lines.append(
                f"{kind + ': ' + name:32}{contest.middle(name):8.2f}{each[0]:8.2f}{each[-1]:8.2f}{times[0]:>9}{times[1]:>12}{beside:8.2f}"
            )
        wanted = ", ".join(f"{most} x {other}" for other, most in PROMISED[kind].items())
        lines.append(f"{'':32}promised of the sensor: at most {wanted}")
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_a_packet_costs_whom(contests: dict[str, Contest]) -> None:
    known, strangers = contests["registered"], contests["strangers"]
    for reader in known.readers.values():
        become_trusted(reader)
    registered(Contest(known.readers))
    warm = {name: reader.flooded(20_000, 5000, SOURCES) for name, reader in strangers.readers.items()}
    rates = {name: min(FASTEST, BUSY / cost.each * 1e6) for name, cost in warm.items()}
    sensor = known.readers["sensor"]
    before = sensor.now().packets
    for _ in range(ROUNDS):
        registered(known)
        flooded(strangers, rates)
    after = sensor.now().packets
    print(table(contests))  # noqa: T201
    publish("readers", {name: contest.figures() for name, contest in contests.items()})
    through = [late - early for early, late in zip(before, after, strict=True)]
    assert through[1] > TRUSTED * sum(through), "the phones are not trusted"
