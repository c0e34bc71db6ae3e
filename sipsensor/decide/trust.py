"""Who is exempt because the operator says so (DESIGN 6): his allowlist from everything, his trunks and emergency calls from limits and
cuts.

Trust lifts limits, never a signature or a malformed shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import names, ranges
from sipsensor.model import Direction
from sipsensor.track.challenges import Proof

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sipsensor.fastpath import examine
    from sipsensor.model import Observation

_INVITE = names.METHODS.index(b"INVITE")
_INBOUND, _OWN = int(Direction.INBOUND), int(Proof.OWN)


class Trust:
    """Knows the allowlist, the trunks and the emergency numbers. Trunks and the operator's orders may change between packets."""

    def __init__(self, allowlist: ranges.Networks, trunks: Iterable[str] = (), emergency: Iterable[str] = ()) -> None:
        self.allowlist = allowlist
        self.emergency = frozenset(number.encode() for number in emergency)
        self.trunks = ranges.Networks(list(trunks))
        """Providers: networks and addresses of the configuration, and what its names stand for at the moment."""
        self.orders: dict[str, int] = {}
        """Networks that the operator trusts by order, and until when."""
        self._ordered = ranges.Networks()

    def exempts(self, observation: Observation) -> bool:
        """Whether the remote end of this message is allowlisted."""
        return self.allowlist.count > 0 and self.exempts_packet(observation.examined, observation.direction)

    def exempts_packet(self, examined: examine.Examined, direction: int) -> bool:
        """The same of a packet that is no message, or not a whole one."""
        return examined.src_in(self.allowlist) if direction == _INBOUND else examined.dst_in(self.allowlist)

    def spares(self, observation: Observation) -> bool:
        """Whether limits and cuts are not for this request: it comes from a trunk, from whom the operator trusts, or it is an
        emergency call.

        Neither is a way to guess. A trunk's credentials are spared on a nonce of its own, because all else anybody could have sent in its
        name; those of an emergency call where the account is trusted at this very ``address . port``. Any other emergency call with
        credentials has the budgets of all, and one without them goes through.
        """
        own = observation.proof == _OWN and not observation.also
        examined: examine.Examined = observation.examined
        if (self.trunks.count and examined.src_in(self.trunks)) or (
            self.orders and self._ordered.contains(observation.end.text[0])
        ):
            return own or not observation.has_credentials
        if observation.what != _INVITE or not self.emergency:
            return False
        if observation.has_credentials and not (own and observation.trusted_here):
            return False
        return observation.message.called in self.emergency

    def trust(self, network: str, until: int) -> None:
        """The operator trusts a network until then. Raises ValueError for text that is none."""
        self._ordered = ranges.Networks([*self.orders, network])
        self.orders[network] = until

    def withdraw(self, network: str) -> bool:
        """He does no longer. False when he did not."""
        found = self.orders.pop(network, None) is not None
        self._ordered = ranges.Networks(list(self.orders))
        return found

    def tick(self, now: int) -> None:
        """Orders that ran out go."""
        for network in [network for network, until in self.orders.items() if until <= now]:
            self.withdraw(network)
