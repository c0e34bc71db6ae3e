"""Packets that are broken on their way, and times that jump as far as a capture file may say."""

from __future__ import annotations

from random import Random

from sipsensor.model import NANOSECONDS, Packet
from tests.fuzz import mutations

LATEST = (1 << 32) * NANOSECONDS - 1
"""What a capture file may say."""


class Bent:
    """Most as they are, so that conversations go on; some bent, some twice as far in time."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.shift = 0

    def packet(self, packet: Packet) -> Packet:
        """As it arrives."""
        random = self.random
        if random.random() < 0.002:
            self.shift = random.choice((0, 0, -packet.ts, LATEST - packet.ts, random.randrange(-(10**15), 10**15)))
        ts = min(max(packet.ts + self.shift, 0), LATEST)
        data, link = packet.data, packet.link
        if random.random() < 0.25:
            what = random.random()
            if what < 0.4:
                head = 28
                data = data[:head] + mutations.mutate_message(random, data[head:], [data[head:]])
            elif what < 0.8:
                link, data = mutations.mutate_frame(random, (link, data))
            else:
                data = data[: random.randrange(len(data) + 1)]
        wire = packet.wire_length if random.random() < 0.99 else random.randrange(70_000)
        return Packet(ts, data, link, packet.number, wire, packet.arrival)
