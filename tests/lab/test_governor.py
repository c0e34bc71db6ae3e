"""Strangers above what the governor has processor for: the sensor keeps near its share, the trusted do not notice, and all is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.network import wait_for
from tests.lab.sensor import UNLIMITED, Running, sensor
from tests.lab.traffic import field as grounds
from tests.lab.traffic.field import STRANGERS, TRUSTED, Field, Load
from tests.lab.traffic.tools import Heard
from tests.lab.traffic.watch import child, processor_seconds, publish, samples

SECONDS = 6.0
SHARE = 0.5
RATE = 20_000
"""Packets a second. To judge each, with an event about it, would take far more than the share, also of a generator that gets half a core."""
CALM = 6.0
"""Seconds after the flood within which strangers are let in as ever: a second for each level."""
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
        assert SHARE * 0.6 < share < SHARE * 1.3
        judged = flooded.sent - shed
        assert seen['sipsensor_drops_total{reason="OVERLOAD"}'] == shed > 0
        assert seen.total("sipsensor_queue_lost_packets_total") == 0
        # Each request that was judged came to the PBX, which answers once; and all of it passed this machine.
        assert seen['sipsensor_answers_total{answer="accept",queue="strangers"}'] == 2 * judged
        assert seen['sipsensor_packets_total{queue="strangers"}'] == 2 * judged + shed == arrived
        assert strict.total("sipsensor_governor_level") > 0
        wait_for(lambda: quiet_again(ground), CALM, "the governor to let strangers in again")


def quiet_again(ground: Field) -> bool:
    """Whether a few strangers are all answered."""
    heard = ground.heard(STRANGERS, Load(rate=50, seconds=0.5, phones=5, patience=0.5))
    return heard.answered == heard.requests > 0


def test_without_a_governor_all_are_judged(ground: Field, folder: Path) -> None:
    text = ground.settings + QUEUE.replace(f"{SHARE}", "0") + UNLIMITED
    with sensor(ground.sensing, folder, text) as running, ground.responder():
        generator = ground.flood(RATE, 1)
        try:
            flooded = generator.flooded(20)
        finally:
            generator.kill()
        sent = flooded.sent
        wait_for(
            lambda: running.metric('sipsensor_packets_total{queue="strangers"}') >= 2 * sent, 20, "all to be judged"
        )
        assert running.metric("sipsensor_shed_packets_total") == 0
        assert "sipsensor_governor_rate" not in samples(running)
