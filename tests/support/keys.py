"""Keys of the bounded tables, chosen."""

from __future__ import annotations


def one_set(count: int) -> list[int]:
    """Keys of one set in a table of 64 entries: eight sets, chosen by the lowest bits."""
    return [(number << 3) | 5 for number in range(1, count + 1)]
