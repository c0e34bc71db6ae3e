"""IP packets as they are: python3 raw.py ECHO,ECHO... HEX..., each from its first header byte to its end.

Ends when they have been worked off wherever they went: this keeps to one processor, on which the network's soft interrupts then follow in the order
of sending, and at last waits for an echo from each of the addresses ECHO of a version that was sent.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time

PATIENCE = 20.0
AGAIN = 1.0
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def send(packet: bytes) -> int:
    """The version of a packet that went."""
    version = 6 if packet[0] >> 4 == 6 else 4
    at, size = (24, 16) if version == 6 else (16, 4)
    with socket.socket(FAMILIES[version], socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(packet, (socket.inet_ntop(FAMILIES[version], packet[at : at + size]), 0))
    return version


def checksum(data: bytes) -> int:
    """Of an even number of bytes (RFC 1071)."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def echo(address: str) -> None:
    """Wait for an answer to an echo request. Raises SystemExit when none comes."""
    version = 6 if ":" in address else 4
    protocol, asks, answers = {4: (socket.IPPROTO_ICMP, 8, 0), 6: (socket.IPPROTO_ICMPV6, 128, 129)}[version]
    body = struct.pack(">HH", os.getpid() & 0xFFFF, 1)
    # The kernel writes the checksum of ICMPv6.
    request = struct.pack(">BBH", asks, 0, checksum(struct.pack(">BBH", asks, 0, 0) + body)) + body
    deadline = time.monotonic() + PATIENCE
    with socket.socket(FAMILIES[version], socket.SOCK_RAW, protocol) as icmp:
        icmp.settimeout(AGAIN)
        while time.monotonic() < deadline:
            icmp.sendto(request, (address, 0))
            try:
                while True:
                    heard, source = icmp.recvfrom(2000)
                    message = heard[(heard[0] & 0xF) * 4 :] if version == 4 else heard
                    if source[0] == address and message[0] == answers and message[4:8] == body:
                        return
            except TimeoutError:
                continue
    raise SystemExit(f"no echo from {address}")


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    versions = {send(bytes.fromhex(text)) for text in sys.argv[2:]}
    for address in filter(None, sys.argv[1].split(",")):
        if (6 if ":" in address else 4) in versions:
            echo(address)


if __name__ == "__main__":
    main()
