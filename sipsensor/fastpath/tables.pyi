"""State that every packet touches: bounded, set-associative tables keyed by 64-bit keyed hashes. No entry is ever allocated per packet.

Each key has a place in one set of eight. When a set is full, the entry with the lowest rank goes, the longest untouched of these first.
"""

from collections.abc import Sequence
from typing import TypeAlias

def keyed_hash(seed: bytes, data: bytes) -> int:
    """SipHash-1-3 of ``data`` under 16 bytes of seed."""

class RateTable:
    """Leaky buckets: per key, one for each ``(count, seconds)`` of ``limits`` (1 to 4), one timestamp each.

    Raises ValueError for a limit outside 1..2**31 or above one a nanosecond, and for a capacity below 8. A time more than a
    bucket's depth before the last starts that bucket anew: files are read in any order.
    """

    def __init__(self, capacity: int, limits: Sequence[tuple[int, int]]) -> None: ...
    def charge(self, key: int, now: int, rank: int = 0) -> int:
        """Pour one unit into all of the key's buckets. Returns the bit set of limits it overflowed (those buckets stay full)."""
    def refund(self, key: int, now: int) -> None:
        """Take one unit back out of all of the key's buckets."""
    def level(self, key: int, now: int, limit: int = 0) -> float:
        """How many units the bucket of that limit holds."""
    def clear(self) -> None: ...
    fill: int
    capacity: int
    evictions: int

class SeenTable:
    """Counts how often a key was seen; forgets it ``seconds`` after its first sight."""

    def __init__(self, capacity: int, seconds: int) -> None: ...
    def touch(self, key: int, now: int) -> int:
        """How often the key was seen before now."""
    def seen(self, key: int, now: int) -> int:
        """How often it was seen, without seeing it."""
    def forget(self, key: int) -> None:
        """As if it had never been seen."""
    def clear(self) -> None: ...
    fill: int
    capacity: int
    evictions: int

_Entry: TypeAlias = tuple[int, int, int, tuple[int, ...]]
"""Of ``Records``: key, time until which it is held, rank, numbers."""

class Records:
    """``width`` (1 to 16) 64-bit numbers for each key, until a time that the writer sets. Raises ValueError for another width."""

    def __init__(self, capacity: int, width: int, kept: bool = False) -> None:
        """``kept``: somebody takes the ``changes``, at least now and then; they are remembered by key."""
    def get(self, key: int, now: int) -> tuple[int, ...] | None:
        """The key's numbers; None when it is not held, or its time ran out."""
    def until(self, key: int, now: int) -> int:
        """The time until which it is held; 0 when it is not."""
    def holds(self, key: int, now: int) -> bool:
        """Whether the key is held."""
    def first(self, key: int, now: int, missing: int = 0) -> int:
        """Its first number; ``missing`` when it is not held."""
    def find(self, key: int, now: int) -> int:
        """The key's place, for ``number``, until the table is next written to; -1 when it is not held."""
    def number(self, place: int, index: int) -> int:
        """One of the numbers at a place that ``find`` or ``keep`` gave; 0 for what is none."""
    def put(self, key: int, now: int, until: int, numbers: Sequence[int], rank: int = 0) -> bool:
        """Hold ``numbers`` until then, in place of what was held. False when all that its set holds outranks it."""
    def put_one(self, key: int, now: int, until: int, number: int, rank: int = 0) -> bool:
        """The same for a table of one number."""
    def draft(self, index: int, number: int) -> None:
        """One of the numbers that ``put_drafted`` writes; whoever calls that has drafted all of them."""
    def put_drafted(self, key: int, now: int, until: int, rank: int = 0) -> bool:
        """``put`` of the numbers that were drafted."""
    def ends(self, place: int) -> int:
        """The time until which such a place is held."""
    def keep(self, key: int, now: int, until: int, rank: int = 0) -> int:
        """A place for the key until then: ``fill_in`` all of its numbers at once. -1 when all that its set holds outranks it."""
    def fill_in(self, place: int, index: int, number: int) -> None:
        """Write one of the numbers at a place that ``keep`` just gave."""
    def forget(self, key: int) -> None:
        """Hold it no longer."""
    def changes(self) -> list[_Entry]:
        """What was written or forgotten since the last call; an entry that is gone has 0 for its time and no numbers. Mere renewals are
        left out until a quarter of the time that was told is gone.
        """
    def entries(self, now: int) -> list[_Entry]:
        """All that is held."""
    def distinct(self, now: int, rank: int, place: int) -> int:
        """How many different numbers stand at that place in entries of at least that rank. Walks the whole table. Raises IndexError."""
    def count(self, now: int, rank: int) -> int:
        """How many entries of at least that rank are held. Walks the whole table."""
    def clear(self) -> None: ...
    fill: int
    capacity: int
    evictions: int
