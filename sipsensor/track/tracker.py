"""Message in, observation out: direction, kind, standing, transaction, account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.model import Direction, Observation, Standing, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.fastpath import examine
    from sipsensor.model import Table
    from sipsensor.protocols.base import Malformed
    from sipsensor.protocols.sip import SipMessage
    from sipsensor.track.direction import Directions
    from sipsensor.track.transactions import Transactions

_INBOUND = Direction.INBOUND
_STRANGER = int(Standing.STRANGER)


class Tracker:
    """Facts about messages in their exchange. Standing stays ``STRANGER`` until proof is tracked; outcomes stay pending."""

    def __init__(self, directions: Directions, transactions: Transactions) -> None:
        self.directions = directions
        self.transactions = transactions

    def track(self, message: SipMessage | Malformed, examined: examine.Examined) -> Observation:
        """What is known of this message."""
        request = message.is_request
        direction = self.directions.of(examined, is_request=request)
        kind = kind_of(message.protocol, direction, _STRANGER, message.what)
        observation = Observation(message, examined, message.protocol, direction, kind, _STRANGER)
        if request and direction == _INBOUND:
            observation.repeats = self.transactions.repeats(examined)
        return observation

    def tables(self) -> Sequence[Table]:
        """How full its tables are."""
        return self.transactions.tables()

    def tick(self, now: int) -> None:
        """Nothing here needs freeing: the tables are bounded and age by themselves."""
