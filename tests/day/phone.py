"""A phone: one account on one device, as its product writes; registers, subscribes, calls, and tries again when nobody answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from pcaps import stacks
from tests.day.registrar import Registrar, hash_of
from tests.day.wire import Clock, Process, Sent, Steps

KINDS = (
    stacks.YEALINK,
    stacks.GRANDSTREAM,
    stacks.POLYCOM,
    stacks.CISCO,
    stacks.LINPHONE,
    stacks.ZOIPER,
    stacks.MICROSIP,
)
RETRANSMISSIONS = (0.5, 1, 2, 4, 4, 4, 4, 4, 4, 4)
"""Seconds after each datagram of a request that is not answered (RFC 3261 17.1.2.2)."""
SDP = (
    "v=0\r\no=- 20083 20083 IN IP4 {0}\r\ns=call\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 11800 RTP/AVP 9 8 101\r\na={1}\r\n"
)
LOCAL = "192.168.1.30"


@dataclass
class Weather:
    """What the network does to packets, in parts of one."""

    lost_before: float = 0.002
    """Lost on the way to the sensor."""
    lost_behind: float = 0.002
    """The answer, behind the sensor."""


@dataclass
class Talk:
    """What a phone remembers of its registration, or of one call or subscription."""

    call: str
    cseq: int
    nonce: str = ""
    request: bytes = b""
    """What it sent last."""


@dataclass
class Phone:
    """``outside`` is its address and port before the NAT."""

    clock: Clock
    random: Random
    registrar: Registrar
    account: str
    outside: tuple[str, int]
    kind: stacks.Stack = stacks.YEALINK
    login: str = ""
    """The name in its credentials, where it is not the account."""
    sender: str = ""
    """Who registers the account, where it is somebody else (RFC 3261 10.2, third party)."""
    tenant: str = "pbx"
    """The first word of its registrar's domain."""
    expires: int = 3600
    keeps_nonce: bool = True
    right: bool = True
    """Its password."""
    let_in: bool = True
    """The PBX took it since its password was last wrong."""
    powered: bool = True
    weather: Weather = field(default_factory=Weather)
    registration: Talk = field(default_factory=lambda: Talk("", 1))
    corrected: float = 0
    """When its password became right, in seconds of the day."""
    waited: float = -1
    """How long it took from then until it was in."""

    @property
    def who(self) -> str:
        """For messages of tests."""
        return f"{self.account}@{self.outside[0]}:{self.outside[1]}"

    def says(self, payload: bytes, *, bad: bool = False) -> Sent:
        """A datagram to its registrar."""
        return Sent(*self.outside, self.registrar.address, 5060, payload, inbound=True, who=self.who, bad=bad)

    def hears(self, payload: bytes) -> Sent:
        """A datagram from there."""
        return Sent(self.registrar.address, 5060, *self.outside, payload, inbound=False, who=self.who)

    def identifier(self, form: str) -> str:
        """Its product's form, with new digits."""
        return form.partition("{")[0] + f"{self.random.getrandbits(48):015d}"

    def talk(self) -> Talk:
        """A new call, subscription or registration."""
        return Talk(self.identifier(self.kind.call), self.random.randint(1, 60000))

    def boots(self) -> None:
        """Switched on: whatever it knew of its registration is gone."""
        self.registration = self.talk()

    def request(
        self, talk: Talk, method: str, user: str = "", *, extra: str = "", body: str = "", to_tag: str = ""
    ) -> bytes:
        """A new request; without a user it is for the registrar."""
        talk.cseq += method != "ACK"
        kind, domain = self.kind, self.kind.domain.replace("pbx", self.tenant, 1)
        who = self.sender or self.account
        uri = f"sip:{user}@{domain}" if user else f"sip:{domain}"
        auth = ""
        if talk.nonce and method not in ("ACK", "CANCEL"):
            secret = "kept" if self.right else "wrong"
            auth = "Authorization: " + stacks.credentials(kind, method, uri, self.login or who, secret, talk.nonce)
            if not self.registrar.flavour.qop:
                auth = auth.partition(", cnonce")[0].partition(",cnonce")[0]
        text = kind.request.format(
            method=method,
            uri=uri,
            aor=f"sip:{who}@{domain.partition(';')[0]}",
            to=f"sip:{user or self.account}@{domain.partition(';')[0]}",
            to_tag=f";tag={to_tag}" if to_tag else "",
            branch=self.identifier(kind.branch) + (";rport" if "rport" in kind.branch else ""),
            tag=f"{hash_of(talk.call):08x}",
            call=talk.call,
            cseq=talk.cseq,
            account=self.account,
            display="Desk",
            host=LOCAL,
            local=f"{LOCAL}:5060",
            auth=auth,
            extra=extra,
        )
        lines = [line for line in text.split("\n") if line]
        talk.request = ("\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
        return talk.request

    # --- one request

    def ask(self, request: bytes, code: int, extra: str = "", body: str = "", *, bad: bool = False) -> Steps:
        """Send it until the answer ``code`` came."""
        answer = b""
        for wait in RETRANSMISSIONS:
            if self.random.random() < self.weather.lost_before:
                yield wait
                continue
            sent = self.says(request, bad=bad)
            yield sent
            if sent.dropped or self.registrar.down:
                yield wait
                continue
            yield self.random.uniform(0.002, 0.012) + self.registrar.slow
            answer = answer or self.registrar.answer(request, code, self.outside, extra, body)
            yield self.hears(answer)
            if self.random.random() < self.weather.lost_behind:
                yield wait
                continue
            yield self.random.uniform(0.01, 0.08)
            return code
        return 0

    def authenticated(  # noqa: PLR0913 - the parts of a request
        self, talk: Talk, method: str, code: int, user: str = "", *, extra: str = "", body: str = "", reply: str = ""
    ) -> Steps:
        """A request with its challenges, until the PBX says something else; the phone gives up when its password is refused."""
        registrar, flavour = self.registrar, self.registrar.flavour
        asked = flavour.challenge if method == "INVITE" else 401
        for _ in range(4):
            request = self.request(talk, method, user, extra=extra, body=body)
            used = talk.nonce
            fresh = bool(used) and registrar.fresh(used)
            wrong = bool(used) and not self.right
            last = (flavour.wrong if wrong else code) if fresh else asked
            offered = registrar.nonce()
            header = registrar.challenged(last, offered, stale=bool(used) and not wrong) if last in (401, 407) else ""
            bad = bool(used) and (wrong or not self.let_in)
            got = yield from self.ask(request, last, header or reply, bad=bad)
            if method == "INVITE" and got >= 300:
                yield self.says(self.acknowledge(talk))
            talk.nonce = offered if header and got else ("" if got in (0, 403) else talk.nonce)
            if not header or not got or (fresh and wrong):
                return self._done(talk, got)
        return 0

    def _done(self, talk: Talk, code: int) -> int:
        if talk.nonce and self.right and 100 <= code < 300 and not self.let_in:
            self.let_in = True
            self.waited = self.clock.seconds - self.corrected
        if not self.keeps_nonce:
            talk.nonce = ""
        return code

    @staticmethod
    def acknowledge(talk: Talk, method: bytes = b"ACK") -> bytes:
        """The ACK of a refused INVITE, or its CANCEL: the same branch (RFC 3261 17.1.1.3, 9.1)."""
        lines = talk.request.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
        wanted = (b"via:", b"from:", b"to:", b"call-id:", b"max-f", b"cseq:")
        kept = [line for line in lines[1:] if line.lower().startswith(wanted)]
        return b"\r\n".join([lines[0], *kept, b"Content-Length: 0", b"", b""]).replace(b"INVITE", method)

    # --- what it does

    def registers(self, expires: int = -1) -> Steps:
        """Renews its registration, or removes it (0)."""
        seconds = self.expires if expires < 0 else expires
        contact = f"Contact: <sip:{self.account}@{LOCAL}:5060>;expires={seconds}\r\n" if seconds else ""
        return (
            yield from self.authenticated(
                self.registration, "REGISTER", 200, extra=f"Expires: {seconds}", reply=contact
            )
        )

    def lives(self, first: float) -> Process:
        """Registers again and again, for as long as the day lasts; tries again after 30 to 120 s when it is refused."""
        yield first
        self.boots()
        while True:
            if not self.powered:
                yield 1.0
                continue
            code = yield from self.registers()
            yield self.expires * self.random.uniform(0.5, 0.9) if code == 200 else self.random.uniform(30, 120)

    def restarts(self, off: float, on: float) -> Process:
        """No power for so many seconds; then it registers anew."""
        self.powered = False
        yield off
        self.boots()
        yield on
        self.powered = True
        yield from self.registers()

    def subscribes(self, event: str, user: str, code: int = 200) -> Process:
        """Watches a colleague's line (dialog), or its message lamp: the PBX tells the state at once and now and then."""
        talk = self.talk()
        got = yield from self.authenticated(
            talk, "SUBSCRIBE", code, user, extra=f"Event: {event}\nExpires: 3600", reply="Expires: 3600\r\n"
        )
        for _ in range(3 if got == 200 else 0):
            yield from self.notified(event)
            yield self.random.uniform(60, 900)

    def notified(self, event: str) -> Process:
        """The PBX tells it something."""
        number = self.random.getrandbits(40)
        head = (
            f"sip:{self.account}@{LOCAL}:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {self.registrar.address}:5060;rport;branch=z9hG4bKPj{number}\r\n"
            f"From: <sip:{self.account}@{self.registrar.address}>;tag=n{number}\r\nTo: <sip:{self.account}@{LOCAL}>\r\n"
            f"Call-ID: n{number}\r\nCSeq: 7 {{0}}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n"
        )
        method = "OPTIONS" if event == "qualify" else "NOTIFY"
        more = "" if event == "qualify" else f"Event: {event}\r\nSubscription-State: active;expires=3000\r\n"
        yield self.hears(f"{method} {head.format(method)}{more}\r\n".encode())
        yield 0.03
        lines = head.format(method).split("\r\n")[1:]
        yield self.says(("SIP/2.0 200 OK\r\n" + "\r\n".join(lines) + "\r\n").encode())

    def sends(self, method: str, code: int, extra: str = "", user: str = "") -> Process:
        """A request of its own outside of calls, which the PBX challenges: MESSAGE, PUBLISH."""
        yield from self.authenticated(self.talk(), method, code, user, extra=extra)

    def keeps_alive(self, method: str, code: int, extra: str = "") -> Process:
        """A request that keeps the NAT's door open, which the PBX answers without a challenge."""
        yield from self.ask(self.request(self.talk(), method, extra=extra), code)

    def calls(self, user: str, code: int, seconds: float = 20) -> Process:
        """Calls somebody: answered (200), given up (487), or as the code says, with or without ringing first."""
        talk = self.talk()
        rings = code in (180, 200, 480, 486, 487, 603)
        reply = f"Contact: <sip:{user}@{self.registrar.address}:5060>\r\n"
        sdp = SDP.format(LOCAL, "sendrecv")
        got = yield from self.authenticated(
            talk, "INVITE", 180 if rings else code, user, extra="Content-Type: application/sdp", body=sdp, reply=reply
        )
        if got != 180:
            return
        yield self.random.uniform(1, 12)
        invite = talk.request
        if code == 487:
            yield from self.ask(self.acknowledge(talk, b"CANCEL"), 200)
        yield self.hears(self.registrar.answer(invite, code, self.outside, reply, sdp if code == 200 else ""))
        yield 0.03
        if code == 200:
            yield from self._speaks(talk, user, seconds)
        else:
            yield self.says(self.acknowledge(talk))

    def _speaks(self, talk: Talk, user: str, seconds: float) -> Process:
        tag = f"as{hash_of(talk.call):08x}"
        yield self.says(self.request(talk, "ACK", user, to_tag=tag))
        yield seconds
        if self.random.random() < 0.3:  # on hold, and back
            for state in ("sendonly", "sendrecv"):
                body = SDP.format(LOCAL, state)
                request = self.request(
                    talk, "INVITE", user, body=body, to_tag=tag, extra="Content-Type: application/sdp"
                )
                yield from self.ask(request, 200, "", body)
                yield self.says(self.request(talk, "ACK", user, to_tag=tag))
                yield self.random.uniform(5, 40)
        if self.random.random() < 0.5:
            yield from self.ask(self.request(talk, "BYE", user, to_tag=tag), 200)
        else:
            yield from self._hung_up(talk, user, tag)

    def _hung_up(self, talk: Talk, user: str, tag: str) -> Process:
        """The other side hangs up."""
        number = self.random.getrandbits(40)
        head = (
            f"Via: SIP/2.0/UDP {self.registrar.address}:5060;rport;branch=z9hG4bKPj{number}\r\n"
            f"From: <sip:{user}@pbx.example.net>;tag={tag}\r\nTo: <sip:{self.account}@pbx.example.net>;tag={hash_of(talk.call):08x}\r\n"
            f"Call-ID: {talk.call}\r\nCSeq: 102 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        yield self.hears(f"BYE sip:{self.account}@{LOCAL}:5060 SIP/2.0\r\n{head}".encode())
        yield 0.03
        yield self.says(("SIP/2.0 200 OK\r\n" + head).encode())

    def is_called(self, caller: str, code: int) -> Process:
        """The PBX calls it: it rings and says the code."""
        number = self.random.getrandbits(40)
        head = (
            f"Via: SIP/2.0/UDP {self.registrar.address}:5060;rport;branch=z9hG4bKPj{number}\r\n"
            f"From: <sip:{caller}@{self.registrar.address}>;tag=c{number}\r\nTo: <sip:{self.account}@{LOCAL}>{{0}}\r\n"
            f"Call-ID: c{number}\r\nCSeq: 8 {{1}}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        start = f"sip:{self.account}@{LOCAL}:5060 SIP/2.0\r\n"
        yield self.hears(f"INVITE {start}{head.format('', 'INVITE')}".encode())
        for status in (100, 180, code):
            yield 0.05 if status == 100 else self.random.uniform(0.1, 8)
            yield self.says(
                (f"SIP/2.0 {status} Said\r\n" + head.format(";tag=me" if status > 100 else "", "INVITE")).encode()
            )
        yield 0.02
        yield self.hears(f"ACK {start}{head.format(';tag=me', 'ACK')}".encode())
