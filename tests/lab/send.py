"""Single datagrams that no tool sends: python3 send.py ADDRESS KIND."""

from __future__ import annotations

import socket
import struct
import sys
import time

PORT = 5060


def message(agent: str, padding: int = 0) -> bytes:
    return (
        "OPTIONS sip:100@pbx SIP/2.0\r\nVia: SIP/2.0/UDP phone.example:5099;branch=z9hG4bK-7\r\n"
        f"X-Padding: {'x' * padding}\r\nUser-Agent: {agent}\r\n"
        "From: <sip:a@phone.example>;tag=1\r\nTo: <sip:100@pbx>\r\nCall-ID: 77@phone.example\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def forged(source: str) -> bytes:
    """An IPv4 packet from ``source`` to an address outside, as an answer of that PBX would be."""
    answer = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"
    udp = struct.pack(">HHHH", PORT, PORT, 8 + len(answer), 0) + answer
    return (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
        + socket.inet_aton(source)
        + socket.inet_aton("10.71.2.9")
        + udp
    )


def stream(address: str, count: int) -> None:
    """So many lawful messages, a thousand in a second, each a transaction of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(count):
            sender.sendto(
                message(f"Desk phone {number}").replace(b"z9hG4bK-7", b"z9hG4bK-%d" % number), (address, PORT)
            )
            time.sleep(0.001)


def main() -> None:
    address, kind = sys.argv[1:]
    if kind == "forged":
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(forged(address), ("10.71.2.9", 0))
        return
    if kind == "tcp-scanner":
        with socket.create_connection((address, PORT), timeout=3) as connection:
            # Reset at the end: data that nobody may answer would be sent again and again, into the tests that follow.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(message("friendly-scanner"))
            sys.exit(0 if connection.recv(100) else 1)
    if kind.startswith("stream-"):
        stream(address, int(kind.removeprefix("stream-")))
        return
    payloads = {
        "scanner": message("friendly-scanner"),
        "boom": message("Desk phone boom"),
        "padded": message("friendly-scanner", 6000),
        "padded-lawful": message("Desk phone 7.4", 6000),
        "largest": message("Desk phone 7.4", 65000).ljust(65507, b"\0"),
        "lawful": message("Desk phone 7.4"),
    }
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(payloads[kind], (address, PORT))


if __name__ == "__main__":
    main()
