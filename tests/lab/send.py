"""Datagrams that no tool sends: python3 send.py ADDRESS KIND [--from SOURCE] [--count N]."""

from __future__ import annotations

import argparse
import signal
import socket
import struct
import sys
import time

PORT = 5060
LAWFUL, SCANNER = "Desk phone 7.4", "friendly-scanner"
START_LINES = {
    "401": "SIP/2.0 401 Unauthorized",
    "200": "SIP/2.0 200 OK",
    "OPTIONS": "OPTIONS sip:100@pbx SIP/2.0",
    "REGISTER": "REGISTER sip:pbx SIP/2.0",
}


def message(agent: str, padding: int = 0, start: str = "OPTIONS", number: int = 7, *, last: bool = False) -> bytes:
    """A whole message; what the agent says stands behind the padding, so in the last fragment of a large one, or behind all else."""
    method = start if start.isalpha() else "REGISTER"
    says = f"User-Agent: {agent}\r\n"
    return (
        f"{START_LINES[start]}\r\nVia: SIP/2.0/UDP phone.example:5099;branch=z9hG4bK-{number}\r\n"
        f"X-Padding: {'x' * padding}\r\n{'' if last else says}"
        f"From: <sip:a@phone.example>;tag=1\r\nTo: <sip:100@pbx>\r\nCall-ID: {number}@phone.example\r\nCSeq: 1 {method}\r\n"
        f"Max-Forwards: 70\r\nContent-Length: 0\r\n{says if last else ''}\r\n"
    ).encode()


def sized(agent: str, size: int, number: int, *, last: bool) -> bytes:
    """A message of exactly so many bytes."""
    return message(agent, size - len(message(agent, 0, number=number)), number=number, last=last)


def checksum(data: bytes) -> int:
    total = sum(data[::2]) * 256 + sum(data[1::2])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def forged(source: str, destination: str, payload: bytes, port: int = PORT) -> tuple[int, bytes]:
    """Address family, and a packet that says it comes from that port of ``source``."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    size = 8 + len(payload)
    pseudo = ends + struct.pack(">II", size, socket.IPPROTO_UDP)
    udp = struct.pack(">HHHH", port, PORT, size, 0) + payload
    udp = struct.pack(">HHHH", port, PORT, size, checksum(pseudo + udp) or 0xFFFF) + payload
    if family == socket.AF_INET6:
        return family, struct.pack(">IHBB", 6 << 28, size, socket.IPPROTO_UDP, 64) + ends + udp
    return family, struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, 1, 0, 64, socket.IPPROTO_UDP, 0) + ends + udp


def forge(source: str, destination: str, payload: bytes) -> None:
    family, packet = forged(source, destination, payload)
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(packet, (destination, 0))


def stream(address: str, count: int, pause: float) -> None:
    """So many lawful messages, or fewer when told to end (SIGTERM), each a transaction of its own. Prints how many."""
    told = False

    def end(*_: object) -> None:
        nonlocal told
        told = True

    signal.signal(signal.SIGTERM, end)
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while sent < count and not told:
            sender.sendto(message(f"Desk phone {sent}", number=sent), (address, PORT))
            sent += 1
            time.sleep(pause)
    print(sent)  # noqa: T201


def scan_over_tcp(address: str) -> int:
    """0 when the PBX answered."""
    with socket.create_connection((address, PORT), timeout=3) as connection:
        # Reset at the end: data that nobody may answer would be sent again and again, into the tests that follow.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(message(SCANNER))
        return 0 if connection.recv(100) else 1


def payload_of(kind: str, number: int) -> bytes:
    """By the kind's name; "lawful-SIZE", "scanner-SIZE" and "last-SIZE" (a scanner's name at the very end) are of that many bytes."""
    name, _, size = kind.partition("-")
    if size.isdigit():
        agent = {"lawful": LAWFUL, "scanner": SCANNER, "last": SCANNER}[name]
        return sized(agent, int(size), number, last=name == "last")
    return {
        "scanner": message(SCANNER),
        "boom": message("Desk phone boom"),
        "padded": message(SCANNER, 6000),
        "padded-lawful": message(LAWFUL, 6000),
        "largest": message(LAWFUL, 65000).ljust(65507, b"\0"),
        "lawful": message(LAWFUL),
    }[kind]


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("address")
    reader.add_argument("kind")
    reader.add_argument("--from", dest="source")
    reader.add_argument("--count", type=int, default=1)
    reader.add_argument("--pause", type=float, default=0.001, help="seconds between two messages of a stream")
    asked = reader.parse_args()
    address, kind = asked.address, asked.kind
    if kind == "forged":
        forge(address, "10.71.2.9", message(LAWFUL, start="200"))
    elif kind.startswith("forged-"):
        forge(asked.source, address, message(LAWFUL, start=kind.removeprefix("forged-")))
    elif kind == "tcp-scanner":
        sys.exit(scan_over_tcp(address))
    elif kind.startswith("stream-"):
        stream(address, int(kind.removeprefix("stream-")), asked.pause)
    else:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(asked.count):
                sender.sendto(payload_of(kind, number), (address, PORT))


if __name__ == "__main__":
    main()
