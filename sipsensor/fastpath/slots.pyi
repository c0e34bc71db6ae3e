"""What every table is made of. Compiled."""

class SlotTable:
    """Keys in sets of eight, and a row of numbers for each. Raises ValueError for a capacity below 8 or above 2**26."""

    fill: int
    capacity: int
    evictions: int
    def __init__(self, capacity: int, *args: object, **options: object) -> None: ...
    def clear(self) -> None:
        """Forget everything."""
