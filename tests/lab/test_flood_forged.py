"""Floods at full speed while registered phones re-register and call: of made-up sources, in a trunk's exact name, in that of other phones, of a banned
source. Whoever is not named notices nothing.

The long form lasts SIPSENSOR_FLOOD_SECONDS (default 30). Figures go to build/figures/flood-forged-*.json.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sipsensor.config.settings import QueueSettings
from sipsensor.enforce.rules.limits import TRUNK_BURST
from tests.lab.network import wait_for
from tests.lab.sensor import Running, sensor
from tests.lab.traffic import field as grounds
from tests.lab.traffic.field import FORGED, LOCAL_PORTS, SOURCES, STRANGERS, Field, Forged, Load
from tests.lab.traffic.tools import Flooded, Heard
from tests.lab.traffic.watch import Samples, memory, processor_seconds, publish, samples, wait_counted

RATE = 500_000
LONG = float(os.environ.get("SIPSENSOR_FLOOD_SECONDS", "30"))
SLOW = [pytest.mark.slow, pytest.mark.timeout(LONG * 3 + 120)]
PHONES = 50
"""So many re-register and call, and so many others have their names forged."""
LEARNING = 10
"""Seconds after which the sensor's tables have seen every one of many sources."""
MORE_MEMORY = 16 * 1024
"""KiB that a sensor may grow by once its tables have seen every source: what Python's allocator keeps, and the spool of events."""
TRUNK = "10.90.0.9"
BANNED = "10.91.0.9"
PORT = LOCAL_PORTS[STRANGERS[4]]
NAMED = Forged("10.73.0.60", PHONES, PORT)
"""The other phones' exact addresses and ports."""
FLOODS = {
    "strangers": Forged(FORGED[4], SOURCES),
    "trunk": Forged(TRUNK, 1, 5060),
    "phones": NAMED,
    "banned": Forged(BANNED, 1),
}
QUEUE = QueueSettings()


@pytest.fixture
def ground(folder: Path, placement: str) -> Iterator[Field]:
    with grounds.field(folder, placement) as made:
        made.track()
        yield made


@dataclass(frozen=True)
class Flood:
    """One flood, from both sides."""

    flooded: Flooded
    calm: Heard
    phones: Heard
    after: Heard
    kib: list[int]
    sensor_seconds: float
    seen: Samples

    @property
    def fallen(self) -> float:
        """Packets of the trusted that went with the strangers."""
        return self.seen.total("sipsensor_trusted_fallen_packets_total")

    def assert_fell(self, sources: int, rate: int, burst: int) -> None:
        """All of the flood but what so many sources may send took the strangers' queue."""
        within = sources * (rate * (self.flooded.seconds + 1) + burst)
        assert self.flooded.sent - within <= self.fallen <= self.flooded.sent, self.seen


def load(seconds: float) -> Load:
    return Load(rate=60, seconds=seconds, mix="sip", phones=PHONES)


def register(ground: Field, running: Running) -> None:
    """All phones register, and the kernel knows them. What is sent to those that will be forged goes nowhere."""
    last = NAMED.first.rpartition(".")
    end = f"{last[0]}.{int(last[2]) + NAMED.sources - 1}"
    ground.network.outside.run("nft add table inet deaf")
    ground.network.outside.run("nft 'add chain inet deaf c { type filter hook prerouting priority -400; }'")
    heard = ground.heard(STRANGERS, Load(rate=200, seconds=1, mix="register", phones=2 * PHONES))
    heard.assert_nothing_lost()
    ground.network.outside.run(f"nft add rule inet deaf c ip daddr {NAMED.first}-{end} drop")
    wait_for(lambda: trusted(running) >= 2 * PHONES, 30, "the registered phones' elements in the kernel")


def trusted(running: Running) -> int:
    listed = json.loads(running.space.run("nft -j list set inet sipsensor trusted4"))["nftables"]
    return sum(len(each["set"].get("elem", ())) for each in listed if "set" in each)


