"""Everybody who means harm, as processes beside the phones of a day: each takes turns with them, and hears what gets through.

Packets that are no datagrams of a phone (fragments, segments, bytes that are nothing) come as ``Raw``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sipsensor.model import Arrival, Packet
from tests.day.phone import Phone
from tests.day.registrar import Registrar
from tests.day.site import Plan, Site
from tests.day.wire import Clock, Process, Sent
from tests.fuzz import mutations
from tests.support.packets import LINK_RAW, TCP, address, fragment6, ipv4, ipv6, message, tcp, udp

PBX = "192.0.2.10"
PBX6 = "2001:db8::10"
PROTECTED = ("192.0.2.0/28", "2001:db8::/64")
AGENTS = ("friendly-scanner", "sipvicious", "pplsip", "sipcli/v1.8", "Z 5.4.12", "VaxSIPUserAgent/3.1", "Asterisk PBX")
METHODS = ("REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "BYE", "ACK", "CANCEL", "NOTIFY", "PUBLISH", "FOO")
BEGIN = 900
"""Seconds."""
_SYN, _ACK, _PUSH, _FIN = 2, 16, 24, 17


@dataclass(slots=True)
class Raw(Sent):
    """A packet as it is; ``wire`` is how long it was where a part of it is missing."""

    whole: bytes = b""
    link: int = LINK_RAW
    wire: int = 0
    arrival: Arrival = Arrival.INBOUND

    def packet(self, ts: int, number: int) -> Packet:
        return Packet(ts, self.whole, self.link, number, self.wire or None, self.arrival)


def raw(whole: bytes, arrival: Arrival = Arrival.INBOUND, link: int = LINK_RAW, wire: int = 0) -> Raw:
    """Of somebody outside, unless told."""
    inbound = arrival is not Arrival.OUTBOUND
    return Raw("", 0, "", 0, b"", inbound, "attack", whole=whole, arrival=arrival, link=link, wire=wire)


class Attacks:
    """They share a clock, a source of chance, and the PBX that they are after."""

    def __init__(self, site: Site, haste: float = 1.0) -> None:
        self.site = site
        self.clock: Clock = site.clock
        self.random: Random = site.random
        self.pbx: Registrar = site.registrars[0]
        self.haste = haste
        self.number = 0

    def begin(self) -> None:
        """All of them, at the same time and for as long as the day lasts; the phones are up by then."""
        kinds: tuple[Callable[[], Process], ...] = (
            self.floods, self.enumerates, self.guesses, self.guesses_behind_the_office, self.scans, self.sends_rubbish, self.mutates,
            self.forges_answers, self.forges_phones, self.sends_pieces, self.sends_pieces6, self.streams, self.answers_late, self.cuts_off,
        )  # fmt: skip
        for place, kind in enumerate(kinds):
            self.clock.spawn(kind(), BEGIN + place)

    # --- parts

    def pause(self, seconds: float) -> float:
        return self.random.uniform(0.2, 1.8) * seconds / self.haste

    def address(self, spread: int = 250) -> str:
        """Somebody's."""
        number = self.random.randrange(spread * spread)
        return f"100.{self.random.randrange(64, 70)}.{number // spread}.{number % spread + 1}"

    def request(self, method: str, user: str, src: str, extra: str = "", branch: str = "", agent: str = "") -> bytes:
        """A request like a tool's."""
        self.number += 1
        number = branch or f"{self.number:x}{self.random.getrandbits(32):08x}"
        lines = {
            "Via": f"SIP/2.0/UDP {src}:5060;branch=z9hG4bK{number};rport",
            "From": f"<sip:{user}@pbx.example.net>;tag={number}",
            "To": f"<sip:{user}@pbx.example.net>",
            "Call-ID": f"c{number}",
            "CSeq": f"{self.random.randrange(1, 9)} {method}",
            "User-Agent": agent or None,
        }
        more = [("Authorization", extra)] if extra else []
        return message(method, "sip:pbx.example.net", change=lines, extra=more)

    def says(self, payload: bytes, src: str, port: int = 5060, *, who: str = "attack") -> Sent:
        return Sent(src, port, PBX, 5060, payload, inbound=True, who=who, bad=True)

    def hears(self, request: bytes, code: int, src: str, port: int = 5060, extra: str = "") -> Sent:
        """The PBX's answer."""
        payload = self.pbx.answer(request, code, (src, port), extra)
        return Sent(PBX, 5060, src, port, payload, inbound=False, who="pbx")

    def credentials(self, account: str, nonce: str) -> str:
        return (
            f'Digest username="{account}", realm="asterisk", nonce="{nonce}", uri="sip:pbx.example.net", '
            f'response="{self.random.getrandbits(128):032x}", algorithm=MD5'
        )

    def tries(self, account: str, src: str, port: int, method: str = "REGISTER") -> Process:
        """One guess: the challenge, then a wrong password, once or twice on the same nonce."""
        first = self.request(method, account, src)
        sent = self.says(first, src, port)
        yield sent
        if sent.dropped:
            return
        yield 0.01
        nonce = self.pbx.nonce()
        yield self.hears(first, 401, src, port, self.pbx.challenged(401, nonce, stale=False))
        for _ in range(self.random.choice((1, 1, 2))):
            yield self.pause(0.1)
            second = self.request(method, account, src, self.credentials(account, nonce))
            sent = self.says(second, src, port)
            for _ in range(self.random.choice((1, 1, 1, 3))):  # sent again at once
                sent.dropped = False
                yield sent
            if not sent.dropped:
                yield 0.02
                yield self.hears(second, self.random.choice((401, 401, 403, 404)), src, port)

    # --- what they do

    def floods(self) -> Process:
        """From forged sources, in bursts: new transactions, and one branch for all."""
        while True:
            method, one = self.random.choice(METHODS), self.random.choice(("", "same"))
            sources = self.random.choice((1, 3, 10_000))
            for _ in range(200):
                src = self.address() if sources > 3 else f"198.51.100.{self.random.randrange(1, sources + 1)}"
                request = self.request(method, str(self.random.randrange(100, 3000)), src, branch=one)
                yield self.says(request, src, self.random.randrange(1024, 65_000) if sources > 3 else 5060)
                yield self.pause(0.002)
            yield self.pause(20)

    def enumerates(self) -> Process:
        """Names one after the other; the PBX knows few of them."""
        for name in range(10**9):
            src = f"198.51.100.{60 + name // 400 % 40}"
            request = self.request(self.random.choice(("REGISTER", "OPTIONS", "INVITE")), str(1000 + name % 3000), src)
            sent = self.says(request, src)
            yield sent
            if not sent.dropped:
                yield 0.01
                code = 401 if name % 11 == 0 else 404
                extra = self.pbx.challenged(401, self.pbx.nonce(), stale=False) if code == 401 else ""
                yield self.hears(request, code, src, extra=extra)
            yield self.pause(0.3)

    def guesses(self) -> Process:
        """Passwords, from a network of his own, until he is cut; then from the next."""
        while True:
            src = f"203.0.113.{self.random.randrange(1, 40)}"
            account = str(2000 + self.random.randrange(20))
            for _ in range(15):
                yield from self.tries(account, src, self.random.choice((5060, 5061)), self.random.choice(METHODS[:2]))
                yield self.pause(0.5)
            yield self.pause(5)

    def guesses_behind_the_office(self) -> Process:
        """From behind the address of honest phones."""
        while True:
            phone: Phone = self.random.choice(self.site.phones)
            yield from self.tries(phone.account, phone.outside[0], self.random.randrange(1024, 65_000))
            yield self.pause(8)

    def scans(self) -> Process:
        while True:
            src, agent = self.address(3), self.random.choice(AGENTS)
            for _ in range(8):
                yield self.says(self.request("OPTIONS", "100", src, agent=agent), src, 5066)
                yield self.pause(0.05)
            yield self.pause(3)

    def sends_rubbish(self) -> Process:
        """Payloads that are no messages, some in the name of a phone."""
        while True:
            phone = self.random.choice(self.site.phones)
            src, port = phone.outside if self.random.random() < 0.3 else (self.address(3), 5060)
            size = self.random.choice((0, 1, 4, 20, 300, 1400))
            yield self.says(self.random.randbytes(size), src, port)
            yield self.pause(1)

    def mutates(self) -> Process:
        """Messages broken at their joints, and packets broken at theirs."""
        seeds = [message(), message("INVITE", body=b"v=0\r\n"), message("REGISTER"), message() + message("BYE")]
        random = self.random
        while True:
            text = mutations.mutate_message(random, random.choice(seeds), seeds)[:8000]
            if random.random() < 0.5:
                yield self.says(text[:60_000], self.address(3), random.choice((5060, 1025)))
            else:
                link, data = mutations.wrap(random, text)
                yield raw(data, link=link, arrival=random.choice(tuple(Arrival)))
            yield self.pause(0.4)

    def forges_answers(self) -> Process:
        """Answers of the PBX that it never sent, and answers to things that it never asked."""
        while True:
            phone = self.random.choice(self.site.phones)
            request = self.request("REGISTER", phone.account, phone.outside[0])
            answer = self.pbx.answer(request, self.random.choice((200, 401, 403)), phone.outside)
            body = ipv4(udp(answer, 5060, phone.outside[1]), PBX, phone.outside[0])
            yield raw(body, self.random.choice((Arrival.FORGED, Arrival.UNKNOWN)))
            yield self.says(answer, *phone.outside)
            yield self.pause(2)

    def forges_phones(self) -> Process:
        """Requests in the name of a phone, on nonces that never went there, and repeated ones of its own."""
        while True:
            phone = self.random.choice(self.site.phones)
            for _ in range(6):
                nonce = self.random.choice((self.pbx.nonce(), "f00", phone.registration.nonce or "x"))
                auth = self.credentials(phone.account, nonce)
                yield self.says(self.request("REGISTER", phone.account, phone.outside[0], auth), *phone.outside)
                yield self.pause(0.1)
            if phone.registration.request:
                yield self.says(phone.registration.request, *phone.outside)
            yield self.pause(4)

    def sends_pieces(self) -> Process:
        """Fragments in any order, some overlapping, some never whole."""
        random = self.random
        while True:
            src, agent = self.address(3), random.choice(AGENTS)
            body = udp(
                self.request("INVITE", "100", src, agent=agent) + random.randbytes(random.choice((0, 900, 3000)))
            )
            ident = random.randrange(1 << 16)
            pieces = self.pieces(body)
            for start, text, more in pieces:
                yield raw(ipv4(text, src, PBX, offset=start, more=more, ident=ident))
                yield self.pause(0.01)
            yield self.pause(2)

    def sends_pieces6(self) -> Process:
        random = self.random
        while True:
            src = f"2001:db8:9:{random.randrange(9):x}::{random.randrange(1, 99):x}"
            body = udp(self.request("REGISTER", "100", f"[{src}]", agent=random.choice(AGENTS)))
            ident = random.randrange(1 << 32)
            for start, text, more in self.pieces(body):
                piece = fragment6(17, text, offset=start, more=more, ident=ident)
                yield raw(ipv6(piece, src, PBX6, next_header=44))
            yield raw(ipv6(body, src, PBX6))
            yield self.pause(2)

    def pieces(self, body: bytes) -> list[tuple[int, bytes, bool]]:
        """Offset, bytes, and whether more follow."""
        random = self.random
        step = 8 * random.randrange(3, 80)
        pieces = [(at, body[at : at + step], at + step < len(body)) for at in range(0, len(body), step)]
        chance = random.random()
        if chance < 0.3:
            random.shuffle(pieces)
        elif chance < 0.4:
            pieces.pop(random.randrange(len(pieces)))
        elif chance < 0.5:
            start, text, more = random.choice(pieces)
            pieces.append((start, text[::-1], more))
        return pieces

    def streams(self) -> Process:
        """Connections: some finished, some forged, messages in segments of any size, several in one, some sent twice."""
        random = self.random
        while True:
            src, port = self.address(3), random.randrange(1024, 65_000)
            ours, theirs = random.getrandbits(32), random.getrandbits(32)
            if random.random() < 0.8:
                yield self._segment(src, port, b"", ours, 0, _SYN)
                yield self._back(src, port, b"", theirs, ours + 1, _SYN | _ACK)
                yield self._segment(src, port, b"", ours + 1, theirs + 1, _ACK)
            agent = random.choice(AGENTS)
            text = b"".join(
                self.request(random.choice(METHODS), "100", src, agent=agent) for _ in range(random.randrange(1, 5))
            )
            at, sent = 0, ours + 1
            while at < len(text):
                size = random.choice((1, 7, 60, 300, 1400, 4000))
                segment = self._segment(src, port, text[at : at + size], sent + at, theirs + 1, _PUSH)
                for _ in range(random.choice((1, 1, 1, 2))):
                    yield segment
                at += len(text[at : at + size])
                if random.random() < 0.5 and not segment.dropped:
                    yield self._back(src, port, b"", theirs + 1, sent + at, _ACK)
            yield self._segment(src, port, b"", sent + at, theirs + 1, _FIN)
            yield self.pause(2)

    @staticmethod
    def _segment(src: str, port: int, text: bytes, sequence: int, acknowledged: int, flags: int) -> Raw:
        body = tcp(text, port, 5060, sequence=sequence % 2**32, acknowledged=acknowledged % 2**32, flags=flags)
        return raw(ipv4(body, src, PBX, protocol=TCP))

    @staticmethod
    def _back(src: str, port: int, text: bytes, sequence: int, acknowledged: int, flags: int) -> Raw:
        body = tcp(text, 5060, port, sequence=sequence % 2**32, acknowledged=acknowledged % 2**32, flags=flags)
        return raw(ipv4(body, PBX, src, protocol=TCP), Arrival.OUTBOUND)

    def answers_late(self) -> Process:
        """Requests whose answers come twice, late, or to somebody else."""
        while True:
            src = f"198.51.100.{self.random.randrange(200, 210)}"
            request = self.request(self.random.choice(METHODS[:4]), str(2000 + self.random.randrange(30)), src)
            yield self.says(request, src)
            yield self.random.choice((0.01, 40, 400)) / self.haste
            for code in self.random.choices((100, 180, 200, 302, 401, 404, 407, 486, 503, 603), k=3):
                extra = self.pbx.challenged(code, self.pbx.nonce(), stale=True) if code in (401, 407) else ""
                yield self.hears(request, code, self.random.choice((src, "198.51.100.211")), extra=extra)
            yield self.pause(3)

    def cuts_off(self) -> Process:
        """Packets of which a part is missing, and what is not SIP at all."""
        random = self.random
        while True:
            whole = ipv4(
                udp(self.request("OPTIONS", "100", self.address(3), agent=random.choice(AGENTS))), self.address(3), PBX
            )
            yield raw(whole[: random.randrange(1, len(whole))], wire=len(whole))
            yield raw(ipv4(udp(bytes(172), 11_800, 16_384), self.address(3), PBX), random.choice(tuple(Arrival)))
            yield raw(address(PBX) * 3)
            yield self.pause(5)


def mixed(seed: int, phones: int = 150, haste: float = 0.2) -> Site:
    """A busy site with all of that going on; what goes wrong in a day goes wrong in its first hour, and it never ends."""
    site = Site(Plan(phones=phones, hours=1, begins=9, calls=40), seed=seed)
    site.plan.hours = 24 * 365
    Attacks(site, haste).begin()
    return site
