"""The PBXs of the site: how each challenges, and what it says to credentials. Their quirks are those of the products they are named after."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random

from tests.day.wire import Clock

PHRASES = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    302: "Moved Temporarily",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    407: "Proxy Authentication Required",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    501: "Not Implemented",
    503: "Service Unavailable",
    603: "Decline",
}


@dataclass
class Flavour:
    """How a product challenges."""

    server: str
    nonce_seconds: float
    """How long it takes a nonce."""
    stale: bool = True
    """It says stale=true when a nonce ran out."""
    qop: bool = True
    shared: bool = False
    """All whom it challenges in the same second get the same nonce."""
    wrong: int = 401
    """What it answers to a wrong password."""
    challenge: int = 407
    """… to a call without credentials."""


ASTERISK = Flavour("Asterisk PBX 20.9.3", 32, challenge=401)
KAMAILIO = Flavour("kamailio (5.6.3 (x86_64/linux))", 300, qop=False, shared=True)
FREESWITCH = Flavour("FreeSWITCH-mod_sofia/1.10.9-release~64bit", 60, wrong=403)
CHAN_SIP = Flavour("FPBX-15.0.38(13.38.3)", 3, stale=False, qop=False, wrong=403, challenge=401)
"""When an old nonce comes it says so to nobody: it looks like a wrong password."""


@dataclass
class Registrar:
    """A PBX. ``down`` while it restarts: it answers nobody."""

    clock: Clock
    random: Random
    address: str
    flavour: Flavour = field(default_factory=lambda: ASTERISK)
    down: bool = False
    slow: float = 0.0
    """Seconds that it takes longer over an answer."""
    epoch: int = 0
    """How often it was restarted: nonces of before are worth nothing."""

    def nonce(self) -> str:
        """A new one."""
        second = int(self.clock.seconds)
        if self.flavour.shared:
            return f"Z{second:x}.{self.epoch}.{second * 2654435761 % 2**32:08x}"
        return f"{second:x}.{self.epoch}.{self.random.getrandbits(96):024x}"

    def fresh(self, nonce: str) -> bool:
        """Whether it still takes that one."""
        second, epoch, _ = nonce.lstrip("Z").split(".")
        return int(epoch) == self.epoch and self.clock.seconds - int(second, 16) <= self.flavour.nonce_seconds

    def challenged(self, code: int, nonce: str, *, stale: bool) -> str:
        """The header field that asks for credentials."""
        name = "Proxy-Authenticate" if code == 407 else "WWW-Authenticate"
        flavour = self.flavour
        qop = ',qop="auth"' if flavour.qop else ""
        old = ",stale=true" if stale and flavour.stale else ""
        return f'{name}: Digest realm="asterisk",nonce="{nonce}",opaque="5f1d6b0e",algorithm=MD5{qop}{old}\r\n'

    def answer(self, request: bytes, code: int, outside: tuple[str, int], extra: str = "", body: str = "") -> bytes:
        """What it sends back."""
        found = dict(line.split(": ", 1) for line in request.decode().split("\r\n\r\n", 1)[0].split("\r\n")[1:])
        via = re.sub(r";rport(?=;|$)", f";rport={outside[1]}", found["Via"])
        to = found["To"]
        if code != 100 and ";tag=" not in to:
            to += f";tag=as{abs(hash_of(found['Call-ID'])):08x}"
        head = (
            f"SIP/2.0 {code} {PHRASES[code]}\r\nVia: {via};received={outside[0]}\r\nFrom: {found['From']}\r\nTo: {to}\r\n"
            f"Call-ID: {found['Call-ID']}\r\nCSeq: {found['CSeq']}\r\nServer: {self.flavour.server}\r\n{extra}"
        )
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def hash_of(text: str) -> int:
    """The same in every run."""
    value = 2166136261
    for letter in text.encode():
        value = (value ^ letter) * 16777619 & 0xFFFFFFFF
    return value
