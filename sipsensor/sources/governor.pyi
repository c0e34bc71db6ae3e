"""How many packets of strangers are judged when more come than there is processor for. Compiled."""

from sipsensor.fastpath.tables import RateTable

class Governor:
    """Admits packets to judgement so that the process keeps below ``share`` (0 to 1) of a processor core.

    ``cost``: what judging a packet takes, in ns, as measured at the start; `spent` follows it. What the process does besides judging
    them (receiving, examining, shedding, the trusted, events) is taken off the share, down to a quarter of it: some strangers are
    judged whatever comes. The bucket of all holds half a second's worth.

    While more come, the loudest sources are shed first: each source has a bucket, which lets through an eighth of the rate at the first
    level, an eighth of that at each further one, and 4 packets a second at least. Levels follow demand: up where the bucket of all
    overflows, down where the next lower one would have done for a second. ``capacity``: how many sources are told apart.

    Times are ns since the epoch, those of the packets; they should not go back. Raises ValueError for a share outside 0 to 1 or a cost
    that is not positive.
    """

    share: float
    cost: float
    """ns of processor that judging a packet takes, smoothed."""
    overhead: float
    """What the process does besides judging strangers, as a share of a core, smoothed."""
    level: int
    """How strict it is with each source: 0 (not at all) to 4."""
    judged: int
    """Packets admitted."""
    shed_sources: int
    """Packets shed because their source was too loud."""
    shed_all: int
    """Packets shed because all together were too many."""
    sources: RateTable
    def __init__(self, share: float, cost: float, capacity: int = 16384) -> None: ...
    @property
    def rate(self) -> float:
        """Packets a second that may be judged at the moment."""
    def admit(self, source: int, now: int, refusable: bool = True) -> bool:
        """Whether a packet of this source (a key; 0 for none) may be judged. What is not ``refusable`` may, and counts all the same,
        up to a second full of it: others wait until it is made up for.
        """
    def spent(self, nanoseconds: int) -> None:
        """Judging a packet took so much of the processor."""
    def settle(self, now: int, processor: int) -> None:
        """End a window of time: adapt to what came. ``processor``: what the process has used of it since its start, in ns."""
