"""A flood of strangers from 50,000 forged sources, as fast as this machine makes it: the host stays usable, and trusted phones lose nothing.

The long form lasts SIPSENSOR_FLOOD_SECONDS (default 30). Figures go to build/figures/flood-*.json.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.sensor import Running, sensor
from tests.lab.traffic import field as grounds
from tests.lab.traffic.field import TRUSTED, Field, Load
from tests.lab.traffic.tools import Flooded, Heard
from tests.lab.traffic.watch import (
    Connections,
    Samples,
    memory,
    processor_seconds,
    publish,
    samples,
    softirq_seconds,
    wait_counted,
)

RATE = 500_000
LONG = float(os.environ.get("SIPSENSOR_FLOOD_SECONDS", "30"))
ADMITTED = {"short": 5_000, "long": 50_000}
"""``queue.stranger_rate``: the default, and in the short form what the slowest machine's flood exceeds."""
LEARNING = 2.0
"""Seconds of the flood after which the sensor's tables have seen every source."""
MORE_MEMORY = 16 * 1024
"""KiB that a sensor may still grow by after that: what Python's allocator keeps, and the spool of events."""
SLOW = [pytest.mark.slow, pytest.mark.timeout(LONG * 3 + 120)]


@pytest.fixture
def ground(folder: Path, placement: str) -> Iterator[Field]:
    with grounds.field(folder, placement) as made:
        made.count_arrivals()
        yield made


@dataclass
class Watched:
    """What was seen while the flood lasted."""

    connections: list[int] = field(default_factory=list)
    kib: list[int] = field(default_factory=list)
    command_seconds: list[float] = field(default_factory=list)

    def look(self, running: Running) -> None:
        before = time.monotonic()
        running.space.run("ip -s address")
        self.command_seconds.append(time.monotonic() - before)
        self.connections.append(Connections.of(running.space).count)
        self.kib.append(memory(running.process.pid))


@dataclass(frozen=True)
class Flood:
    """One flood, from both sides."""

    flooded: Flooded
    phones: Heard
    watched: Watched
    seen: Samples
    arrived: int
    new_flows: int
    sensor_seconds: float
    softirq_seconds: float


def flood(ground: Field, running: Running, kind: str, seconds: float) -> Flood:
    """Flood for some seconds, with trusted phones that call meanwhile."""
    watched = Watched()
    with ground.responder():
        before, first = samples(running), ground.arrived("strangers")
        spent, soft = processor_seconds(running.process.pid), softirq_seconds()
        load = Load(rate=30, seconds=seconds + 2, mix="sip", phones=200)
        phones = ground.phones(TRUSTED, load)
        generator = ground.flood(RATE, seconds, kind)
        try:
            while generator.going:
                watched.look(running)
                time.sleep(0.3)
            flooded = generator.flooded(seconds + 20)
            spent, soft = processor_seconds(running.process.pid) - spent, softirq_seconds() - soft
            heard = Heard.of(phones.figures(seconds + 30))
        finally:
            phones.kill()
            generator.kill()
        watched.look(running)
        wait_counted(running)
        seen, arrived = samples(running).since(before), ground.arrived("strangers") - first
        return Flood(flooded, heard, watched, seen, arrived, new_flows_limited(running), spent, soft)


def new_flows_limited(running: Running) -> int:
    """Packets that were judged and then held off, because they would have made a connection too many."""
    listed = running.space.run("nft -j list counter inet sipsensor limited_flows")
    return sum(int(each["counter"]["packets"]) for each in json.loads(listed)["nftables"] if "counter" in each)


def show(name: str, made: Flood, most: int) -> None:
    looks = made.watched
    publish(
        f"flood-{name}",
        {
            "flood": made.flooded,
            "trusted phones": made.phones,
            "sensor, processor seconds": made.sensor_seconds,
            "softirq, processor seconds (whole machine)": made.softirq_seconds,
            "strangers' packets at the gateway": made.arrived,
            "of these held off as new connections": made.new_flows,
            "connections, most at a time, of": [max(looks.connections), most],
            "sensor, KiB at the start, most, end": [looks.kib[0], max(looks.kib), looks.kib[-1]],
            "longest command in the namespace, s": round(max(looks.command_seconds), 3),
            "samples": {name: value for name, value in made.seen.items() if "_bucket" not in name},
        },
    )


