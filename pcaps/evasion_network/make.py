"""A scanner's OPTIONS in odd packets that hosts still take: options, extension headers, small and overlapping fragments, padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN
from scapy.packet import Raw

from pcaps.scanner import request
from pcaps.synthetic import ATTACKER, ATTACKER6, PBX, PBX6, START, Frame, datagram, ethernet, seconds, write

_HEADER, _HEADER6 = 20, 40


def udp(name: str) -> bytes:
    """The UDP datagram alone, IPv4's checksum in it."""
    return bytes(datagram(ATTACKER, PBX, request(name)))[_HEADER:]


def udp6(name: str) -> bytes:
    """The same for IPv6."""
    return bytes(datagram(ATTACKER6, PBX6, request(name, source=ATTACKER6, target=PBX6)))[_HEADER6:]


def ipv4(body: bytes, **fields: Any) -> bytes:
    """An IPv4 packet."""
    head = {"src": ATTACKER.address, "dst": PBX.address, "proto": 17, "ttl": 57, **fields}
    return ethernet(IP(**head) / Raw(body))


def ipv6(*headers: Any) -> bytes:
    """An IPv6 packet."""
    packet = IPv6(src=ATTACKER6.address, dst=PBX6.address, hlim=57)
    for header in headers:
        packet /= header
    return ethernet(packet)


def piece(body: bytes, start: int, end: int, ident: int) -> bytes:
    """One IPv4 fragment."""
    return ipv4(body[start:end], id=ident, frag=start // 8, flags=int(end < len(body)))


def whole() -> Iterator[bytes]:
    """Packets that are no fragments."""
    body = udp("12 bytes of options")
    plain = ipv4(b"\1" * 12 + body, ihl=8)
    yield plain
    yield ipv4(udp("padding of the link layer")) + bytes(40)
    no_checksum = bytearray(udp("no checksum"))
    no_checksum[6:8] = b"\0\0"
    yield ipv4(bytes(no_checksum))
    pad = {"options": [PadN(optdata=bytes(4))]}
    yield ipv6(IPv6ExtHdrHopByHop(nh=17, **pad), Raw(udp6("hop-by-hop options")))
    yield ipv6(
        *(IPv6ExtHdrDestOpt(nh=60, **pad) for _ in range(9)), IPv6ExtHdrDestOpt(nh=17, **pad), Raw(udp6("ten headers"))
    )
    yield ipv6(IPv6ExtHdrRouting(nh=17, segleft=0, addresses=["2001:db8::1"]), Raw(udp6("routing header")))
    yield ipv6(IPv6ExtHdrFragment(nh=17, id=1), Raw(udp6("atomic fragment")))


def pieces() -> Iterator[bytes]:
    """Fragments; the last of each group makes it whole."""
    body = udp("first piece of 8 bytes")
    yield from (piece(body, 0, 8, 1), piece(body, 8, len(body), 1))
    body = udp("pieces that overlap and agree")
    yield from (piece(body, 0, 240, 2), piece(body, 160, len(body), 2))
    # Hosts differ in which of two different bytes they keep.
    body = udp("pieces that overlap and differ")
    mark = body.index(b"friendly-scanner") // 8 * 8
    other = body.replace(b"friendly-scanner", b"innocent-handset")
    yield from (piece(other, 0, mark + 24, 3), piece(body, mark, len(body), 3))
    body = udp("another type of service")
    yield from (ipv4(body[:240], id=4, flags=1, tos=16), ipv4(body[240:], id=4, frag=30))
    options = bytes(IPv6ExtHdrDestOpt(nh=17, options=[PadN(optdata=bytes(4))])) + udp6("options in fragments")
    yield ipv6(IPv6ExtHdrFragment(nh=60, id=5, m=1), Raw(options[:240]))
    yield ipv6(IPv6ExtHdrFragment(nh=60, id=5, offset=30), Raw(options[240:]))


def frames() -> Iterator[Frame]:
    """One a second."""
    for number, data in enumerate((*whole(), *pieces())):
        yield Frame(START + seconds(number), data)


if __name__ == "__main__":
    write(__file__, frames())
