"""The whole engine: a site with phones and attacks, whose packets are broken on their way, at times that jump."""

from __future__ import annotations

from random import Random

from sipsensor.model import DROP_REASONS, NANOSECONDS, Decision, Packet, Reason, Verdict
from tests.fuzz import mutations
from tests.soundness.attacks import mixed
from tests.soundness.drive import WORLDS
from tests.soundness.history import decided, held
from tests.soundness.worlds import Failures, engine_of

LATEST = (1 << 32) * NANOSECONDS - 1
"""What a capture file may say."""
STEPS = 200


class Conversations:
    """A new site, and another configuration, every few rounds."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.done = 0
        self._renew()

    def close(self) -> None:
        """Nothing to give back."""

    def _renew(self) -> None:
        random = self.random
        self.failures = Failures()
        self.engine = engine_of(WORLDS[random.choice(list(WORLDS))], self.failures)
        site = mixed(random.getrandbits(32), phones=20, haste=random.choice((0.2, 1, 20)))
        self.packets = site.packets()
        self.shift = 0

    def round(self) -> None:
        """Some packets, then a look at all that is held."""
        now = 0
        for _ in range(STEPS):
            sent, packet = next(self.packets)
            packet = self.broken(packet)
            decision = self.engine.process(packet)
            assert self.failures.said == []
            assert_sane(decision)
            decided(decision)
            sent.dropped = bool(decision.effect)
            now = packet.ts
            self.done += 1
        self.engine.tick(now)
        assert self.engine.counters.errors == 0
        if self.random.random() < 0.05:
            assert held(self.engine, now)
            self._renew()

    def broken(self, packet: Packet) -> Packet:
        """Most as they are, so that conversations go on; some bent, some twice as far in time."""
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


def assert_sane(decision: Decision) -> None:
    """What holds of every decision."""
    assert (decision.verdict is Verdict.DROP) == (decision.reason in DROP_REASONS), decided(decision)
    assert decision.reason is not Reason.ERROR
