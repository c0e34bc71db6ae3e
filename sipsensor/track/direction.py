"""Towards the protected hosts, or from them (DESIGN 2). It decides who is believed, so a live source's word goes before addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.model import Arrival, Direction

if TYPE_CHECKING:
    from sipsensor.fastpath import examine, ranges

_INBOUND, _OUTBOUND = int(Direction.INBOUND), int(Direction.OUTBOUND)
_UNKNOWN, _FROM_INSIDE = int(Arrival.UNKNOWN), int(Arrival.OUTBOUND)


class Directions:
    """Knows the protected networks."""

    def __init__(self, protected: ranges.Networks) -> None:
        self.protected = protected

    def of(self, examined: examine.Examined, is_request: bool) -> int:  # noqa: FBT001 - typed for C
        """The direction of one message.

        Live, the hook or interface it came through says it. On replay its addresses do; where neither or both ends are protected,
        requests are judged as inbound, and a response goes the other way than the request it answers.
        """
        arrival = examined.arrival
        if arrival != _UNKNOWN:
            return _OUTBOUND if arrival == _FROM_INSIDE else _INBOUND
        if self.protected.count:
            from_inside = examined.src_in(self.protected)
            if from_inside != examined.dst_in(self.protected):
                return _OUTBOUND if from_inside else _INBOUND
        return _INBOUND if is_request else _OUTBOUND
