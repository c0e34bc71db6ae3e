"""The whole engine: a site with phones and attacks, whose packets are broken on their way, at times that jump."""

from __future__ import annotations

from random import Random

from sipsensor.model import DROP_REASONS, Decision, Reason, Verdict
from tests.soundness.attacks import mixed
from tests.soundness.bent import Bent
from tests.soundness.drive import WORLDS
from tests.soundness.history import decided, held
from tests.soundness.worlds import Failures, engine_of

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
        self.bent = Bent(random)

    def round(self) -> None:
        """Some packets, then a look at all that is held."""
        now = 0
        for _ in range(STEPS):
            sent, packet = next(self.packets)
            packet = self.bent.packet(packet)
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


def assert_sane(decision: Decision) -> None:
    """What holds of every decision."""
    assert (decision.verdict is Verdict.DROP) == (decision.reason in DROP_REASONS), decided(decision)
    assert decision.reason is not Reason.ERROR
