"""Where live readers are compared: each on a network of its own, all of them on one processor, packets in bursts of 64, one at a time in turn.

The processor is shared by whoever sends, answers and reads, and those who send and answer are not interrupted in a burst: so each reader finds
the same number of packets waiting, and what one costs does not depend on how fast the others are. What it costs is read off the scheduler: the
time of all threads of all its processes, by the number of packets that the kernel gave it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.network import wait_for
from tests.lab.traffic.field import FORGED, PBX, STRANGERS, Field, Load
from tests.lab.traffic.tools import Heard, Tool, running
from tests.lab.traffic.watch import family

BURST = 64
WAIT_MS = 1
"""For which the PBX gathers a burst before it answers."""
PHONES = int(os.environ.get("SIPSENSOR_BENCH_PHONES", "1000"))
"""So many that none comes near a limit: a round has a few registrations of each."""
CPU = max(os.sched_getaffinity(0))
PINNED = f"taskset -c {CPU} "
LOCAL = 5064
_WAITING, _GIVEN = 2, 7
"""Columns of /proc/net/netfilter/nfnetlink_queue."""


def spent(process: int) -> float:
    """Seconds of processor time of all threads of a process that live."""
    total = 0
    for task in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += int(task.read_text().split()[0])
    return total / 1e9


@dataclass(frozen=True)
class Cost:
    """What a round cost: packets, processor time of the process that serves the queue, and of those beside it."""

    packets: int
    seconds: float
    beside: float

    @property
    def each(self) -> float:
        """Microseconds of a packet."""
        return self.seconds / self.packets * 1e6


@dataclass(frozen=True)
class Now:
    """What was counted so far."""

    packets: tuple[int, ...]
    """Of each queue."""
    waiting: int
    seconds: float
    beside: float


@dataclass(frozen=True)
class Reader:
    """Somebody who reads queues, on a network of his own. ``process`` is the one that serves them; with it ends ``first``, its ancestor."""

    name: str
    ground: Field
    first: int
    process: int
    queues: tuple[int, ...]

    def registered(self, exchanges: int, mix: str = "again") -> Cost:
        """Phones register again, each with the nonce it has ("register": they get it first); the PBX accepts. Both directions pass the reader.

        Nothing may be lost.
        """
        before = self.now()
        heard = self._phones(exchanges, mix)
        heard.assert_nothing_lost()
        made = self._since(before)
        assert made.packets == heard.packets, (made, heard)
        return made

    def flooded(self, packets: int, rate: float, sources: int) -> Cost:
        """REGISTERs of strangers, each a transaction of its own; what is accepted ends behind the queue."""
        before = self.now()
        first = sum(before.packets)
        arguments = (
            f"--device lan0 --mac {self._mac()} --to {PBX[4]} --from {FORGED[4]} --sources {sources} --kind register "
            f"--rate {rate:.0f} --seconds 600 --cpu {CPU} --local 5060 --bursts --packets {packets} --first {first}"
        )
        tool = Tool.start(self.ground.network.outside, self.ground.folder, f"flood-{self.name}", "flood", arguments)
        try:
            tool.figures(120)
        finally:
            tool.kill()
        made = self._since(before)
        # What a busy machine loses in front of the queue costs the reader nothing, and is not counted.
        assert made.packets > packets / 2, f"{self.name}: {made.packets} of {packets} packets got into the queue"
        return made

    def now(self) -> Now:
        """What the kernel gave to the queues, what waits there, and processor time."""
        listed = self.ground.network.gateway.run("cat /proc/net/netfilter/nfnetlink_queue").splitlines()
        found = {int(words[0]): words for words in map(str.split, listed)}
        queues = [found[queue] for queue in self.queues]
        beside = sum(spent(other) for other in family(self.first) if other != self.process)
        waiting = sum(int(words[_WAITING]) for words in queues)
        return Now(tuple(int(words[_GIVEN]) for words in queues), waiting, spent(self.process), beside)

    def _since(self, before: Now) -> Cost:
        wait_for(lambda: self.now().waiting == 0, 30, f"{self.name}: the queue to be empty")
        time.sleep(0.2)
        after = self.now()
        return Cost(
            sum(after.packets) - sum(before.packets), after.seconds - before.seconds, after.beside - before.beside
        )

    def _phones(self, exchanges: int, mix: str) -> Heard:
        arguments = (
            f"--from {STRANGERS[4]} --to {PBX[4]} --rate 1000000 --seconds {exchanges / 1e6} --mix {mix} --phones {PHONES} "
            f"--local {LOCAL} --burst {BURST} --cpu {CPU}"
        )
        tool = Tool.start(self.ground.network.outside, self.ground.folder, f"phones-{self.name}", "phones", arguments)
        try:
            return Heard.of(tool.figures(150))
        finally:
            tool.kill()

    def _mac(self) -> str:
        shown = json.loads(self.ground.network.gateway.run("ip -json link show dev outer"))
        return str(shown[0]["address"])


@contextlib.contextmanager
def answering(ground: Field) -> Iterator[None]:
    """A PBX that answers in bursts, with a nonce for each phone; what strangers forge ends in front of it."""
    gateway = ground.network.gateway
    gateway.run("nft add table inet behind")
    gateway.run("nft 'add chain inet behind forward { type filter hook forward priority -140; }'")
    gateway.run("nft add rule inet behind forward ip saddr 10.80.0.0/12 drop")
    arguments = f"{PBX[4]} 5060 {WAIT_MS} {CPU}"
    with running(ground.network.pbx, ground.folder, "responder", "responder", arguments):
        # So that no burst has to wait until the addresses on the links are found out.
        assert ground.heard(STRANGERS, Load(rate=1, seconds=1, phones=1)).answered
        yield
