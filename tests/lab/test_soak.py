"""5,000 packets a second of ordinary SIP: nothing lost, memory flat, and how long a packet takes with no queue, an accept-all reader, the sensor.

The long form lasts SIPSENSOR_SOAK_SECONDS (default 600) with the sensor, a tenth of it with the others. The table goes to build/figures/soak-*.json.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.network import Namespace
from tests.lab.sensor import GATEWAY, sensor
from tests.lab.traffic.field import ALLOWLIST, STRANGERS, TRUSTED, Field, Load, field
from tests.lab.traffic.tools import Heard, running
from tests.lab.traffic.watch import Samples, memory, processor_seconds, publish, samples

LONG = float(os.environ.get("SIPSENSOR_SOAK_SECONDS", "600"))
PACKETS = 5000
EXCHANGES = PACKETS * 3 / (2 + 4 + 7)
"""An OPTIONS, a REGISTER with its challenge and a call make 2, 4 and 7 packets."""
QUEUED = [f"FORWARD -p udp --{side}port 5060 -j NFQUEUE --queue-num 5060 --queue-bypass" for side in "ds"]
SETTLED = 30
"""Seconds of warm-up and traffic after which the tables of transactions and sources have all they will hold: theirs live for 32 s."""
MORE_MEMORY = 4 * 1024
"""KiB that a warm sensor may grow by."""


@pytest.fixture
def ground(folder: Path) -> Iterator[Field]:
    with field(folder) as made:
        yield made


@dataclass(frozen=True)
class Row:
    """One way to treat packets: what it cost them, and the processor (µs a packet; None where nobody reads)."""

    heard: Heard
    processor: float | None
    kib: tuple[int, int] = (0, 0)
    """Memory of all the sensor's processes, warm and at the end."""
    verdict: tuple[float, float] = (0, 0)
    """From receiving a packet to its answer, as the sensor's histogram has it: at most so many µs for half and for 99 % of them."""


@contextlib.contextmanager
def queued(gateway: Namespace) -> Iterator[None]:
    """Rules that queue both directions."""
    for rule in QUEUED:
        gateway.run(f"iptables -w -t mangle -A {rule}")
    try:
        yield
    finally:
        for rule in QUEUED:
            gateway.run(f"iptables -w -t mangle -D {rule}")


def load(seconds: float) -> Load:
    return Load(rate=EXCHANGES, seconds=seconds, mix="sip", phones=5000)


def unqueued(ground: Field, seconds: float) -> Row:
    with ground.responder():
        return Row(ground.heard(STRANGERS, load(seconds)), None)


def accept_all(ground: Field, seconds: float) -> Row:
    gateway = ground.network.gateway
    with (
        ground.responder(),
        running(gateway, ground.folder, "acceptall", "acceptall", "5060") as reader,
        queued(gateway),
    ):
        heard = ground.heard(STRANGERS, load(seconds))
        figures = reader.end()
        assert figures["packets"] == heard.packets
        return Row(heard, figures["cpu_seconds"] / heard.packets * 1e6)


def judged(ground: Field, seconds: float, first: dict[int, str], folder: Path) -> Row:
    folder.mkdir()
    with sensor(ground.network.gateway, folder, GATEWAY + ALLOWLIST) as live, ground.responder():
        # Warm-up: the tables have met everybody, and the interpreter what it has to compile.
        ground.heard(first, load(min(seconds / 4, 60))).assert_nothing_lost()
        process = live.process.pid
        time.sleep(1)
        before, spent, kib = samples(live), processor_seconds(process), memory(process)
        heard = ground.heard(first, load(seconds))
        spent = processor_seconds(process) - spent
        time.sleep(3)
        seen = samples(live).since(before)
        assert seen.total("sipsensor_packets_total") == heard.packets
        assert seen['sipsensor_verdicts_total{verdict="accept"}'] == heard.packets
        for name in (
            "alerts",
            "drops",
            "queue_lost_packets",
            "uninspected_packets",
            "rate_limited_packets",
            "netlink_errors",
        ):
            assert seen.total(f"sipsensor_{name}_total") == 0, (name, seen)
        kept = (bound(seen, heard.packets, 0.5), bound(seen, heard.packets, 0.99))
        return Row(heard, spent / heard.packets * 1e6, (kib, memory(process)), kept)


def bound(seen: Samples, packets: int, part: float) -> float:
    """The lowest bound of the latency histogram that so large a part of the packets kept, in µs."""
    buckets: dict[float, float] = {}
    for sample, count in seen.items():
        found = re.search(r'^sipsensor_verdict_latency_seconds_bucket.*le="([^"]+)"', sample)
        if found:
            buckets[float(found[1])] = buckets.get(float(found[1]), 0) + count
    return min(le for le, count in buckets.items() if count >= part * packets) * 1e6


def table(rows: dict[str, Row]) -> str:
    """One way, request only, from the phone's system call to the PBX's socket; there and back; and what they have more than without a queue."""
    base = rows["no queue rule"].heard
    lines = [
        f"{'microseconds':24}{'one way p50':>12}{'p99':>9}{'added p50':>11}{'p99':>9}{'round trip p50':>16}{'p99':>9}{'processor':>11}{'verdict p50':>13}{'p99':>7}"
    ]
    for name, row in rows.items():
        one, both = row.heard.one_way, row.heard.round_trip
        processor = "-" if row.processor is None else f"{row.processor:.1f}"
        verdict = f"{row.verdict[0]:13.0f}{row.verdict[1]:7.0f}" if row.verdict[1] else ""
        lines.append(
            f"{name:24}{one.p50:12.0f}{one.p99:9.0f}{one.p50 - base.one_way.p50:11.0f}{one.p99 - base.one_way.p99:9.0f}"
            f"{both.p50:16.0f}{both.p99:9.0f}{processor:>11}{verdict}"
        )
    return "\n".join(lines)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(4, id="short", marks=pytest.mark.slow),
        pytest.param(LONG, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(LONG * 3 + 300)]),
    ],
)
def test_five_thousand_packets_a_second_of_ordinary_sip(ground: Field, folder: Path, seconds: float) -> None:
    aside = max(seconds / 10, 3)
    rows = {
        "no queue rule": unqueued(ground, aside),
        "accept-all": accept_all(ground, aside),
        "sensor, trusted": judged(ground, aside, TRUSTED, folder / "trusted"),
        "sensor, strangers": judged(ground, seconds, STRANGERS, folder / "strangers"),
    }
    publish(f"soak-{seconds:g}s", rows)
    print(table(rows))  # noqa: T201
    for row in rows.values():
        row.heard.assert_nothing_lost()
    if seconds > SETTLED:
        before, after = rows["sensor, strangers"].kib
        assert after - before < MORE_MEMORY
