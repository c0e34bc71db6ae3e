"""Packet time: processes that take turns, and the datagrams that they send.

A process is a generator. What it yields is a number of seconds to sleep, or a datagram to send at this moment. Whoever takes the
packets says what became of each (``Sent.dropped``) before he asks for the next, so that a PBX never answers what it never got.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sipsensor.model import NANOSECONDS, Arrival, Packet
from tests.support.packets import LINK_RAW, address

MIDNIGHT = int(datetime(2026, 3, 10, tzinfo=UTC).timestamp()) * NANOSECONDS
"""A Tuesday."""


@dataclass(slots=True)
class Sent:
    """A datagram on its way."""

    source: str
    sport: int
    target: str
    dport: int
    payload: bytes
    inbound: bool
    who: str
    bad: bool = False
    """It carries credentials that are wrong, or is of somebody who has not been let in since: it may be dropped."""
    dropped: bool = False

    def packet(self, ts: int, number: int) -> Packet:
        """As a live source brings it."""
        size = len(self.payload)
        head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + size, number & 0xFFFF, 0, 57, 17, 0)
        ports = struct.pack(">HHHH", self.sport, self.dport, 8 + size, 0)
        data = head + _packed(self.source) + _packed(self.target) + ports + self.payload
        return Packet(ts, data, LINK_RAW, number, arrival=Arrival.INBOUND if self.inbound else Arrival.OUTBOUND)


@functools.cache
def _packed(text: str) -> bytes:
    return address(text)


Process = Generator["float | Sent", None, None]
Steps = Generator["float | Sent", None, int]
"""A part of a process; it comes to the code of the last answer, 0 when there was none."""


class Clock:
    """Gives each process its turn, in the order of time."""

    def __init__(self, start: int = MIDNIGHT) -> None:
        self.start = self.now = start
        self._due: list[tuple[int, int, Process]] = []
        self._order = itertools.count()

    @property
    def seconds(self) -> float:
        """Since midnight."""
        return (self.now - MIDNIGHT) / NANOSECONDS

    def spawn(self, process: Process, after: float = 0) -> None:
        """Begin a process so many seconds from now."""
        heapq.heappush(self._due, (self.now + int(after * NANOSECONDS), next(self._order), process))

    def run(self, seconds: float) -> Iterator[tuple[Sent, Packet]]:
        """All that is sent within so many seconds from the start."""
        until = self.start + int(seconds * NANOSECONDS)
        numbers = itertools.count(1)
        while self._due and self._due[0][0] <= until:
            due, order, process = heapq.heappop(self._due)
            self.now = max(due, self.now + 1)
            for step in process:
                if isinstance(step, Sent):
                    yield step, step.packet(self.now, next(numbers))
                    self.now += 1000
                else:
                    heapq.heappush(self._due, (self.now + int(step * NANOSECONDS), order, process))
                    break
