"""All that a table holds. Compiled."""

from sipsensor.fastpath.tables import RateTable, Records, SeenTable

def contents(table: RateTable | Records | SeenTable, now: int) -> list[tuple[int, int, tuple[int, ...]]]:
    """Each entry that has not run out: its key, its rank, its numbers. Set by set, and in a set the longest untouched first.

    Numbers: of ``Records`` the time until which it is held, then what was put; of ``RateTable`` for each limit the ns until its bucket is
    empty; of ``SeenTable`` the time of the first sight, and how often. Reading touches nothing.
    """
