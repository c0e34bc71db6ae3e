"""What reaches the PBX host: counted on its own interface, before any program there sees it."""

from __future__ import annotations

import re
import socket
import struct
import time
from dataclasses import dataclass
from typing import Self

from tests.lab.network import Namespace, inside

_ANY, _STATISTICS, _PACKET, _FORCE, _OUTGOING = 0x0003, 6, 263, 33, 4
_username = re.compile(rb'username="([^"]*)"')
_user = re.compile(rb"\r\nTo: [^\r]*sip:([^@;>]*)@")


@dataclass(frozen=True)
class Arrived:
    """One datagram."""

    source: str
    port: int
    payload: bytes

    @property
    def method(self) -> str:
        return self.payload.split(b" ", 1)[0].decode(errors="replace")

    @property
    def account(self) -> str | None:
        """The name that its credentials are for."""
        found = _username.search(self.payload)
        return found.group(1).decode() if found else None

    @property
    def user(self) -> str:
        """The user of its To."""
        found = _user.search(self.payload)
        return found.group(1).decode() if found else ""


class Arrivals:
    """Everything over UDP to port 5060 that came to ``lan0`` of that namespace since it was made."""

    def __init__(self, space: Namespace, device: str = "lan0") -> None:
        with inside(space):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ANY))
        # Much larger than any burst, whatever net.core.rmem_max says: what reaches the PBX is looked at afterwards.
        self._socket.setsockopt(socket.SOL_SOCKET, _FORCE, 128 << 20)
        self._socket.bind((device, _ANY))
        self._socket.setblocking(False)
        self._found: list[Arrived] = []
        self.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def all(self) -> list[Arrived]:
        """Everything so far. Raises AssertionError when the kernel could not keep it all."""
        lost = self._read()
        assert lost == 0, f"{lost} packets came and were not counted"
        return self._found

    def _read(self) -> int:
        """Note what waits. Returns how many packets found no room since it was asked last."""
        while True:
            try:
                packet, end = self._socket.recvfrom(65535)
            except BlockingIOError:
                break
            if end[2] != _OUTGOING:
                self._note(packet)
        _, lost = struct.unpack("II", self._socket.getsockopt(_PACKET, _STATISTICS, 8))
        return int(lost)

    def settled(self, quiet: float = 0.6) -> list[Arrived]:
        """Everything, once nothing came any more for so many seconds."""
        count, since = len(self.all()), time.monotonic()
        while time.monotonic() - since < quiet:
            time.sleep(0.05)
            if len(self.all()) != count:
                count, since = len(self._found), time.monotonic()
        return self._found

    def forget(self) -> None:
        """Count from here on. A flood before may have been more than there is room for."""
        self._read()
        self._found.clear()

    def tries(self, account: str | None = None) -> list[Arrived]:
        """What came with credentials, for that account where one is named."""
        return [one for one in self.settled() if one.account is not None and account in (None, one.account)]

    def names(self) -> set[str]:
        """The accounts that were asked for."""
        return {one.user for one in self.settled() if one.method == "REGISTER"}

    def _note(self, packet: bytes) -> None:
        """No extension headers and no fragments come here."""
        six = packet[0] >> 4 == 6
        start, kind = (40, packet[6]) if six else ((packet[0] & 15) * 4, packet[9])
        if kind != socket.IPPROTO_UDP or len(packet) < start + 8:
            return
        source, to = struct.unpack_from(">HH", packet, start)
        if to == 5060:
            family, address = (socket.AF_INET6, packet[8:24]) if six else (socket.AF_INET, packet[12:16])
            self._found.append(Arrived(socket.inet_ntop(family, address), source, packet[start + 8 :]))
