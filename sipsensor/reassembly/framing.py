"""Where one message of a stream ends and the next begins (RFC 3261 7.5, 18.3; line ends between messages: RFC 5626 3.5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sipsensor.fastpath import examine, names

if TYPE_CHECKING:
    from typing import TypeAlias

    Examined: TypeAlias = examine.Examined

MESSAGE_MAX = 131_072
"""Bytes of one message of a stream: lawful ones of a little more than 64 KiB were seen in a capture."""
PIPELINED_MAX = 256
"""Messages in one TCP segment, which offloading may have made 64 KiB long: more are shorter than any that a stack answers."""
_MESSAGES = frozenset((examine.CONTENT_REQUEST, examine.CONTENT_RESPONSE))
_BETWEEN = frozenset((examine.CONTENT_NONE, examine.CONTENT_KEEPALIVE, examine.CONTENT_STUN))
_PRINTED = range(0x21, 0x7F)
_BLANK = b"\r\n\t \0"
_HEAD_ENDS = (b"\n\r\n", b"\n\n")
_READ_DIFFERENTLY = sum(
    1 << names.ANOMALIES[name]
    for name in ("content-length-unreadable", "content-length-differs", "content-length-empty", "ambiguous-line-ends")
)


class Cut(NamedTuple):
    """The messages of one stretch of a stream."""

    whole: list[Examined]
    rest: bytes = b""
    """What there is of the message that is not whole."""
    need: int = 0
    """How long that is when it is whole; 0 while its head has not ended."""
    partial: Examined | None = None
    """The same, where it has a start line and a header line: what it says so far."""
    clear: bool = True
    """False: stacks read it differently."""
    foreign: bool = False
    """It is no SIP: TLS, HTTP."""


def starts(examined: Examined) -> bool:
    """Whether it begins with the start line and a header line of a message."""
    return examined.content in _MESSAGES


def apart(examined: Examined, most: int) -> list[Examined] | None:
    """The message and those behind it in the same bytes; None where there are more than ``most``."""
    messages = [examined]
    following = examined.following() if examined.has_following else None
    while following is not None:
        if len(messages) == most:
            return None
        messages.append(following)
        following = following.following()
    return messages


def cut(pieces: list[Examined]) -> Cut:
    """What of these messages is whole. They come out of one stretch of bytes, which begins where a message may begin."""
    for piece in pieces[:-1]:
        if piece.anomalies & _READ_DIFFERENTLY or not _ends_clearly(piece):
            return Cut(pieces, clear=False)
    last = pieces[-1]
    if last.content in _BETWEEN:
        return Cut(pieces)
    if last.content not in _MESSAGES:
        return _begun(pieces[:-1], last.payload.lstrip(_BLANK))
    if last.anomalies & _READ_DIFFERENTLY:
        return Cut(pieces, clear=False)
    payload, length = last.payload, last.content_length
    if not _ends_clearly(last):
        clear = last.body_start >= len(payload) <= MESSAGE_MAX
        return Cut(pieces[:-1], payload, 0, last, clear)
    end = last.body_start + max(length, 0)
    if end > len(payload):
        return Cut(pieces[:-1], payload, end, last, clear=end <= MESSAGE_MAX)
    rest = payload[end:].lstrip(_BLANK) if end < len(payload) else b""
    return _begun(pieces, rest, unsaid=length < 0) if rest else Cut(pieces)


def _ends_clearly(piece: Examined) -> bool:
    """Whether the head ends with an empty line as every stack reads it."""
    return piece.payload[: piece.body_start].endswith(_HEAD_ENDS)


def _begun(whole: list[Examined], rest: bytes, *, unsaid: bool = False) -> Cut:
    """Behind the last whole message stands the beginning of a start line, or something else.

    Where the last one names no Content-Length (``unsaid``), some stacks read its body to the end and some close the connection.
    """
    line, ended, _ = rest.partition(b"\n")
    if not ended:
        line = b""
    if rest[0] not in _PRINTED or b" HTTP/1." in line:
        return Cut(whole, rest, foreign=True)
    sip = b"SIP/2.0" in line.upper() if ended else True
    clear = sip and not unsaid and len(rest) <= MESSAGE_MAX and not any(end in rest for end in _HEAD_ENDS)
    return Cut(whole, rest, clear=clear)


def worth_examining(tail: bytes, data: bytes, need: int) -> bool:
    """Whether ``data`` completes a message, or at least its head."""
    if need:
        return len(tail) + len(data) >= need
    seam = tail[-2:] + data
    return any(end in seam for end in _HEAD_ENDS)