PLACEMENTS = pytest.mark.parametrize("placement", ["gateway", "host"])


BOTH = pytest.mark.parametrize(
    ("placement", "tracked"),
    [
        pytest.param("gateway", True, id="tracked-gateway"),
        pytest.param("gateway", False, id="untracked-gateway", marks=pytest.mark.slow),
        pytest.param("host", True, id="tracked-host", marks=pytest.mark.slow),
        pytest.param("host", False, id="untracked-host"),
    ],
)


@BOTH
@pytest.mark.parametrize(
    ("kind", "seconds", "admitted"),
    [
        pytest.param("register", 3, ADMITTED["short"], id="short"),
        pytest.param("register", LONG, ADMITTED["long"], id="long", marks=SLOW),
        pytest.param("scanner", LONG, ADMITTED["long"], id="scanners", marks=SLOW),
    ],
)
def test_a_flood_of_strangers_hurts_nobody_who_is_trusted(
    ground: Field, folder: Path, kind: str, seconds: float, admitted: int, *, tracked: bool
) -> None:
    if tracked:
        ground.track()
    text = ground.settings + f"[queue]\nstranger_rate = {admitted}\n"
    with sensor(ground.sensing, folder, text) as running:
        made = flood(ground, running, kind, seconds)
        table = Connections.of(ground.sensing)
        show(f"{ground.placement}-{kind}-{seconds:g}s-{'tracked' if tracked else 'untracked'}", made, table.most)
        made.phones.assert_nothing_lost()
        assert max(made.watched.command_seconds) < 5
        most = max(made.watched.connections)
        assert 0 < most < table.most / 2 if tracked else most == 0
        after = made.watched.kib[int(len(made.watched.kib) * min(LEARNING / seconds, 0.5)) :]
        assert max(after) - after[0] < MORE_MEMORY
        assert_all_counted(ground, made, admitted)


def assert_all_counted(ground: Field, made: Flood, admitted: int) -> None:
    """Every stranger's packet was judged, held off by a limit, or lost because the queue was full: and each stands in a counter."""
    seen = made.seen
    limited = seen.total("sipsensor_rate_limited_packets_total") - made.new_flows
    judged = seen.total("sipsensor_packets_total") - made.phones.packets
    lost = seen.total("sipsensor_queue_lost_packets_total")
    # A host's answers share the queue of the trusted, which opens when it is full.
    unseen = seen.total("sipsensor_uninspected_packets_total")
    assert limited > 0 or made.flooded.rate < 1.2 * admitted
    assert judged > 0
    assert limited + judged + lost + unseen == made.arrived, seen
    if ground.placement == "gateway":
        assert seen['sipsensor_packets_total{queue="trusted"}'] == made.phones.packets, seen
        assert unseen == 0
    assert seen.get('sipsensor_uninspected_packets_total{queue="strangers"}', 0) == 0


@pytest.mark.slow
@PLACEMENTS
def test_a_flood_past_a_dead_sensor_leaves_room_for_connections(ground: Field, folder: Path) -> None:
    """All three processes are gone; their rules let packets pass, and still hold strangers off above the limits."""
    ground.track()
    with sensor(ground.sensing, folder, ground.settings) as running, ground.responder():
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(30)
        generator = ground.flood(RATE, 6)
        try:
            phones = ground.heard(TRUSTED, Load(rate=30, seconds=7, mix="sip", phones=200))
            flooded = generator.flooded(20)
        finally:
            generator.kill()
        table = Connections.of(ground.sensing)
        publish(
            f"flood-{ground.placement}-past-a-dead-sensor",
            {"flood": flooded, "trusted phones": phones, "connections": table},
        )
        assert flooded.sent > table.most / 4, "too slow a flood shows nothing"
        assert table.count < table.most / 2
        # All that passes meets the PBX's one socket, which is nobody's fault here.
        assert phones.answered > phones.requests * 0.9
