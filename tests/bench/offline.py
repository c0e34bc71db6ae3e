"""One pass over a capture file by a program: how long, what of the processor, how much memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pass:
    """What it took, the program's start included."""

    packets: int
    elapsed: float
    processor: float
    peak_kib: int

    @property
    def rate(self) -> float:
        """Packets a second."""
        return self.packets / self.elapsed


def once(command: Sequence[str], packets: int, log: Path) -> Pass:
    """Run a command to its end. Raises AssertionError where it failed."""
    with log.open("w") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        elapsed = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, log.read_text()[-2000:]
    return Pass(packets, elapsed, used.ru_utime + used.ru_stime, used.ru_maxrss)
