"""Whether the PBX answers at all. A PBX that stalls refuses nobody; a capture that shows one way only never tells an outcome."""

from __future__ import annotations

from sipsensor.model import NANOSECONDS

STALLED = 2 * NANOSECONDS
"""Longer than a PBX that works leaves somebody it knows without any answer: four retransmissions, RFC 3261 17.1.1.2."""
BLIND = 30 * NANOSECONDS
BLIND_REQUESTS = 100
_STALLED, _BLIND, _BLIND_REQUESTS = STALLED, BLIND, BLIND_REQUESTS


class Replies:
    """When the PBX was last asked and did not answer."""

    def __init__(self) -> None:
        self.waits = 0
        """Since when somebody whom the PBX knows waits for any answer; 0 while nobody does."""
        self.seen = False
        self.requests = 0
        self.first = 0

    def asked(self, now: int, relieved: bool) -> None:  # noqa: FBT001 - typed for C
        """A request of somebody outside. Only those whom the PBX knows tell that it stalls: what it ignores of strangers tells nothing."""
        if relieved and not self.waits:
            self.waits = now
        if not self.seen:
            self.requests += 1
            self.first = self.first or now

    def dropped(self, now: int) -> None:
        """That request does not reach the PBX."""
        if self.waits == now:
            self.waits = 0

    def answered(self) -> None:
        """The PBX sent an answer to somebody."""
        self.waits = 0
        self.seen = True

    def stalled(self, now: int) -> bool:
        """It leaves those whom it knows without an answer."""
        return self.waits != 0 and now - self.waits > _STALLED

    def blind(self, now: int) -> bool:
        """Its answers do not come by here: none was ever seen, to many requests, for a while."""
        return not self.seen and self.requests >= _BLIND_REQUESTS and now - self.first > _BLIND
