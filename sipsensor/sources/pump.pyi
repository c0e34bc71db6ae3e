"""The loop of one netfilter queue: receive, examine, judge, answer. Compiled."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.fastpath.ranges import Networks
from sipsensor.sources.governor import Governor
from sipsensor.sources.judge import Judge

def now() -> int:
    """The time that the next packet would be stamped with, in ns since the epoch: wall clock, but it never goes back."""

LATENCY_BOUNDS: tuple[int, ...]
"""Upper bounds, in ns, of the times that ``Pump.latency`` counts by."""

class Turns:
    """What two pumps of one engine share, so that the first one's packets go first."""

class Pump:
    """Serves one queue in the thread that calls `run`, and answers every packet once.

    ``fd``: a descriptor that is bound to ``queue`` with full copy range. ``judge`` says 1 to drop and 0 to accept; where examining or
    judging raises, ``failed(packet, ts, arrival, error)`` says it (and where that raises too, the packet is accepted). Both, and
    ``tick(now)``, are called with ``lock`` held. ``early``: datagrams that arrived while the queue was set up; they are served first.

    What waits in the socket is taken at once, at most 32 datagrams, and served in runs: a run is judged in the order of its packets and
    answered together. Nothing is waited for to fill one. A run has at most 8 packets, 32 where this pump goes first.

    ``protected`` and ``inside`` (at most 64 interfaces, else ValueError) say how a packet arrived, as ``border.Border`` has it.

    ``turns`` is shared with the other pump of the engine; the ``first`` of them goes first, and the other gives way after the packet at
    hand, for at most 5 ms.
    ``governor`` admits inbound packets to ``judge``, by their source; of those that it does not, ``shed`` says 1 to drop, 0 to accept and
    -1 to judge nonetheless, with ``lock`` held. Without a governor all are judged.

    ``numbers`` is a writable buffer of at least 16 unsigned 64-bit integers that the pump writes by ``live.page.LaneNumber``; those of
    packets received go on from what stands there. Raises ValueError for a smaller one.
    """

    governor: Governor | None
    packets: int
    packet_bytes: int
    """Bytes of all packets as the kernel has them, seen or not."""
    accepted: int
    dropped: int
    forged: int
    truncated: int
    """Packets of which the kernel showed only the first 65,531 bytes."""
    failures: int
    """Exceptions of ``examiner``, ``judge`` or ``tick``."""
    netlink_errors: int
    """Overruns, unreadable messages and refused verdicts."""
    latency_total: int
    """Time from receiving each packet to its answer, in ns, all packets together."""
    @property
    def latency(self) -> tuple[int, ...]:
        """How many packets took how long: at most the first of LATENCY_BOUNDS, more but at most the second …, more than the last."""

    def __init__(
        self,
        fd: int,
        queue: int,
        examiner: Examiner,
        judge: Judge | Callable[[Examined], int],
        failed: Callable[[bytes, int, int, BaseException], int],
        lock: AbstractContextManager[object],
        *,
        protected: Networks,
        inside: Sequence[int] = (),
        tick: Callable[[int], object] | None = None,
        early: Iterable[bytes] = (),
        turns: Turns | None = None,
        first: bool = False,
        numbers: memoryview[int] | array[int] | None = None,
        governor: Governor | None = None,
        shed: Callable[[Examined], int] | None = None,
    ) -> None: ...
    def set_protected(self, protected: Networks) -> None:
        """Replace the protected networks, for packets received after it; callers hold ``lock``."""
    def set_inside(self, interfaces: Sequence[int]) -> None:
        """Replace the inside interfaces, for packets received after it; callers hold ``lock``. Raises ValueError for more than 64."""
    def run(self) -> None:
        """Serve until ``stop``, and then until the queue is empty. Raises OSError when the descriptor fails."""
    def stop(self) -> None:
        """Make ``run`` return within 200 ms, once nothing is waiting. May be called from any thread and more than once."""
    def feed(self, datagram: bytes) -> None:
        """Serve one datagram as if it had been received: what was read before ``run``."""
