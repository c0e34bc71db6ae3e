"""What messages of the same two ends have in common. Its ``Shapes`` are of use to ``examine`` alone."""

class Shapes:
    """The messages that one ``Examiner`` has kept."""

    recalled: int
    """Messages that were spared the scan."""
    kept: int
    """Messages that were kept, each in the place of another or of none."""
