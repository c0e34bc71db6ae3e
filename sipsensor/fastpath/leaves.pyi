"""The leaves of signatures that no automaton decides, for C; Python sees only how they are flattened."""

from collections.abc import Sequence
from typing import Any

def flatten_leaves(leaves: Sequence[tuple[Any, ...]]) -> tuple[list[int], list[int]]:
    """(five numbers per leaf, the header numbers of all order leaves). Raises ValueError for an unknown kind or field."""
