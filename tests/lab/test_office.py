"""An office of strangers behind one address, which boots all at once: nobody of it meets the kernel's limit of his source."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.network import ATTACKER
from tests.lab.sensor import UNLIMITED, sensor
from tests.lab.traffic.field import RANGES, STRANGERS, Load, field
from tests.lab.traffic.watch import publish, samples, wait_counted

PHONES = 200
ROUNDS = 2
"""Of registering: each phone sends four requests before its port is a trusted one in the kernel."""


@pytest.mark.parametrize("rate", ["", "[queue]\nsource_rate = 20\n"], ids=["default", "low"])
def test_an_office_boots_behind_one_address(folder: Path, rate: str) -> None:
    """All 200 phones send in the same instant. With a low limit it would not pass, so it is the limit that is seen here.

    These phones send nothing twice, so the detectors, whose limits rely on that, only tell.
    """
    with field(folder) as ground, sensor(ground.sensing, folder, ground.settings + rate + UNLIMITED) as running:
        outside = ground.network.outside
        outside.run("nft add table ip office")
        outside.run("nft 'add chain ip office c { type nat hook postrouting priority 100; }'")
        outside.run(f"nft add rule ip office c ip saddr {RANGES[4][1]} snat to {ATTACKER[4]}")
        with ground.responder(own_nonces=True):
            load = Load(rate=PHONES * ROUNDS, seconds=1, mix="register", phones=PHONES, burst=PHONES)
            heard = ground.heard(STRANGERS, load)
        wait_counted(running)
        seen = samples(running)
        limited = seen.total("sipsensor_source_limited_packets_total")
        publish(f"office-{'low' if rate else 'default'}", {"phones": heard, "limited": limited})
        assert (limited > 0) == bool(rate)
        if not rate:
            heard.assert_nothing_lost()
            assert heard.requests == 2 * PHONES * ROUNDS