def flood(ground: Field, running: Running, forged: Forged, seconds: float) -> Flood:
    """Flood for some seconds, with registered phones that call before, meanwhile and right after."""
    with ground.responder(own_nonces=True) as responder:
        responder.go_first()
        register(ground, running)
        calm = ground.heard(STRANGERS, load(min(seconds, 5)))
        calm.assert_nothing_lost()
        before, spent, kib = samples(running), processor_seconds(running.process.pid), []
        phones = ground.phones(STRANGERS, load(seconds + 0.5))
        phones.go_first()
        generator = ground.flood(RATE, seconds, forged=forged)
        try:
            while generator.going:
                kib.append(memory(running.process.pid))
                time.sleep(0.3)
            flooded = generator.flooded(seconds + 20)
            spent = processor_seconds(running.process.pid) - spent
            heard = Heard.of(phones.figures(seconds + 30))
        finally:
            phones.kill()
            generator.kill()
        after = ground.heard(STRANGERS, load(2))
        wait_counted(running)
        return Flood(flooded, calm, heard, after, kib, spent, samples(running).since(before))


def show(name: str, made: Flood) -> None:
    more = {
        part: getattr(made.phones.round_trip, part) - getattr(made.calm.round_trip, part) for part in ("p50", "p99")
    }
    publish(
        f"flood-forged-{name}",
        {
            "flood": made.flooded,
            "phones before": made.calm,
            "phones meanwhile": made.phones,
            "phones after": made.after,
            "longer than before, us": more,
            "sensor, processor seconds": made.sensor_seconds,
            "sensor, KiB": made.kib,
            "samples": {name: value for name, value in made.seen.items() if "_bucket" not in name},
        },
    )


PLACEMENTS = pytest.mark.parametrize(
    ("placement", "seconds"),
    [
        pytest.param("gateway", 3, id="gateway"),
        pytest.param("host", 3, id="host", marks=pytest.mark.slow),
        pytest.param("gateway", LONG, id="long-gateway", marks=SLOW),
        pytest.param("host", LONG, id="long-host", marks=SLOW),
    ],
)


def run(ground: Field, running: Running, kind: str, seconds: float) -> Flood:
    """Such a flood. No transaction of a phone is lost, not even right after, and no memory."""
    made = flood(ground, running, FLOODS[kind], seconds)
    show(f"{kind}-{ground.placement}-{seconds:g}s", made)
    made.phones.assert_nothing_lost()
    made.after.assert_nothing_lost()
    if FLOODS[kind].sources < SOURCES or seconds > 2 * LEARNING:
        settled = made.kib[len(made.kib) // 2 :]
        assert max(settled) - settled[0] < MORE_MEMORY
    return made


@pytest.fixture
def running(ground: Field, folder: Path) -> Iterator[Running]:
    with sensor(ground.sensing, folder, ground.settings + f'trunks = ["{TRUNK}"]\n') as made:
        yield made


@PLACEMENTS
def test_a_flood_of_made_up_sources(ground: Field, running: Running, seconds: float) -> None:
    made = run(ground, running, "strangers", seconds)
    assert made.fallen == 0
    assert made.seen.total("sipsensor_uninspected_packets_total") == 0 or ground.placement == "host"


@PLACEMENTS
def test_a_flood_in_a_trunks_exact_name(ground: Field, running: Running, seconds: float) -> None:
    run(ground, running, "trunk", seconds).assert_fell(1, QUEUE.trunk_rate, TRUNK_BURST)


@PLACEMENTS
def test_a_flood_in_the_exact_names_of_other_phones(ground: Field, running: Running, seconds: float) -> None:
    run(ground, running, "phones", seconds).assert_fell(PHONES, QUEUE.trusted_rate, QUEUE.trusted_rate)


@PLACEMENTS
def test_a_flood_of_a_banned_source_is_not_seen_at_all(ground: Field, running: Running, seconds: float) -> None:
    running.order(f"ban {BANNED}")
    wait_for(lambda: BANNED in running.space.run("nft list set inet sipsensor blocked4"), 20, "the ban")
    made = run(ground, running, "banned", seconds)
    assert made.seen.total("sipsensor_packets_total") == made.phones.packets + made.after.packets, made.seen
    assert made.seen.total("sipsensor_rate_limited_packets_total") == 0
