"""Packets without what a password could be found from, byte for byte as long as before, so that every length in them still holds.

Goes: digests and client nonces, Basic credentials, passwords in URIs and bodies, guesses in tags, keys of media (RFC 4568). What stays:
names, realms, nonces of the PBX. Text may be split where a datagram or a stream is, so in pieces every long run of hexadecimal digits goes.
Checksums are left as they were.
"""

from __future__ import annotations

import re

from sipsensor.export.events.text import HEX, is_guess

_MASK = b"x"
_SECRETS = re.compile(
    rb"(?i)((?:^|[\s,;?&\"])(?:response|rspauth|cnonce|auts|password|passwd|pwd|secret|token)\s*[=:][\s\"']*)"
    rb"([^\"'\s,;<>&]+)"
)
_SCHEMES = re.compile(rb"(?i)((?:authorization|proxy-authorization)[ \t]*:\s*(?!digest\b)[a-z0-9_-]+[ \t]+)([^\r\n]+)")
_URI_PASSWORDS = re.compile(rb"(?i)(\bsips?:[^\s:@<>\"]{0,256}:)([^\s@<>\"]{1,256})(?=@)")
_MEDIA_KEYS = re.compile(rb"(?i)(inline:)([A-Za-z0-9+/=]+)")
_PIECE_HEX = re.compile(rb"(?i)()([0-9a-f]{16,})")


def without_credentials(packet: bytes, *, piece: bool = False) -> bytes:
    """``packet`` masked; ``piece`` for a fragment or a TCP segment, whose text may begin anywhere."""
    for pattern in (_SECRETS, _SCHEMES, _URI_PASSWORDS, _MEDIA_KEYS, *((_PIECE_HEX,) if piece else ())):
        packet = pattern.sub(_masked, packet)
    return HEX.sub(_without_guess, packet)


def is_piece(packet: bytes) -> bool:
    """Whether an IP packet is a fragment, or a segment of TCP."""
    if not packet:
        return False
    if packet[0] >> 4 == 4 and len(packet) >= 20:  # noqa: PLR2004 - the header of IPv4
        return packet[9] != 17 or int.from_bytes(packet[6:8], "big") & 0x3FFF != 0  # noqa: PLR2004 - UDP
    return len(packet) < 40 or packet[6] != 17  # noqa: PLR2004 - the header of IPv6; UDP


def _masked(match: re.Match[bytes]) -> bytes:
    return match[1] + _MASK * len(match[2])


def _without_guess(match: re.Match[bytes]) -> bytes:
    return _MASK * len(match[0]) if is_guess(match[0]) else match[0]
