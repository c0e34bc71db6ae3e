"""Who is exempt: the operator's allowlist, and nobody else (DESIGN 6). Trust lifts limits, never a signature or a malformed shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.model import Direction

if TYPE_CHECKING:
    from sipsensor.fastpath.examine import Examined
    from sipsensor.fastpath.tables import Networks
    from sipsensor.model import Observation


class Trust:
    """Knows the allowlist."""

    def __init__(self, allowlist: Networks) -> None:
        self.allowlist = allowlist

    def exempts(self, observation: Observation) -> bool:
        """Whether the remote end of this message is allowlisted."""
        if not self.allowlist:
            return False
        examined: Examined = observation.examined
        inbound = observation.direction == Direction.INBOUND
        return examined.src_in(self.allowlist) if inbound else examined.dst_in(self.allowlist)
