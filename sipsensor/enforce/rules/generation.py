"""The generation of this namespace's nft ruleset: a number that every change of it raises, asked with one netlink message.

It makes looking after the rules cheap: no tool runs while nobody changed anything. Rules of iptables-nft count in it, those of
iptables-legacy do not. The message is NFT_MSG_GETGEN of ``linux/netfilter/nf_tables.h``, the answer's attribute NFTA_GEN_ID.
"""

from __future__ import annotations

import socket
import struct

_NETLINK_NETFILTER = 12
_NFT_MSG_NEWGEN, _NFT_MSG_GETGEN = 10 << 8 | 15, 10 << 8 | 16
_NLM_F_REQUEST = 1
_NFTA_GEN_ID = 1
_SECONDS = 1.0
_REQUEST = struct.Struct(
    "=IHHIIBBH"
)  # nlmsghdr: length, type, flags, sequence, port; nfgenmsg: family, version, resource
_ATTRIBUTE = struct.Struct("=HH")  # length with this header, type


def generation() -> int | None:
    """The ruleset's generation, or None when the kernel does not say."""
    request = _REQUEST.pack(_REQUEST.size, _NFT_MSG_GETGEN, _NLM_F_REQUEST, 1, 0, 0, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as kernel:
            kernel.settimeout(_SECONDS)
            kernel.sendto(request, (0, 0))
            return parse(kernel.recv(4096))
    except OSError:
        return None


def parse(answer: bytes) -> int | None:
    """The number in a NFT_MSG_NEWGEN message, or None when it is none."""
    if len(answer) < _REQUEST.size:
        return None
    length, kind = _REQUEST.unpack_from(answer)[:2]
    position, end = _REQUEST.size, min(length, len(answer))
    while kind == _NFT_MSG_NEWGEN and position + _ATTRIBUTE.size <= end:
        size, name = _ATTRIBUTE.unpack_from(answer, position)
        value = answer[position + _ATTRIBUTE.size : position + size]
        if name == _NFTA_GEN_ID and len(value) == 4:  # noqa: PLR2004 - a 32-bit number in network order
            return int.from_bytes(value, "big")
        position += max(size + 3 & ~3, _ATTRIBUTE.size)
    return None
