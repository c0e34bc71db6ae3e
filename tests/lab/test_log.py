"""Nobody reads what the sensor says: a halted terminal, a pager, a log service that hangs. Packets must not notice."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.lab.network import Network, wait_for
from tests.lab.sensor import COMMAND, GATEWAY, Running, bound, config


def _fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    for piece in (b"x" * 4096, b"x"):
        try:
            while True:
                os.write(pipe, piece)
        except BlockingIOError:
            pass
    os.set_blocking(pipe, True)


def test_a_log_that_is_full_keeps_nobody_from_starting_a_dead_sensor_again_nor_from_ending(
    lab: Network, folder: Path
) -> None:
    reader, writer = os.pipe()
    command = lab.gateway.command(f"{COMMAND} run --config {config(folder, GATEWAY)}")
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, text=True, start_new_session=True
    )
    try:
        said = b""
        while b"queue 5060" not in said:
            said += os.read(reader, 4096)
        _fill(writer)
        running = Running(process, lab.gateway, folder)
        for death in (signal.SIGKILL, signal.SIGSTOP):
            before = running.part("sipsensor-queue")
            os.kill(before, death)
            wait_for(lambda old=before: not Path(f"/proc/{old}").exists(), 20, "the end of the old sensor")  # type: ignore[misc]
            wait_for(lambda: bound(lab.gateway), 20, "a new sensor")
            # While it starts it may stand still for long; from then on it must go on.
            wait_for(lambda: running.attempt("status")[0] == 0, 20, "a sensor that serves")
        assert running.stop() == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)
