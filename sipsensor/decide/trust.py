"""Who is exempt: the operator's allowlist, and nobody else (DESIGN 6). Trust lifts limits, never a signature or a malformed shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.model import Direction

if TYPE_CHECKING:
    from sipsensor.fastpath import examine, tables
    from sipsensor.model import Observation


class Trust:
    """Knows the allowlist."""

    def __init__(self, allowlist: tables.Networks) -> None:
        self.allowlist = allowlist

    def exempts(self, observation: Observation) -> bool:
        """Whether the remote end of this message is allowlisted."""
        return bool(self.allowlist) and self.exempts_packet(observation.examined, observation.direction)

    def exempts_packet(self, examined: examine.Examined, direction: int) -> bool:
        """The same of a packet that is no message, or not a whole one."""
        inbound = direction == Direction.INBOUND
        return examined.src_in(self.allowlist) if inbound else examined.dst_in(self.allowlist)
