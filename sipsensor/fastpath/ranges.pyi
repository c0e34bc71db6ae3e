"""Sets of IP networks, asked with every packet."""

from collections.abc import Sequence

class Networks:
    """A set of IP networks; look-up by binary search over merged ranges. Raises ValueError for text that is no network or address."""

    texts: tuple[str, ...]
    """The merged networks as text."""
    count: int
    """How many they are."""
    def __init__(self, networks: Sequence[str] = ()) -> None: ...
    def contains(self, address: bytes) -> bool:
        """``address`` is 16 bytes, IPv4 as ::ffff:a.b.c.d."""
    def __len__(self) -> int: ...
