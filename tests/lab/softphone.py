"""A phone, or somebody who passes for one, in this very process: SIP over UDP with digest credentials (RFC 2617), from any address and port.

Its sockets are opened in a namespace of the lab and stay there. It sends what real phones send, header by header, so that nothing but
what it does can give it away.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.lab.network import PBX, Namespace, inside
from tests.lab.send import forged

PORT = 5060
AGENT = "Yealink SIP-T46U 108.86.0.20"
ALLOW = "INVITE, INFO, PRACK, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REGISTER, SUBSCRIBE, REFER, PUBLISH, UPDATE, MESSAGE"
PATIENCE = 1.0
"""Seconds for which an answer is waited for: the sensor and Kamailio need a few milliseconds together."""

T1 = 0.5
"""Seconds before a request is sent again."""

_FORCE = 33
_numbers = itertools.count(1)
_quoted = re.compile(rb'(realm|nonce)="([^"]*)"')


@dataclass(frozen=True)
class Challenge:
    """What a 401 or 407 asks for."""

    realm: str
    nonce: str
    proxy: bool = False

    @classmethod
    def of(cls, answer: bytes) -> Challenge:
        found = {name.decode(): value.decode() for name, value in _quoted.findall(answer)}
        return cls(found["realm"], found["nonce"], b" 407 " in answer.split(b"\r\n", 1)[0])

    def credentials(self, method: str, uri: str, account: str, password: str) -> str:
        """The header line that answers it."""
        nonce_count, own = "00000001", f"{next(_numbers):08x}"
        first = _md5(f"{account}:{self.realm}:{password}")
        answer = _md5(f"{first}:{self.nonce}:{nonce_count}:{own}:auth:{_md5(f'{method}:{uri}')}")
        return (
            f'{"Proxy-" if self.proxy else ""}Authorization: Digest username="{account}", realm="{self.realm}", nonce="{self.nonce}", '
            f'uri="{uri}", response="{answer}", algorithm=MD5, cnonce="{own}", qop=auth, nc={nonce_count}'
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def request(
    method: str, account: str, end: tuple[str, int], number: int, *more: str, call: str = "", sequence: int = 1
) -> bytes:
    """A request of the phone of ``account`` at ``end``; ``number`` makes its transaction unlike any other. ``more`` are header lines."""
    port, address = end[1], f"[{end[0]}]" if ":" in end[0] else end[0]
    target = "lab" if method == "REGISTER" else "600@lab"
    lines = [
        f"{method} sip:{target} SIP/2.0",
        f"Via: SIP/2.0/UDP {address}:{port};branch=z9hG4bK{number};rport",
        f'From: "{account}" <sip:{account}@lab>;tag={number}',
        f"To: <sip:{account if method in {'REGISTER', 'OPTIONS'} else '600'}@lab>",
        f"Call-ID: {call or f'0_{number}@{address}'}",
        f"CSeq: {sequence} {method}",
        f"Contact: <sip:{account}@{address}:{port}>",
        *more,
        "Max-Forwards: 70",
        f"User-Agent: {AGENT}",
        "Expires: 300",
        f"Allow: {ALLOW}",
        "Allow-Events: talk,hold,conference,refer,check-sync",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass
class Softphone:
    """One socket with one account at a time. ``end`` is where it sends from."""

    space: Namespace
    end: tuple[str, int]
    account: str
    password: str = "wrong"
    call: str = ""
    server: str = ""
    socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        with inside(self.space):
            family = socket.AF_INET6 if ":" in self.end[0] else socket.AF_INET
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
        # Whoever is named as the sender of a flood gets its answers.
        self.socket.setsockopt(socket.SOL_SOCKET, _FORCE, 64 << 20)
        self.socket.bind(self.end)
        self.end = self.socket.getsockname()[:2]
        self.server = self.server or PBX[6 if ":" in self.end[0] else 4]
        self.call = self.call or f"{next(_numbers)}_{os.getpid()}@{self.end[0]}"
        self._sequence = itertools.count(1)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, message: bytes) -> None:
        self.socket.sendto(message, (self.server, PORT))

    def make(self, method: str, *more: str, call: str = "") -> tuple[int, bytes]:
        """A request and the number of its transaction."""
        number, sequence = next(_numbers) * 100_000 + os.getpid() % 100_000, next(self._sequence)
        made = request(method, self.account, self.end, number, *more, call=call or self.call, sequence=sequence)
        return number, made

    def ask(self, method: str, *more: str, call: str = "", patience: float = PATIENCE) -> bytes | None:
        """The final answer to a request; None when none came."""
        number, made = self.make(method, *more, call=call)
        self.send(made)
        return self.answer(number, patience)

    def answer(self, number: int, patience: float = PATIENCE) -> bytes | None:
        """The final answer of that transaction, whatever else comes."""
        branch, deadline = re.compile(rb"branch=z9hG4bK%d\b" % number), time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return None
            found = self.socket.recv(65535)
            if found.startswith(b"SIP/2.0 ") and not found.startswith(b"SIP/2.0 1") and branch.search(found):
                return found
        return None

    def persist(self, number: int, message: bytes) -> bytes | None:
        """The final answer to a request that is sent again and again, as RFC 3261 17.1.2 has it; None after four times."""
        for _ in range(4):
            self.send(message)
            answer = self.answer(number, T1)
            if answer is not None:
                return answer
        return None

    def works(self, method: str = "REGISTER") -> int:
        """The status that this phone gets in the end, with credentials where they are asked for; 0 where the PBX seems dead."""
        answer = self.persist(*self.make(method))
        if answer is None or status(answer) not in {401, 407}:
            return status(answer) if answer is not None else 0
        answer = self.persist(*self.guess(Challenge.of(answer), self.password, method))
        return status(answer) if answer is not None else 0

    def challenge(self, method: str = "REGISTER", patience: float = PATIENCE) -> Challenge | None:
        """A nonce of the PBX for this address; None when it did not answer."""
        answer = self.ask(method, patience=patience)
        return Challenge.of(answer) if answer is not None and status(answer) in (401, 407) else None

    def guess(
        self, challenge: Challenge, password: str, method: str = "REGISTER", account: str = ""
    ) -> tuple[int, bytes]:
        """A request with credentials, and the number of its transaction."""
        uri = "sip:lab" if method == "REGISTER" else "sip:600@lab"
        return self.make(method, challenge.credentials(method, uri, account or self.account, password))

    def register(self, patience: float = PATIENCE, password: str = "") -> int:
        """The status of the last answer of a whole handshake; 0 where none came."""
        challenge = self.challenge(patience=patience)
        if challenge is None:
            return 0
        number, made = self.guess(challenge, password or self.password)
        self.send(made)
        answer = self.answer(number, patience)
        return status(answer) if answer is not None else 0


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@contextlib.contextmanager
def addresses(space: Namespace, wanted: Sequence[str], width: int = 24) -> Iterator[None]:
    """More addresses of that namespace, in networks of that width."""
    batch = "".join(f"addr add {address}/{width} dev lan0 {'nodad' * (':' in address)}\n" for address in wanted)
    _ip(space, batch)
    try:
        yield
    finally:
        _ip(space, batch.replace("addr add", "addr del").replace("nodad", ""))


def _ip(space: Namespace, batch: str) -> None:
    with inside(space):
        subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)


class Forger:
    """Sends datagrams in the name of others."""

    def __init__(self, space: Namespace, server: str = PBX[4]) -> None:
        self.server = server
        with inside(space):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, end: tuple[str, int], message: bytes, server: str = "") -> None:
        """To the PBX, or to ``server``, as if from ``end``."""
        to = server or self.server
        self.socket.sendto(forged(end[0], to, message, end[1])[1], (to, 0))
