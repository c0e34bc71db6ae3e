"""What tells packets of the protected from those of the world outside, live. Compiled."""

from collections.abc import Sequence

from sipsensor.fastpath.ranges import Networks

class Border:
    """Whom the sensor protects, and behind which interfaces they are. Never changes: a change is another border.

    What came through the output hook, or was forwarded from one of the ``inside`` interfaces (numbers), is outbound; anything else is
    inbound, and forged where its source is one of the ``protected``. What the input hook took from an inside interface (the loopback of a
    PBX host) is inbound and never forged. Raises ValueError for more than 64 interfaces.
    """

    protected: Networks
    inside: tuple[int, ...]
    def __init__(self, protected: Networks, inside: Sequence[int] = ()) -> None: ...
