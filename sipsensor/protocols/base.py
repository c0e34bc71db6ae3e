"""What every protocol offers: ``parse(examined)`` to its own view, a ``Malformed``, or None when the payload is not its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.model import WHAT_MALFORMED, AppProtocol

if TYPE_CHECKING:
    from sipsensor.fastpath import examine


class View:
    """What every protocol's view of a message has."""

    __slots__ = ("examined", "is_request", "protocol", "what")

    def __init__(self, examined: examine.Examined, protocol: int, what: int, is_request: bool) -> None:  # noqa: FBT001 - typed for C
        self.of(examined, protocol, what, is_request)

    def of(self, examined: examine.Examined, protocol: int, what: int, is_request: bool) -> None:  # noqa: FBT001
        """Be the view of that message."""
        self.examined = examined
        self.protocol = protocol
        """An ``AppProtocol``."""
        self.what = what
        """The third part of its kind."""
        self.is_request = is_request


class Malformed(View):
    """A payload that was meant as a message and is none: why, and where in the payload. A value, not an error: it is the traffic."""

    __slots__ = ("offset", "reason")

    def __init__(self, examined: examine.Examined, protocol: AppProtocol, reason: str, offset: int) -> None:
        # It asks something of its receiver, if only to fail.
        self.of(examined, protocol, WHAT_MALFORMED, True)  # noqa: FBT003
        self.reason = reason
        self.offset = offset
