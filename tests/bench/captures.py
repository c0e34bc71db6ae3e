"""The capture files that replays are compared over, written once into build/captures: a day with its media, and a flood of strangers."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

from sipsensor.model import NANOSECONDS
from tests.conftest import REPOSITORY
from tests.day.site import PROTECTED, Plan, Site
from tests.support.packets import address

FOLDER = REPOSITORY / "build" / "captures"
__all__ = ["PROTECTED", "day", "strangers"]
LARGE = 100_000
SCANNER = "scanner.sipvicious.user-agent"
"""The rule that the last packet of each file is for: who does not find it has not read what he was given."""

MEDIA = 4
"""Packets of media for each of signalling: 80 %."""
CALLS = 40
"""That go on at a time."""
LENGTH = 3000
"""Packets of one direction of a call: a minute at 50 a second."""
SOURCES = 50_000
ETHERNET = bytes(12) + b"\x08\x00"
PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
REGISTER = (
    "REGISTER sip:pbx.example.net SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {source}:5060;branch=z9hG4bK{number:08x};rport\r\n"
    "Max-Forwards: 70\r\n"
    'From: "Desk" <sip:100@pbx.example.net>;tag={number:x}\r\n'
    "To: <sip:100@pbx.example.net>\r\n"
    "Call-ID: 3848276298-{number:08x}@{source}\r\n"
    "CSeq: 1 REGISTER\r\n"
    "Contact: <sip:100@{source}:5060>\r\n"
    "Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, UPDATE, INFO, REFER, NOTIFY, MESSAGE\r\n"
    "User-Agent: Yealink SIP-T46S 66.86.0.15\r\n"
    "Supported: replaces, timer\r\n"
    "Expires: 3600\r\n"
    "Content-Length: 0\r\n\r\n"
)
Timed = tuple[int, bytes]


def day(packets: int) -> Path:
    """A working day of phones, offices and trunks until there are so many packets, four of five of them media."""
    return _written(f"day-{packets}", _ended(itertools.islice(_with_media(), packets - 1)))


def strangers(packets: int) -> Path:
    """REGISTERs without credentials, 5,000 a second, each a transaction of its own, from 50,000 sources in turn."""
    return _written(f"strangers-{packets}", _ended(_register(number) for number in range(packets - 1)))


def _written(name: str, packets: Iterator[Timed]) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.pcap"
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("wb", buffering=1 << 20) as out:
            out.write(PCAP)
            for ts, packet in packets:
                size = len(packet) + len(ETHERNET)
                seconds, rest = divmod(ts // 1000, 1_000_000)
                out.write(struct.pack("<IIII", seconds, rest, size, size) + ETHERNET + packet)
        part.rename(path)
    return path


def _ended(packets: Iterator[Timed]) -> Iterator[Timed]:
    """Behind them a scanner."""
    ts = 0
    for ts, packet in packets:
        yield ts, packet
    text = REGISTER.format(source="198.51.100.9", number=1).replace("Yealink SIP-T46S 66.86.0.15", "friendly-scanner")
    yield ts + 1000, _datagram(("198.51.100.9", 5060), ("192.0.2.10", 5060), text.encode())


def _with_media() -> Iterator[Timed]:
    site = Site(Plan(phones=1000, hours=16, begins=8))
    media, before = _media(), 0
    for _, packet in site.packets():
        before = before or packet.ts
        for place in range(MEDIA):
            yield before + (packet.ts - before) * place // MEDIA, next(media)
        yield packet.ts, packet.data
        before = packet.ts


def _media() -> Iterator[bytes]:
    """Calls in turn, both directions; each is followed by another with other ports."""
    calls = [_call(number) for number in range(CALLS)]
    following = itertools.count(CALLS)
    while True:
        for place, call in enumerate(calls):
            packet = next(call, None)
            if packet is None:
                calls[place] = _call(next(following))
                packet = next(calls[place])
            yield packet


def _call(number: int) -> Iterator[bytes]:
    phone, pbx = (
        (f"198.18.{1 + number % 40}.7", 20_000 + number * 2 % 20_000),
        ("192.0.2.10", 10_000 + number * 2 % 8_000),
    )
    for sequence in range(LENGTH):
        for source, target in ((phone, pbx), (pbx, phone)):
            head = struct.pack(">BBHII", 0x80, 0, sequence, sequence * 160, number * 2 + (source is pbx))
            yield _datagram(source, target, head + bytes([0x55, 0xD5, 0x54, 0xD4]) * 40)


def _register(number: int) -> Timed:
    which = number % SOURCES
    source = f"203.{which >> 16}.{which >> 8 & 255}.{which & 255}"
    text = REGISTER.format(source=source, number=number).encode()
    return 1_700_000_000 * NANOSECONDS + number * NANOSECONDS // 5000, _datagram(
        (source, 5060), ("192.0.2.1", 5060), text
    )


def _datagram(source: tuple[str, int], target: tuple[str, int], payload: bytes) -> bytes:
    size = len(payload)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + size, 0, 0, 57, 17, 0)
    ports = struct.pack(">HHHH", source[1], target[1], 8 + size, 0)
    return head + address(source[0]) + address(target[0]) + ports + payload
