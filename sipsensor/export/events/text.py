r"""What came off the wire as text that is safe to show: printable, bounded, and without a guessed password.

A control character, a bidirectional override or a byte that is no UTF-8 becomes ``\x1b``, ``\u202e``, ``\xff``: a
terminal, a browser and a log reader then show what was sent instead of obeying it.
"""

from __future__ import annotations

import re
import unicodedata
from binascii import Error as HexError
from binascii import unhexlify

TEXT_MAX = 1024
"""Characters of one value that are shown; a cut is marked with three dots."""

REDACTED = "(redacted)"

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN = re.compile(r"[ -~]*")
HEX = re.compile(rb"(?i)(?<![0-9a-f])[0-9a-f]{6,}(?![0-9a-f])")
"""A run of hexadecimal digits."""
_GUESS = re.compile(rb".*:.*\x01[0-9]{1,10}", re.DOTALL)
_URI_PASSWORD = re.compile(rb"(?i)(\bsips?:[^\s:@<>\"]{0,256}:)([^\s@<>\"]{1,256})(@)")
_KEPT_PARAMETERS = frozenset({b"username", b"realm", b"nonce", b"uri", b"algorithm", b"qop", b"nc", b"opaque"})
_PARAMETER = re.compile(rb"([A-Za-z-]+)[ \t]*=[ \t]*(\"(?:[^\"\\]|\\.)*\"|[^\s,\"]*)")


def shown(value: bytes | str) -> str:
    """``value`` as printable text of at most ``TEXT_MAX`` characters."""
    text = value if isinstance(value, str) else value[: 4 * TEXT_MAX].decode("utf-8", "backslashreplace")
    if not _PLAIN.fullmatch(text):
        text = "".join(map(_printable, text[:TEXT_MAX])) + text[TEXT_MAX:]
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 3] + "..."


def _printable(character: str) -> str:
    if character == " " or unicodedata.category(character) not in _HIDDEN:
        return character
    number = ord(character)
    if number < 0x100:  # noqa: PLR2004
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"  # noqa: PLR2004


def without_secrets(value: bytes) -> bytes:
    """``value`` without what a guesser wrote as a password: the user:guess of a SIPVicious tag (threats.md A7) and
    passwords in URIs.
    """
    if b":" in value:
        value = _URI_PASSWORD.sub(rb"\1" + REDACTED.encode() + rb"\3", value)
    return HEX.sub(_without_guess, value)


def is_guess(text: bytes) -> bool:
    """Whether hexadecimal digits hold user:guess, as a SIPVicious tag does."""
    try:
        return _GUESS.fullmatch(unhexlify(text)) is not None
    except HexError:
        return False


def _without_guess(match: re.Match[bytes]) -> bytes:
    return REDACTED.encode() if is_guess(match[0]) else match[0]


def credentials(value: bytes) -> bytes:
    """The value of an Authorization header without what a password could be found from: response, cnonce, and all
    that is unknown.

    Basic credentials are a password in clear: nothing but the scheme is left.
    """
    scheme, _, rest = value.strip().partition(b" ")
    if scheme.lower() != b"digest":
        return scheme + b" " + REDACTED.encode()
    parts = [
        name + b"=" + (text if name.lower() in _KEPT_PARAMETERS else b'"' + REDACTED.encode() + b'"')
        for name, text in _PARAMETER.findall(rest)
    ]
    return scheme + b" " + b", ".join(parts)
