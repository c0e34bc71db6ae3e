"""Providers: one where the PBX registers, one that is known by its addresses alone; both qualify and are qualified."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.day.phone import SDP
from tests.day.registrar import Registrar, hash_of
from tests.day.wire import Clock, Process, Sent


@dataclass
class Trunk:
    """A provider and the addresses that it calls from."""

    clock: Clock
    random: Random
    registrar: Registrar
    addresses: tuple[str, ...]
    name: str

    def says(self, payload: bytes, address: str) -> Sent:
        """A datagram to the PBX."""
        return Sent(address, 5060, self.registrar.address, 5060, payload, inbound=True, who=self.name)

    def hears(self, payload: bytes, address: str) -> Sent:
        """A datagram of the PBX."""
        return Sent(self.registrar.address, 5060, address, 5060, payload, inbound=False, who=self.name)

    def _request(  # noqa: PLR0913, PLR0917 - the parts of a request
        self, method: str, address: str, caller: str, called: str, call: str, tag: str = "", body: str = ""
    ) -> bytes:
        branch = self.random.getrandbits(64)
        end = f";tag={tag}" if tag else ""
        content = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} sip:{called}@{self.registrar.address}:5060 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {address}:5060;branch=z9hG4bK{branch:x}\r\nMax-Forwards: 68\r\n"
            f"Record-Route: <sip:{address};lr;ftag={hash_of(call):x}>\r\n"
            f"From: <sip:{caller}@{self.name}>;tag={hash_of(call):x}\r\nTo: <sip:{called}@{self.registrar.address}>{end}\r\n"
            f"Call-ID: {call}\r\nCSeq: {101 if tag == '' else 102} {method}\r\nContact: <sip:{caller}@{address}:5060>\r\n"
            f"{content}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def calls(self, caller: str, called: str, code: int) -> Process:
        """A call from outside."""
        address = self.random.choice(self.addresses)
        call = f"{self.random.getrandbits(64):x}-{address}"
        invite = self._request("INVITE", address, caller, called, call, body=SDP.format(address, "sendrecv"))
        outside = (address, 5060)
        wait = 0.5
        yield self.says(invite, address)
        while self.registrar.down and wait < 16:
            yield wait
            wait *= 2
            yield self.says(invite, address)
        if self.registrar.down:
            return
        yield 0.01
        yield self.hears(self.registrar.answer(invite, 100, outside), address)
        for status in (180, code) if code in (200, 486, 480, 487, 603) else (code,):
            yield self.random.uniform(0.2, 9)
            if status == 487:
                cancel = (
                    invite.split(b"Content-Type", 1)[0].replace(b"INVITE", b"CANCEL") + b"Content-Length: 0\r\n\r\n"
                )
                yield self.says(cancel, address)
                yield self.hears(self.registrar.answer(cancel, 200, outside), address)
            yield self.hears(self.registrar.answer(invite, status, outside), address)
        tag = f"as{hash_of(call):08x}"
        yield 0.04
        yield self.says(self._request("ACK", address, caller, called, call, tag), address)
        if code == 200:
            yield self.random.uniform(5, 300)
            bye = self._request("BYE", address, caller, called, call, tag)
            yield self.says(bye, address)
            yield 0.01
            yield self.hears(self.registrar.answer(bye, 200, outside), address)

    def asks(self, every: float, code: int) -> Process:
        """Qualifies the PBX, from each of its addresses."""
        while True:
            for address in self.addresses:
                request = self._request("OPTIONS", address, "ping", "ping", f"{self.random.getrandbits(64):x}")
                yield self.says(request, address)
                yield 0.01
                if not self.registrar.down:
                    yield self.hears(self.registrar.answer(request, code, (address, 5060)), address)
            yield every

    def is_asked(self, every: float) -> Process:
        """The PBX qualifies it."""
        while True:
            yield every
            if not self.registrar.down:
                yield from self._own("OPTIONS", "", "")

    def registered(self, every: float) -> Process:
        """The PBX registers there."""
        while True:
            if not self.registrar.down:
                contact = f"Contact: <sip:customer@{self.registrar.address}>;expires=3600\r\n"
                yield from self._own("REGISTER", contact, "Expires: 3600\r\n")
            yield every

    def _own(self, method: str, contact: str, extra: str) -> Process:
        address, number = self.addresses[0], self.random.getrandbits(64)
        head = (
            f"Via: SIP/2.0/UDP {self.registrar.address}:5060;rport;branch=z9hG4bKPj{number:x}\r\n"
            f"From: <sip:customer@{self.name}>;tag={number:x}\r\nTo: <sip:customer@{self.name}>\r\nCall-ID: {number:x}\r\nCSeq: 9 {method}\r\n"
        )
        start = f"{method} sip:{self.name} SIP/2.0\r\n"
        yield self.hears(
            (start + head + contact + extra + "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode(), address
        )
        yield 0.03
        yield self.says(("SIP/2.0 200 OK\r\n" + head + contact + "Content-Length: 0\r\n\r\n").encode(), address)
