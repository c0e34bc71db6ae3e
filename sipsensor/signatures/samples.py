"""Puts samples on the wire: a datagram's payload in an IP packet, examined as a captured one would be."""

from __future__ import annotations

import struct

from sipsensor.fastpath import examine
from sipsensor.model import Packet

LINK_RAW = 101
_SENDER, _RECEIVER = bytes([198, 51, 100, 7]), bytes([192, 0, 2, 10])  # addresses for documentation, RFC 5737
_PORT = 5060
_UDP = 17
_IP_HEADER, _UDP_HEADER = 20, 8


def as_packet(payload: bytes) -> Packet:
    """The payload as one UDP datagram from 198.51.100.7:5060 to 192.0.2.10:5060, with link type raw IP and at time 0."""
    udp = struct.pack("!HHHH", _PORT, _PORT, _UDP_HEADER + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, _IP_HEADER + len(udp), 0, 0, 64, _UDP, 0) + _SENDER + _RECEIVER
    return Packet(0, header + udp, LINK_RAW)


def messages_of(examiner: examine.Examiner, payload: bytes) -> list[examine.Examined]:
    """The messages of one datagram, as the engine would see them."""
    messages = []
    examined: examine.Examined | None = examiner.examine(as_packet(payload))
    while examined is not None:
        messages.append(examined)
        examined = examined.following()
    return messages
