"""The readers that are compared: the floor in C, Suricata inline, the sensor with trusted phones, the sensor with strangers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.bench.stage import CPU, PINNED, Reader, answering
from tests.bench.suricata import Suricata
from tests.lab.network import wait_for
from tests.lab.sensor import COMMAND, GATEWAY, sensor
from tests.lab.traffic.field import Field, field
from tests.lab.traffic.tools import running

QUEUE = 7000
QUEUED = [f"FORWARD -p udp --{side}port 5060 -j NFQUEUE --queue-num {QUEUE} --queue-bypass" for side in "ds"]
ENOUGH = "{ count = 100000000, seconds = 60 }"
NEVER_REACHED = f"""
[queue]
stranger_rate = 1000000
source_rate = 0
trusted_rate = 0
trunk_rate = 0
governor = 0.0
[detectors.handshakes]
sender = {ENOUGH}
[detectors.enumeration]
sender = {ENOUGH}
strangers = {ENOUGH}
[detectors.flood]
register_source = {ENOUGH}
register_source_sustained = {ENOUGH}
register_aor = {ENOUGH}
source = {ENOUGH}
"""
"""Every detector judges each packet and finds it within its limits, as of that many good phones."""


@contextlib.contextmanager
def _ground(folder: Path, name: str) -> Iterator[Field]:
    own = folder / name
    own.mkdir()
    with field(own) as ground, answering(ground):
        yield ground


def _queue(ground: Field) -> None:
    for rule in QUEUED:
        ground.network.gateway.run(f"iptables -w -t mangle -A {rule}")


@contextlib.contextmanager
def floor(folder: Path) -> Iterator[Reader]:
    """Accepts everything, unseen, with batch verdicts."""
    with (
        _ground(folder, "floor") as ground,
        running(ground.network.gateway, ground.folder, "floor", "floor", f"{QUEUE}") as tool,
    ):
        ground.network.gateway.run(f"taskset -cp {CPU} {tool.process.pid}")
        _queue(ground)
        yield Reader("floor", ground, tool.process.pid, tool.process.pid, (QUEUE,))


@contextlib.contextmanager
def suricata(folder: Path, found: Suricata) -> Iterator[Reader]:
    """Suricata inline: one worker, batch verdicts, six SIP rules."""
    with _ground(folder, "suricata") as ground:
        gateway, log = ground.network.gateway, ground.folder / "suricata.out"
        process = gateway.start(PINNED + found.inline(ground.folder, QUEUE), log)
        try:
            wait_for(
                lambda: "Engine started" in log.read_text() or process.poll() is not None, 60, f"Suricata, see {log}"
            )
            assert process.poll() is None, log.read_text()
            _queue(ground)
            yield Reader("Suricata", ground, process.pid, process.pid, (QUEUE,))
        finally:
            process.terminate()
            process.wait(30)


@contextlib.contextmanager
def guard(folder: Path, name: str, settings: str = "") -> Iterator[Reader]:
    """A sensor that enforces, as a gateway."""
    with (
        _ground(folder, name) as ground,
        sensor(ground.network.gateway, ground.folder, GATEWAY + settings, program=PINNED + str(COMMAND)) as live,
    ):
        yield Reader("sensor", ground, live.process.pid, live.part("sipsensor-queue"), (5060, 5061))
