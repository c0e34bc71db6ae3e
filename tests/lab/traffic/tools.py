"""The C tools of this folder, compiled when they are first wanted, as Python objects."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY
from tests.lab.network import Namespace, wait_for

FOLDER = Path(__file__).parent
BUILT = REPOSITORY / "build" / "traffic"
STRICT = "-std=gnu11 -O2 -Wall -Wextra -Wconversion -Wshadow -Werror"
LIBRARIES = {name: ["-lnetfilter_queue", "-lnfnetlink"] for name in ("acceptall", "floor")}


@functools.cache
def built(tool: str) -> Path:
    """The program, compiled from ``TOOL.c``."""
    BUILT.mkdir(parents=True, exist_ok=True)
    made = BUILT / f"{tool}.{os.getpid()}"
    command = ["gcc", *STRICT.split(), "-o", str(made), str(FOLDER / f"{tool}.c"), *LIBRARIES.get(tool, [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made.rename(BUILT / tool)


@dataclass(frozen=True)
class Tool:
    """A tool that runs; it prints its figures as one line of JSON when it ends."""

    process: subprocess.Popen[str]
    log: Path

    @classmethod
    def start(cls, space: Namespace, folder: Path, name: str, tool: str, arguments: str) -> Tool:
        """``tool`` with ``arguments`` in a namespace; its output goes to ``folder``/``name``.log."""
        log = folder / f"{name}.log"
        return cls(space.start(f"{built(tool)} {arguments}", log), log)

    def wait_ready(self) -> None:
        wait_for(lambda: "ready" in self.log.read_text() or self.process.poll() is not None, 30, str(self.log))
        assert self.process.poll() is None, self.log.read_text()

    def figures(self, seconds: float) -> dict[str, Any]:
        """What it printed at its end, which has to come within ``seconds``. Raises AssertionError where it failed."""
        status = self.process.wait(seconds)
        printed = self.log.read_text()
        assert status == 0, f"{self.log.name}: exit {status}: {printed}"
        figures: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return figures

    def go_first(self) -> None:
        """Before whatever else wants the processor (SCHED_FIFO): as if it were on a machine of its own."""
        os.sched_setscheduler(self.process.pid, os.SCHED_FIFO, os.sched_param(1))

    def end(self) -> dict[str, Any]:
        """Its figures, now."""
        self.process.terminate()
        return self.figures(10)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Times:
    """Microseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True)
class Heard:
    """What became of the requests of ``phones``."""

    requests: int
    answered: int
    lost: int
    acks: int
    provisional: int
    again: int
    strange: int
    unsent: int
    overflow: int
    packets: int
    longest_gap_ms: float
    round_trip: Times
    one_way: Times

    @classmethod
    def of(cls, figures: dict[str, Any]) -> Heard:
        round_trip, one_way = Times(**figures.pop("round_trip_us")), Times(**figures.pop("one_way_us"))
        return cls(round_trip=round_trip, one_way=one_way, **figures)

    @property
    def sent(self) -> int:
        """Packets that the phones sent."""
        return self.requests + self.acks

    def assert_nothing_lost(self) -> None:
        assert (self.lost, self.unsent, self.strange, self.overflow, self.again) == (0, 0, 0, 0, 0), self
        assert self.answered == self.requests > 0, self


@dataclass(frozen=True)
class Flooded:
    """What a flood sent: packets, those its device refused, how long, and packets a second."""

    sent: int
    refused: int
    seconds: float
    rate: float


@dataclass(frozen=True)
class Floods:
    """One flood, sent from several processors at once."""

    tools: tuple[Tool, ...]

    @property
    def going(self) -> bool:
        return any(tool.process.poll() is None for tool in self.tools)

    def flooded(self, seconds: float) -> Flooded:
        """All of them together, once they have ended."""
        each = [Flooded(**tool.figures(seconds)) for tool in self.tools]
        sent, longest = sum(one.sent for one in each), max(one.seconds for one in each)
        return Flooded(sent, sum(one.refused for one in each), longest, round(sent / longest))

    def kill(self) -> None:
        for tool in self.tools:
            tool.kill()


@contextlib.contextmanager
def running(space: Namespace, folder: Path, name: str, tool: str, arguments: str) -> Iterator[Tool]:
    """A tool that serves until the end; ``responder`` and ``acceptall`` say when they are ready."""
    made = Tool.start(space, folder, name, tool, arguments)
    try:
        made.wait_ready()
        yield made
    finally:
        made.kill()
