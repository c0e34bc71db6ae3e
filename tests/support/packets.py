"""Packets as bytes, built by hand: link, IP and transport headers around a payload, and SIP messages to put inside.

Scapy does the same a hundred times more slowly, and repairs what a test wants to be broken.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Mapping, Sequence

from sipsensor.model import Packet

LINK_NULL, LINK_ETHERNET, LINK_RAW, LINK_LOOP, LINK_SLL, LINK_SLL2 = 0, 1, 101, 108, 113, 276
UDP, TCP = 17, 6

STRANGER, STRANGER6 = "203.0.113.9", "2001:db8:9::9"
PBX, PBX6 = "192.0.2.10", "2001:db8::10"


def address(text: str) -> bytes:
    """4 or 16 bytes."""
    return ipaddress.ip_address(text).packed


def wide(text: str) -> bytes:
    """16 bytes, IPv4 as ::ffff:a.b.c.d: how the fast path writes addresses."""
    packed = address(text)
    return packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed


def udp(payload: bytes, sport: int = 5060, dport: int = 5060, *, length: int | None = None) -> bytes:
    """A UDP header and its payload; ``length`` lies."""
    return struct.pack(">HHHH", sport, dport, 8 + len(payload) if length is None else length, 0) + payload


def tcp(  # noqa: PLR0913  (the fields of the header)
    payload: bytes,
    sport: int = 5060,
    dport: int = 5060,
    *,
    options: bytes = b"",
    sequence: int = 1,
    acknowledged: int = 1,
    flags: int = 0x18,
) -> bytes:
    """A TCP header and its payload; PSH and ACK unless told."""
    words = 5 + len(options) // 4
    return (
        struct.pack(">HHIIBBHHH", sport, dport, sequence, acknowledged, words << 4, flags, 8192, 0, 0)
        + options
        + payload
    )


def ipv4(  # noqa: PLR0913  (the fields of the header)
    body: bytes,
    src: str = STRANGER,
    dst: str = PBX,
    *,
    protocol: int = UDP,
    length: int | None = None,
    ident: int = 1,
    offset: int = 0,
    more: bool = False,
    options: bytes = b"",
) -> bytes:
    """``offset`` in bytes; ``length`` lies."""
    words = 5 + len(options) // 4
    total = words * 4 + len(body) if length is None else length
    flags = offset // 8 | (0x2000 if more else 0)
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, total & 0xFFFF, ident, flags, 64, protocol, 0)
    return head + address(src) + address(dst) + options + body


def ipv6(
    body: bytes, src: str = STRANGER6, dst: str = PBX6, *, next_header: int = UDP, length: int | None = None
) -> bytes:
    """``length`` lies; extension headers stand at the start of ``body``."""
    size = len(body) if length is None else length
    return struct.pack(">IHBB", 0x60000000, size & 0xFFFF, next_header, 64) + address(src) + address(dst) + body


def extension(next_header: int, body: bytes, *, kind: int = 60) -> bytes:
    """One IPv6 extension header of eight bytes in front of ``body``; an authentication header (51) has at least twelve."""
    return bytes((next_header, 1)) + bytes(10) + body if kind == 51 else bytes((next_header, 0)) + bytes(6) + body


def fragment6(next_header: int, body: bytes, *, offset: int = 0, more: bool = True, ident: int = 7) -> bytes:
    """An IPv6 fragment header in front of a piece; ``offset`` in bytes."""
    return struct.pack(">BBHI", next_header, 0, offset | more, ident) + body


def ethernet(packet: bytes, *, tags: Sequence[int] = ()) -> bytes:
    """An Ethernet frame; ``tags`` are the ethertypes of its VLAN tags, outermost first."""
    inner = 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800
    stack = b"".join(struct.pack(">HH", tag, 5) for tag in tags)
    return bytes(12) + stack + struct.pack(">H", inner) + packet


def sll(packet: bytes) -> bytes:
    """Linux cooked, version 1."""
    inner = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    return struct.pack(">HHH8sH", 0, 1, 6, bytes(8), inner) + packet


def sll2(packet: bytes, *, kind: int = 0, link_address: bytes = bytes(8)) -> bytes:
    """Linux cooked, version 2."""
    inner = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    return struct.pack(">HHIHBB8s", inner, 0, 1, 65534, kind, 8, link_address) + packet


def null(packet: bytes, family: int = 2, order: str = "<") -> bytes:
    """BSD loopback; the address family is in the capturing host's byte order."""
    return struct.pack(order + "I", family) + packet


def datagram(payload: bytes, src: str = STRANGER, dst: str = PBX, sport: int = 5060, dport: int = 5060) -> bytes:
    """IP and UDP around a payload, of the version that the addresses have."""
    body = udp(payload, sport, dport)
    return ipv4(body, src, dst) if "." in src else ipv6(body, src, dst)


def segment(payload: bytes, src: str = STRANGER, dst: str = PBX, sport: int = 5060, dport: int = 5060) -> bytes:
    """IP and TCP around a payload."""
    body = tcp(payload, sport, dport)
    return ipv4(body, src, dst, protocol=TCP) if "." in src else ipv6(body, src, dst, next_header=TCP)


def packet(payload: bytes, ts: int = 0, number: int = 1, src: str = STRANGER, dst: str = PBX) -> Packet:
    """A datagram as the engine takes it."""
    return Packet(ts, datagram(payload, src, dst), LINK_RAW, number)


HEADERS = (
    ("Via", "SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK776asdhds;rport"),
    ("Max-Forwards", "70"),
    ("From", '"Alice" <sip:alice@example.com>;tag=1928301774'),
    ("To", "<sip:bob@example.com>"),
    ("Call-ID", "a84b4c76e66710@203.0.113.9"),
    ("CSeq", "314159 OPTIONS"),
    ("User-Agent", "Z 5.4.12 v2.10.11.7"),
    ("Content-Length", "0"),
)


def message(  # noqa: PLR0913  (the parts of a message)
    method: str = "OPTIONS",
    uri: str = "sip:bob@example.com",
    *,
    headers: Iterable[tuple[str, str]] = HEADERS,
    change: Mapping[str, str | None] | None = None,
    extra: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    end: str = "\r\n",
) -> bytes:
    """A request that every stack reads. ``change`` replaces values by name, or leaves a header out (None)."""
    changes = {"CSeq": f"314159 {method}", "Content-Length": str(len(body)), **(change or {})}
    lines = [f"{method} {uri} SIP/2.0"]
    for name, value in (*headers, *extra):
        now = changes.get(name, value)
        if now is not None:
            lines.append(f"{name}: {now}")
    return end.join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def response(
    code: int = 200,
    phrase: str = "OK",
    *,
    change: Mapping[str, str | None] | None = None,
    extra: Iterable[tuple[str, str]] = (),
) -> bytes:
    """The answer to ``message()``."""
    changes: dict[str, str | None] = {"User-Agent": None, "Max-Forwards": None, **(change or {})}
    head = message(change=changes, extra=extra).split(b"\r\n", 1)[1]
    return f"SIP/2.0 {code} {phrase}\r\n".encode() + head
