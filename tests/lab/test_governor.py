"""Strangers above what the governor has processor for: the sensor keeps near its share, the trusted do not notice, and all is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.sensor import UNLIMITED, Running, sensor
from tests.lab.traffic import field as grounds
from tests.lab.traffic.field import TRUSTED, Field, Load
from tests.lab.traffic.tools import Heard
from tests.lab.traffic.watch import child, processor_seconds, publish, samples

SECONDS = 6.0
SHARE = 0.5
RATE = 8000
"""Packets a second. Judging each, with an event about it, takes more than a core."""
QUEUE = f"[queue]\nstranger_rate = 1000000\nlength = 65536\ngovernor = {SHARE}\n"


@pytest.fixture
def ground(folder: Path) -> Iterator[Field]:
    with grounds.field(folder) as made:
        made.count_arrivals()
        yield made


def processor(running: Running) -> float:
    return processor_seconds(child(running, "sipsensor-queue"))


def test_a_flood_keeps_to_the_share_and_the_trusted_do_not_notice(ground: Field, folder: Path) -> None:
    with sensor(ground.sensing, folder, ground.settings + QUEUE + UNLIMITED) as running, ground.responder():
        before, arrived = samples(running), ground.arrived("strangers")
        phones = ground.phones(TRUSTED, Load(rate=30, seconds=SECONDS + 2, mix="sip", phones=200))
        generator = ground.flood(RATE, SECONDS)
        try:
            time.sleep(1.5)
            spent, began = processor(running), time.monotonic()
            time.sleep(SECONDS - 3)
            share = (processor(running) - spent) / (time.monotonic() - began)
            strict = samples(running)
            flooded = generator.flooded(20)
            heard = Heard.of(phones.figures(30))
        finally:
            phones.kill()
            generator.kill()
        seen, arrived = samples(running).since(before), ground.arrived("strangers") - arrived
        shed = seen['sipsensor_shed_packets_total{answer="drop"}']
        publish(
            "governor-flood",
            {
                "flood": flooded,
                "processor of the sensor, cores": share,
                "trusted phones": heard,
                "shed": shed,
                "level": strict.total("sipsensor_governor_level"),
                "samples": {name: value for name, value in seen.items() if "_bucket" not in name},
            },
        )
        heard.assert_nothing_lost()
        assert SHARE * 0.5 < share < SHARE * 1.4
