"""A lazy view of one frame of IAX2 over what the scan found. Nothing is parsed here: a property reads a span when it is asked."""

from __future__ import annotations

from sipsensor.fastpath import examine, frames, names
from sipsensor.model import AppProtocol
from sipsensor.protocols.base import Malformed, View
from sipsensor.protocols.iax2.words import ANSWERS, SUBCLASSES, TYPES

_IAX = TYPES.index("IAX")
_MALFORMATION_NAMES = {number: name for name, number in names.MALFORMATIONS.items()}
_USERNAME, _CALLED, _TOKEN = (names.FIELDS[f"ie.{name}"] for name in ("username", "called-number", "call-token"))
_CREDENTIALS = tuple(names.FIELDS[f"ie.{name}"] for name in ("md5-result", "rsa-result", "password"))
_MALFORMED = examine.CONTENT_FRAME_MALFORMED


class IaxFrame(View):
    """A full, mini or meta frame. Text is what Asterisk makes of the element: the last of several, up to its first zero byte."""

    __slots__ = ("frame",)

    def __init__(self, examined: examine.Examined, frame: frames.Frame) -> None:
        """What it is of a kind: see ``fastpath.iax2``."""
        self.of(examined, AppProtocol.IAX2, frame.what, frame.what not in ANSWERS)
        self.frame = frame

    def get(self, name: str) -> bytes | None:
        """The named element as sent. Raises KeyError for a name that is in no list."""
        return self.examined.raw(names.FIELDS[f"ie.{name}"])

    def number(self, name: str) -> int:
        """The named element as a number; -1 where it is absent or none. Raises KeyError for a name that is in no list."""
        return self.frame.number(names.ELEMENTS[name])

    @property
    def type_name(self) -> str:
        """Of a full frame, from the list; else empty."""
        return TYPES[self.frame.type] if self.frame.type < len(TYPES) else ""

    @property
    def subclass_name(self) -> str:
        """Of a frame of type IAX, from the list, "other" where it is not in it; empty for all other frames."""
        if self.frame.type != _IAX:
            return ""
        return SUBCLASSES[self.frame.subclass] if 0 < self.frame.subclass < len(SUBCLASSES) else "other"

    @property
    def account(self) -> bytes | None:
        """The user name."""
        return self._text(_USERNAME)

    @property
    def called(self) -> bytes | None:
        """The number that is called."""
        return self._text(_CALLED)

    @property
    def token(self) -> bytes | None:
        """The call token: empty in one that asks for it; None where there is no such element."""
        return self.examined.raw(_TOKEN)

    @property
    def has_credentials(self) -> bool:
        """Whether it carries the answer to a challenge, or a password."""
        return any(self.examined.has(field) for field in _CREDENTIALS)

    def _text(self, field: int) -> bytes | None:
        value = self.examined.raw(field)
        return value.partition(b"\0")[0] if value is not None else None


def parse(examined: examine.Examined) -> IaxFrame | Malformed | None:
    """The view, a malformed frame, or None when this is no IAX2. Never raises on input."""
    frame = frames.frame_of(examined)
    if frame is None:
        return None
    if examined.content == _MALFORMED:
        return Malformed(examined, AppProtocol.IAX2, _MALFORMATION_NAMES[examined.malformation], examined.malformed_at)
    return IaxFrame(examined, frame)
