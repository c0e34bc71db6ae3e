"""One key of several. Compiled."""

def pair_key(one: int, other: int) -> int:
    """One key of two (64 bits each) that belong together, one account and one source, say; never 0."""

def fold(found: int, key: int) -> int:
    """``folded`` keys with one more."""

def folded(keys: list[int]) -> int:
    """One key of several, in their order; 0 of none."""
