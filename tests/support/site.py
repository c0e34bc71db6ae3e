"""A PBX with phones and guessers around it: each message through the engine, each answer only to what the engine let through."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sipsensor.detect.base import Detector
from sipsensor.detect.enumeration import Enumeration, EnumerationSettings
from sipsensor.detect.flood import Flood, FloodSettings
from sipsensor.detect.guessing import Guessing, GuessingSettings
from sipsensor.detect.handshakes import Handshakes, HandshakesSettings
from sipsensor.engine import Engine
from sipsensor.model import NANOSECONDS, Decision, Packet, Standing
from tests.support.engines import engine
from tests.support.packets import LINK_RAW, PBX, PBX6, STRANGER, datagram, message, response
from tests.support.scanning import PLAIN

Header = tuple[str, str]


def behaviours() -> list[Detector]:
    """The detectors of behaviour with their defaults."""
    return [
        Guessing(GuessingSettings()),
        Enumeration(EnumerationSettings()),
        Handshakes(HandshakesSettings()),
        Flood(FloodSettings()),
    ]


def site(*detectors: Detector, **options: object) -> Site:
    """A site whose engine has these detectors, or all of behaviour."""
    return Site(engine(*(detectors or behaviours()), **options))  # type: ignore[arg-type]


@dataclass
class Try:
    """What became of one registration: the decisions on its requests, the PBX's last answer, and the decision on it."""

    decisions: list[Decision] = field(default_factory=list)
    code: int = 0
    answer: Decision | None = None

    @property
    def reached(self) -> bool:
        """The PBX judged its credentials."""
        return len(self.decisions) == 2 and not self.decisions[1].effect

    @property
    def alerts(self) -> set[str]:
        return {alert.rule.slug for decision in self.decisions for alert in decision.alerts}


@dataclass
class Guest:
    """Somebody outside: his address and port, the account he is for."""

    account: str = "201"
    src: str = STRANGER
    port: int = 5060
    name: str = ""
    """The user of To and From, where it is not the account."""
    call: str = ""

    def head(self, method: str, number: int, tag: str = "", via: str = "") -> dict[str, str | None]:
        """What a request and its answers share."""
        user = f"<sip:{self.name or self.account}@pbx>"
        host = f"[{self.src}]" if ":" in self.src else self.src
        return {
            "Via": via or f"SIP/2.0/UDP {host}:{self.port};branch=z9hG4bK{number};rport",
            "From": f"{user};tag=1",
            "To": user + (f";tag={tag}" if tag else ""),
            "Call-ID": self.call or f"call-{number}",
            "CSeq": f"{number} {method}",
        }


class Site:
    """One engine, one clock. ``now`` is in seconds and goes on only when a test says so."""

    def __init__(self, one: Engine, start: float = 1000) -> None:
        self.engine = one
        self.now = start
        self.numbers = itertools.count(1)

    @property
    def ts(self) -> int:
        """The time in ns."""
        return int(self.now * NANOSECONDS)

    def process(self, packet: Packet) -> Decision:
        """One packet through the engine."""
        return self.engine.process(packet)

    def outside(self, payload: bytes, src: str = STRANGER, port: int = 5060) -> Decision:
        """A datagram to the PBX."""
        pbx = PBX6 if ":" in src else PBX
        return self.process(Packet(self.ts, datagram(payload, src, pbx, port), LINK_RAW))

    def inside(self, payload: bytes, dst: str = STRANGER, port: int = 5060) -> Decision:
        """A datagram of the PBX."""
        pbx = PBX6 if ":" in dst else PBX
        return self.process(Packet(self.ts, datagram(payload, pbx, dst, 5060, port), LINK_RAW))

    def ask(  # noqa: PLR0913 - the parts of a request
        self,
        guest: Guest,
        method: str = "REGISTER",
        *,
        number: int | None = None,
        nonce: str = "",
        response: str = "",
        extra: Sequence[Header] = (("Contact", "<sip:x@203.0.113.9>"), ("Expires", "3600")),
        uri: str = "sip:pbx",
        tag: str = "",
        via: str = "",
    ) -> tuple[Decision, int]:
        """A request of his; with ``nonce`` it has credentials."""
        number = next(self.numbers) if number is None else number
        headers = list(extra)
        if nonce:
            text = (
                f'Digest username="{guest.account}", realm="pbx", nonce="{nonce}", uri="{uri}", '
                f'response="{response or f"{number:032x}"}"'
            )
            headers.append(("Authorization", text))
        text_ = message(method, uri, change=guest.head(method, number, tag, via), extra=headers)
        return self.outside(text_, guest.src, guest.port), number

    def answer(  # noqa: PLR0913 - the parts of an answer
        self,
        guest: Guest,
        number: int,
        code: int,
        method: str = "REGISTER",
        *,
        extra: Sequence[Header] = (),
        nonce: str = "",
        stale: bool = False,
        to: tuple[str, int] | None = None,
    ) -> Decision:
        """An answer of the PBX."""
        headers = list(extra)
        if nonce:
            stale_text = ", stale=TRUE" if stale else ""
            headers.append(("WWW-Authenticate", f'Digest realm="pbx", nonce="{nonce}"{stale_text}'))
        payload = response(code, "x", change=guest.head(method, number, tag="pbx"), extra=headers)
        dst, port = to or (guest.src, guest.port)
        return self.inside(payload, dst, port)

    def register(
        self, guest: Guest, *, right: bool = True, expires: int = 3600, method: str = "REGISTER", refusal: int = 401
    ) -> Try:
        """Challenge, credentials, verdict of the PBX, as far as the engine lets it come."""
        made = Try()
        # The same Call-ID with credentials as without (RFC 3261 22.2).
        guest = replace(guest, call=guest.call or f"registers-{next(self.numbers)}")
        extra: list[Header] = [("Contact", f"<sip:x@{guest.src}>"), ("Expires", str(expires))]
        decision, number = self.ask(guest, method, extra=extra)
        made.decisions.append(decision)
        if decision.effect:
            return made
        nonce = f"nonce-{number}"
        self.answer(guest, number, 401, method, nonce=nonce)
        made.code = 401
        decision, number = self.ask(guest, method, nonce=nonce, extra=extra)
        made.decisions.append(decision)
        if decision.effect:
            return made
        made.code = 200 if right else refusal
        bound = [("Contact", f"<sip:x@{guest.src}>;expires={expires}")] if right else []
        again = f"{nonce}-again" if made.code == 401 else ""
        made.answer = self.answer(guest, number, made.code, method, extra=bound, nonce=again)
        return made

    def key(self, src: str = STRANGER, port: int = 5060) -> int:
        """The key of an ``address . port``."""
        return PLAIN.examine_raw(datagram(message(), src, PBX6 if ":" in src else PBX, port), LINK_RAW, 0).port_key(
            False
        )

    def standing(self, src: str = STRANGER, port: int = 5060) -> Standing:
        """How far that end is believed now."""
        return self.engine.tracker.standings.of(self.key(src, port), self.ts)
