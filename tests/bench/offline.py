"""One pass over a capture file by a program: how long, what of the processor, how much memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
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


_LAUNCH = """
import os, sys
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(process, 0)
with open(sys.argv[1], "w") as report:
    print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=report)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Between the tests and the program: the peak of a process counts what its parent held when it was made."""


def once(command: Sequence[str], packets: int, log: Path) -> Pass:
    """Run a command to its end. Raises AssertionError where it failed."""
    program = shutil.which(command[0]) or command[0]
    report = log.with_suffix(".used")
    with log.open("w") as output:
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-S", "-c", _LAUNCH, report, program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        elapsed = time.monotonic() - started
    assert done.returncode == 0, log.read_text()[-2000:]
    processor, peak_kib = report.read_text().split()
    return Pass(packets, elapsed, float(processor), int(peak_kib))
