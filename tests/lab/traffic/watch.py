"""What a test looks at while traffic flows: the sensor's samples and processes, processor time, connection tracking; and where figures go."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sipsensor.live.keeper import Keeper
from tests.conftest import REPOSITORY
from tests.lab.network import Namespace, wait_for
from tests.lab.sensor import Running, scrape

FIGURES = REPOSITORY / "build" / "figures"
TICKS = os.sysconf("SC_CLK_TCK")
_SOFTIRQ = 7


class Samples(dict[str, float]):
    """The samples of one scrape, by name and labels."""

    def total(self, name: str) -> float:
        """All label sets of a metric together."""
        return sum(value for sample, value in self.items() if sample.partition("{")[0] == name)

    def since(self, before: Mapping[str, float]) -> Samples:
        """What was added, without what stayed."""
        return Samples({name: value - before.get(name, 0) for name, value in self.items() if value != before.get(name)})


def samples(running: Running) -> Samples:
    """Every sample that the sensor shows now."""
    lines = scrape(running.space).splitlines()
    pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return Samples({name: float(value) for name, _, value in pairs})


def wait_counted(running: Running) -> None:
    """Until the rules' counters on the page of metrics are newer than this.

    The keeper reads them with every so many looks; one that began before the last packet does not show it.
    """
    enough = samples(running).total("sipsensor_rules_looks_total") + Keeper.COUNT + 1
    wait_for(lambda: samples(running).total("sipsensor_rules_looks_total") > enough, 60, "the counters to be read")


def family(process: int) -> dict[int, str]:
    """A process and all that descend from it, with their names."""
    found = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found[process] = Path(f"/proc/{process}/comm").read_text().strip()
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                found |= family(int(child))
    return found


def child(running: Running, name: str) -> int:
    """The process of that name below the sensor's first one."""
    found = [process for process, comm in family(running.process.pid).items() if comm == name]
    assert len(found) == 1, family(running.process.pid)
    return found[0]


def memory(process: int) -> int:
    """KiB that a process and its descendants hold; what they share is counted once."""
    total = 0
    for number in family(process):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{number}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(found[1]) if found else 0
    return total


def processor_seconds(process: int) -> float:
    """Processor time of a process and its descendants that live."""
    total = 0
    for number in family(process):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            total += int(words[11]) + int(words[12])
    return total / TICKS


def softirq_seconds() -> float:
    """Processor time that the whole machine spent on the network's and other soft interrupts."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[_SOFTIRQ]) / TICKS


@dataclass(frozen=True)
class Connections:
    """How full a namespace's table of connections is."""

    count: int
    most: int

    @classmethod
    def of(cls, space: Namespace) -> Connections:
        count, most = space.run(
            "cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max"
        ).split()
        return cls(int(count), int(most))


def publish(name: str, figures: Mapping[str, object]) -> None:
    """Show figures in the test's output, and keep them in build/figures."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=1, default=vars)
    (FIGURES / f"{name}.json").write_text(text + "\n")
    print(f"{name}: {json.dumps(figures, default=vars)}")  # noqa: T201
