"""IAX2 through a real queue: what a stranger's frames come to on the PBX's own interface."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.lab.network import ATTACKER, PBX, Network, wait_for
from tests.lab.sensor import HOST, sensor
from tests.support.iax2 import PORT, element, full, mini, registers

COUNT = 100
LEAK = 2
"""What the fastest of the buckets lets through in a second."""
NEIGHBOURS = {4: 0, 6: 3}
"""Packets that are no datagrams: who has that address."""


def sent(lab: Network, folder: Path, version: int, frames: Sequence[bytes]) -> None:
    """From one socket, a millisecond apart."""
    (folder / "frames").write_text("\n".join(frame.hex() for frame in frames))
    lab.outside.run(f"python3 {Path(__file__).parent}/datagrams.py {PBX[version]} {PORT} {folder}/frames")


@pytest.mark.parametrize("version", [4, 6])
def test_what_a_stranger_asks_for_comes_through_up_to_its_limit(lab: Network, folder: Path, version: int) -> None:
    numbers = range(1, COUNT + 1)
    kinds: tuple[tuple[list[bytes], int], ...] = (
        ([full("POKE", source=0, timestamp=0) for _ in numbers], 0),
        ([registers() + b"x" for _ in numbers], 0),
        ([full("FWDOWNL", [element("device-type", "iaxy")], source=number) for number in numbers], 0),
        ([full("POKE", source=number) for number in numbers], 10),
        ([full("NEW", source=number) for number in numbers], 20),
        ([mini(number) for number in numbers], 20),
    )
    with sensor(lab.pbx, folder, HOST) as running:
        for place, (frames, through) in enumerate(kinds, 1):
            before, began = lab.delivered(ATTACKER[version]), time.monotonic()
            sent(lab, folder, version, frames)
            wait_for(
                lambda: running.metric('sipsensor_packets_total{queue="strangers"}') >= place * COUNT,  # noqa: B023
                20,
                "all of them to be judged",
            )
            leaked = LEAK * (time.monotonic() - began) if through else 0
            found = lab.delivered(ATTACKER[version]) - before
            assert through <= found <= through + leaked + NEIGHBOURS[version], frames[0]
        assert running.metric("sipsensor_engine_errors_total") == 0
