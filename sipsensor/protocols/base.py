"""What every protocol offers: ``parse(examined)`` to its own view, a ``Malformed``, or None when the payload is not its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.model import WHAT_MALFORMED, AppProtocol

if TYPE_CHECKING:
    from sipsensor.fastpath import examine


class Malformed:
    """A payload that was meant as a message and is none: why, and where in the payload. A value, not an error: it is the traffic."""

    __slots__ = ("examined", "offset", "protocol", "reason")

    what = WHAT_MALFORMED
    is_request = True  # it asks something of its receiver, if only to fail

    def __init__(self, examined: examine.Examined, protocol: AppProtocol, reason: str, offset: int) -> None:
        self.examined = examined
        self.protocol = protocol
        self.reason = reason
        self.offset = offset
