"""A message of whatever protocol it is of: what the engine asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import examine
from sipsensor.protocols.iax2 import parse as parse_iax2
from sipsensor.protocols.sip import parse as parse_sip

if TYPE_CHECKING:
    from sipsensor.protocols.base import View

_FRAME, _MEDIA, _BROKEN = examine.CONTENT_FRAME, examine.CONTENT_MEDIA_FRAME, examine.CONTENT_FRAME_MALFORMED


def parse(examined: examine.Examined) -> View | None:
    """The view of its protocol, a ``Malformed``, or None when this is nobody's. Never raises on input."""
    content = examined.content
    if content in (_FRAME, _MEDIA, _BROKEN):
        return parse_iax2(examined)
    return parse_sip(examined)
