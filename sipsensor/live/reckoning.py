"""What passed uninspected, by subtraction: the kernel counts nowhere what fail-open and bypass let through.

Each packet that meets a queue rule is counted by it and then received by the pump, dropped by the kernel (the queue or its socket full),
still waiting, answered unjudged because the sensor hung, or passed unseen. All but the last are known. The numbers are read one after
another while packets come, in an order that makes a sum say too little, never too much. What a sensor that was killed had not received
is lost with it, and counted: nobody can tell it from what passed.
"""

from __future__ import annotations

from typing import NamedTuple


class Sums(NamedTuple):
    """One lane's numbers, each growing since some start of its own."""

    ruled_udp: int
    """Packets that met the lane's queue rules."""
    ruled_other: int
    received_udp: int
    received_other: int
    lost: int
    """Packets that the kernel dropped because queue or socket were full."""
    waiting: int
    """Packets in the kernel's queue now."""
    drained_dropped: int
    """Packets never received that were dropped unjudged."""
    stuck_accepted: int
    """Packets received, never judged, and accepted."""


class Reckoning:
    """One lane's count of what passed uninspected, going on from ``uninspected``. It never goes back."""

    def __init__(self, uninspected: int = 0) -> None:
        self.uninspected = uninspected
        self._start: Sums | None = None
        self._before = 0

    def restart(self, sums: Sums) -> None:
        """The rules' counters begin anew with ``sums``; what waits now met the old ones."""
        self._before = self.uninspected
        self._start = sums._replace(received_udp=sums.received_udp + sums.waiting)

    def add(self, sums: Sums) -> int:
        """The count with these numbers."""
        if self._start is None:
            self.restart(sums)
        start = self._start
        assert start is not None  # noqa: S101 - restart has set it
        since = [now - then for now, then in zip(sums, start, strict=True)]
        ruled_udp, ruled_other, received_udp, received_other, lost, _, drained_dropped, stuck_accepted = since
        # One large TCP packet of a rule may be several of the queue's: less than nothing of one kind is not taken from the other.
        unseen = max(0, ruled_udp - received_udp) + max(0, ruled_other - received_other)
        passed = unseen - lost - sums.waiting - drained_dropped + stuck_accepted
        self.uninspected = max(self.uninspected, self._before + passed)
        return self.uninspected
