"""Packets to measure with: registrations of phones and strangers, their answers, media; and a capture file, four fifths of it media."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sipsensor.model import NANOSECONDS, Arrival

PBX = "127.0.0.1"
PBX_PORT = 5060
SOURCES = 100
"""Phones, or strangers. Few: each stays in the tables."""
FIRST_PORT = 40_000
MEDIA_OF_FIVE = 4
LINK_RAW = 101
_FILE = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINK_RAW)
_HEAD = (
    "Via: SIP/2.0/UDP {address}:{port};branch=z9hG4bK{number:016x};rport\r\n"
    'From: "Desk" <sip:{account}@pbx.example.com>;tag={call:x}\r\n'
    "To: <sip:{account}@pbx.example.com>{tag}\r\n"
    "Call-ID: 84720NzA3YjA1ZmQ1ZDU0{call:016x}\r\n"
    "CSeq: {number} REGISTER\r\n"
    "Contact: <sip:{account}@{address}:{port};ob>{expires}\r\n"
)
_REST = (
    "Max-Forwards: 70\r\n"
    "Expires: 300\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, MESSAGE\r\n"
    "Supported: replaces, path\r\n"
    "User-Agent: Z 5.4.12 v2.10.11.7\r\n"
    "Allow-Events: presence, kpml, talk\r\n"
)
_END = "Content-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Phone:
    """One source: the n-th of them."""

    number: int

    @property
    def address(self) -> str:
        """Of the loopback network, so that it can be one in a namespace of its own."""
        return f"127.1.{self.number >> 8 & 255}.{self.number & 255}"

    @property
    def port(self) -> int:
        """Whence he sends."""
        return FIRST_PORT + self.number

    def register(self, number: int, call: int | None = None, *, credentials: bool = False) -> bytes:
        """A REGISTER, transaction ``number`` of all, in a call of its own unless one is named; with ``credentials`` on his own nonce."""
        text = "REGISTER sip:pbx.example.com SIP/2.0\r\n" + self._head(number, call) + _REST
        if credentials:
            text += (
                f'Authorization: Digest username="{self.account}", realm="pbx.example.com", nonce="{self.nonce}", '
                'uri="sip:pbx.example.com", response="0123456789abcdef0123456789abcdef", algorithm=MD5\r\n'
            )
        return (text + _END).encode()

    def challenge(self, number: int, call: int | None = None) -> bytes:
        """The PBX's 401 to that."""
        asked = f'WWW-Authenticate: Digest realm="pbx.example.com", nonce="{self.nonce}", algorithm=MD5\r\n'
        return ("SIP/2.0 401 Unauthorized\r\n" + self._head(number, call, tag=";tag=pbx") + asked + _END).encode()

    def accept(self, number: int, call: int | None = None) -> bytes:
        """The PBX's 200 to that."""
        head = self._head(number, call, tag=";tag=pbx", expires=";expires=3600")
        return ("SIP/2.0 200 OK\r\n" + head + _END).encode()

    @property
    def account(self) -> int:
        """His name, and his extension."""
        return 2000 + self.number

    @property
    def nonce(self) -> str:
        """The PBX gives it to him alone."""
        return f"1600000000:{self.number:08x}"

    def _head(self, number: int, call: int | None, tag: str = "", expires: str = "") -> str:
        call = number if call is None else call
        return _HEAD.format(
            address=self.address,
            port=self.port,
            account=self.account,
            number=number,
            call=call,
            tag=tag,
            expires=expires,
        )

    def registers(self, first: int) -> tuple[tuple[Arrival, bytes], ...]:
        """His first registration, transactions ``first`` and the next: asked, challenged, asked with credentials, accepted."""
        call = self.number
        return (
            (Arrival.INBOUND, inbound(self, self.register(first, call))),
            (Arrival.OUTBOUND, outbound(self, self.challenge(first, call))),
            (Arrival.INBOUND, inbound(self, self.register(first + 1, call, credentials=True))),
            (Arrival.OUTBOUND, outbound(self, self.accept(first + 1, call))),
        )


def datagram(payload: bytes, source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """An IPv4 packet with a UDP datagram; checksums are left out."""
    size = len(payload)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + size, 0, 0, 57, socket.IPPROTO_UDP, 0)
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    return head + addresses + struct.pack(">HHHH", source[1], target[1], 8 + size, 0) + payload


def inbound(phone: Phone, payload: bytes) -> bytes:
    """A datagram of his to the PBX."""
    return datagram(payload, (phone.address, phone.port), (PBX, PBX_PORT))


def outbound(phone: Phone, payload: bytes) -> bytes:
    """A datagram of the PBX to him."""
    return datagram(payload, (PBX, PBX_PORT), (phone.address, phone.port))


def strangers(count: int, first: int = 0) -> list[tuple[Phone, bytes]]:
    """REGISTERs without credentials, each a transaction of its own, of all sources in turn."""
    made = []
    for number in range(first, first + count):
        phone = Phone(number % SOURCES)
        made.append((phone, phone.register(number)))
    return made


def capture(path: Path, packets: int) -> None:
    """A capture file: of five packets one is a REGISTER of a stranger, the others media."""
    with path.open("wb", buffering=1 << 20) as out:
        out.write(_FILE)
        for number, packet in enumerate(_mixed(packets)):
            seconds, rest = divmod(number * NANOSECONDS // 5000, NANOSECONDS)
            out.write(struct.pack("<IIII", seconds, rest // 1000, len(packet), len(packet)) + packet)


def _mixed(packets: int) -> Iterator[bytes]:
    for number in range(packets):
        phone = Phone(number % SOURCES)
        if number % (MEDIA_OF_FIVE + 1) == 0:
            yield inbound(phone, phone.register(number))
        else:
            media = struct.pack(">BBHII", 0x80, 8, number & 0xFFFF, number * 160, phone.number) + bytes(160)
            yield datagram(media, (phone.address, 20_000 + phone.number), (PBX, 10_000 + phone.number))
