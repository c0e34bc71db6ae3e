"""What the makers of synthetic cases share: messages from text, datagrams in the frames of each link type, fragments, a capture file.

Everything is deterministic: a maker run again writes the same bytes.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback
from scapy.packet import Raw

NANOSECONDS = 1_000_000_000
START = int(datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()) * NANOSECONDS
"""When the synthetic cases begin."""

_IPV6 = 6
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_SERVICE_TAG = 0x88A8

LINK_NULL, LINK_ETHERNET, LINK_RAW, LINK_SLL, LINK_SLL2 = 0, 1, 101, 113, 276


class Endpoint(NamedTuple):
    """An address and a UDP port."""

    address: str
    port: int = 5060

    @property
    def host(self) -> str:
        """The address as it stands in a URI."""
        return f"[{self.address}]" if ":" in self.address else self.address


PBX = Endpoint("192.0.2.10")
PBX6 = Endpoint("2001:db8:2::10")
ATTACKER = Endpoint("198.51.100.7")
ATTACKER6 = Endpoint("2001:db8:51::7")


class Frame(NamedTuple):
    """One packet of a capture: nanoseconds since the epoch, and its bytes from the link layer up."""

    ts: int
    data: bytes


def seconds(count: float) -> int:
    """Nanoseconds, to a whole microsecond."""
    return round(count * 1_000_000) * 1000


def key(*parts: object, size: int = 32) -> str:
    """Lower-case hex digits that look random and are always the same for the same parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:size]


def message(head: str, body: str = "") -> bytes:
    """A SIP message from lines of text: CRLF line ends, a blank line, and Content-Length unless the head has its own."""
    head = head.strip("\n")
    body = body.lstrip("\n").replace("\n", "\r\n")
    if not re.search(r"(?im)^(content-length|l) *:", head):
        head += f"\nContent-Length: {len(body)}"
    return (head.replace("\n", "\r\n") + "\r\n\r\n" + body).encode()


def datagram(source: Endpoint, target: Endpoint, payload: bytes, ident: int = 0) -> Any:  # noqa: ANN401 - scapy's own type
    """A UDP datagram of either IP version, without a link layer."""
    if ":" in source.address:
        network = IPv6(src=source.address, dst=target.address, hlim=57)
    else:
        network = IP(src=source.address, dst=target.address, id=ident, ttl=57)
    return network / UDP(sport=source.port, dport=target.port) / Raw(payload)


def ethernet(packet: Any, vlans: tuple[int, ...] = ()) -> bytes:  # noqa: ANN401
    """In an Ethernet frame, behind VLAN tags: the outer one of two is a service tag (IEEE 802.1ad)."""
    kind = _ETHERTYPES[packet.version]
    types = [_SERVICE_TAG if len(vlans) > 1 else 0x8100, *(0x8100 for _ in vlans[1:])] if vlans else []
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=(*types, kind)[0])
    for place, vlan in enumerate(vlans):
        tag = Dot1AD if types[place] == _SERVICE_TAG else Dot1Q
        frame /= tag(vlan=vlan, type=(*types, kind)[place + 1])
    return bytes(frame / packet)


def cooked(packet: Any) -> bytes:  # noqa: ANN401
    """In a Linux cooked capture frame."""
    kind = _ETHERTYPES[packet.version]
    return bytes(CookedLinux(pkttype=0, lladdrtype=1, lladdrlen=6, src=b"\2\0\0\0\0\1", proto=kind) / packet)


def cooked2(packet: Any) -> bytes:  # noqa: ANN401
    """In a Linux cooked capture frame of version 2."""
    kind = _ETHERTYPES[packet.version]
    head = CookedLinuxV2(proto=kind, ifindex=2, lladdrtype=1, pkttype=0, lladdrlen=6, src=b"\2\0\0\0\0\1")
    return bytes(head / packet)


def null(packet: Any, order: str = "<") -> bytes:  # noqa: ANN401
    """Behind BSD's loopback header, in the byte order of the machine that captured; IPv6 is 30 on one of them (Darwin)."""
    family = 30 if packet.version == _IPV6 else 2
    return bytes(Loopback(struct.pack(order + "I", family))) + bytes(packet)


def fragments(packet: Any, size: int, ident: int) -> list[Any]:  # noqa: ANN401
    """The datagram in IP fragments with ``size`` bytes of its payload each, a multiple of 8 (RFC 791 3.2, RFC 8200 4.5)."""
    whole = bytes(packet)[40 if packet.version == _IPV6 else 20 :]
    pieces = []
    for start in range(0, len(whole), size):
        more = start + size < len(whole)
        network = packet.copy()
        network.remove_payload()
        if packet.version == _IPV6:
            network /= IPv6ExtHdrFragment(nh=17, offset=start // 8, m=int(more), id=ident)
        else:
            network.proto, network.id, network.flags, network.frag = 17, ident, int(more), start // 8
        pieces.append(network / Raw(whole[start : start + size]))
    return pieces


def rtp(number: int, source: int) -> bytes:
    """A packet of 20 ms of silence in G.711 mu-law (RFC 3550 5.1)."""
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160, source) + b"\xff" * 160


def stun_binding(identifier: str) -> bytes:
    """A STUN Binding request without attributes (RFC 5389 6)."""
    return struct.pack("!HHI", 1, 0, 0x2112A442) + bytes.fromhex(key("stun", identifier, size=24))


def write(maker: str, frames: Iterable[Frame], link: int = LINK_ETHERNET) -> None:
    """``capture.pcap`` beside the maker, in the order of time."""
    Path(maker).with_name("capture.pcap").write_bytes(capture(frames, link))


def capture(frames: Iterable[Frame], link: int = LINK_ETHERNET) -> bytes:
    """The bytes of a classic pcap file with microseconds."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    records = [
        struct.pack("<IIII", frame.ts // NANOSECONDS, frame.ts % NANOSECONDS // 1000, len(frame.data), len(frame.data))
        + frame.data
        for frame in sorted(frames, key=lambda frame: frame.ts)
    ]
    return head + b"".join(records)
