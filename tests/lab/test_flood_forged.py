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

from tests.lab.network import wait_for
from tests.lab.sensor import Running, sensor
from tests.lab.traffic import field as grounds
from tests.lab.traffic.field import FORGED, LOCAL_PORTS, SOURCES, STRANGERS, Field, Forged, Load
from tests.lab.traffic.tools import Flooded, Heard
from tests.lab.traffic.watch import Samples, memory, processor_seconds, publish, samples

RATE = 500_000
LONG = float(os.environ.get("SIPSENSOR_FLOOD_SECONDS", "30"))
SLOW = [pytest.mark.slow, pytest.mark.timeout(LONG * 3 + 120)]
PHONES = 50
"""So many re-register and call, and so many others have their names forged."""
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


@pytest.fixture
def ground(folder: Path, placement: str) -> Iterator[Field]:
    with grounds.field(folder, placement) as made:
        made.count_arrivals()
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
        seen = samples(running).since(before)
        return Flood(flooded, calm, heard, ground.heard(STRANGERS, load(2)), kib, spent, seen)


def show(name: str, made: Flood) -> None:
    publish(
        f"flood-forged-{name}",
        {
            "flood": made.flooded,
            "phones before": made.calm,
            "phones meanwhile": made.phones,
            "phones after": made.after,
            "more at the median, ms": (made.phones.round_trip.p50 - made.calm.round_trip.p50) / 1000,
            "more at the 99th percentile, ms": (made.phones.round_trip.p99 - made.calm.round_trip.p99) / 1000,
            "sensor, processor seconds": made.sensor_seconds,
            "sensor, KiB": made.kib,
            "samples": {name: value for name, value in made.seen.items() if "_bucket" not in name},
        },
    )


@pytest.mark.parametrize("placement", ["gateway", "host"])
@pytest.mark.parametrize("kind", list(FLOODS))
@pytest.mark.parametrize("seconds", [pytest.param(3, id="short"), pytest.param(LONG, id="long", marks=SLOW)])
def test_whoever_is_not_named_notices_nothing(ground: Field, folder: Path, kind: str, seconds: float) -> None:
    text = ground.settings + f'trunks = ["{TRUNK}"]\n'
    text += os.environ.get("RULES_MORE", "")
    with sensor(ground.sensing, folder, text) as running:
        if kind == "banned":
            running.order(f"ban {BANNED}")
            wait_for(lambda: BANNED in running.space.run("nft list set inet sipsensor blocked4"), 20, "the ban")
        made = flood(ground, running, FLOODS[kind], seconds)
        show(f"{kind}-{ground.placement}-{seconds:g}s", made)
        made.phones.assert_nothing_lost()
        made.after.assert_nothing_lost()
