"""What a running service keeps when a part of it dies, or its disk is full: the mode that was ordered, and going on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.lab.network import Network, wait_for
from tests.lab.sensor import COMMAND, GATEWAY, Running, sensor
from tests.support.disks import small_disk

BANNED = "198.51.100.7"


def told(running: Running, order: str) -> str:
    """What the command says."""
    name, _, rest = order.partition(" ")
    return running.space.run(f"{COMMAND} {name} --config {running.folder}/sipsensor.toml {rest}")


def mode(running: Running) -> str:
    """The mode at the moment; empty while no sensor answers."""
    config = f"{running.folder}/sipsensor.toml"
    _, printed = running.space.attempt(f"{COMMAND} status --config {config} --json")
    return str(json.loads(printed)["mode"]) if printed.startswith("{") else ""


def rules_stand(running: Running) -> bool:
    """They do not from the moment that a keeper died until the next one has put them in place."""
    config = f"{running.folder}/sipsensor.toml"
    _, printed = running.space.attempt(f"{COMMAND} status --config {config} --json")
    return bool(json.loads(printed)["rules"]["in_place"])


def is_blocked(running: Running) -> bool:
    return BANNED in running.space.attempt("nft list set inet sipsensor blocked4")[1]


def test_the_mode_that_was_ordered_outlives_sensor_and_keeper(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY) as running:
        told(running, f"ban {BANNED}")
        wait_for(lambda: is_blocked(running), 20, "the ban in the kernel's set")
        told(running, "observe")
        wait_for(lambda: not is_blocked(running), 20, "an empty set")
        os.kill(running.part("sipsensor-queue"), signal.SIGKILL)
        wait_for(lambda: "the sensor was started again and goes on" in running.said, 20, "the next sensor")
        wait_for(lambda: mode(running) == "observe", 20, "its mode")
        os.kill(running.part("sipsensor-rules"), signal.SIGKILL)
        wait_for(lambda: "the keeper of the rules was killed" in running.said, 20, "the end of the keeper")
        wait_for(lambda: rules_stand(running), 20, "the next keeper")
        assert not is_blocked(running)
        told(running, "enforce")
        wait_for(lambda: is_blocked(running), 20, "the ban in the kernel's set")


@pytest.mark.slow
def test_a_full_disk_stops_nothing_and_is_written_when_there_is_room(lab: Network, folder: Path) -> None:
    with small_disk(folder / "disk") as disk:
        state = f'[state]\ndatabase = "{disk.path}/state.db"\n'
        with sensor(lab.gateway, folder, GATEWAY + state) as running:
            told(running, "ban 198.51.100.1")
            wait_for(lambda: (disk.path / "state.db-wal").stat().st_size > 0, 20, "a journal")
            disk.fill()
            for number in range(200):
                if "make room there" in running.said:
                    break
                told(running, f"ban 198.51.101.{number}")
            told(running, f"ban {BANNED}")
            wait_for(lambda: is_blocked(running), 20, "the ban in the kernel's set")
            wait_for(lambda: "make room there" in running.said, 20, "the line about it")
            assert running.said.count("make room there") == 1
            assert running.metric("sipsensor_store_errors_total") >= 1
            disk.make_room()
            wait_for(lambda: "is written again" in running.said, 60, "the line about it")
        with sensor(lab.gateway, folder, GATEWAY + state) as running:
            assert BANNED in told(running, "bans")
