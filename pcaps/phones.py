"""A phone behind NAT and its PBX (as Asterisk answers): registrations, subscriptions, calls, keepalives. One clock for all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pcaps.stacks import Stack, credentials, identifier
from pcaps.synthetic import PBX, START, Endpoint, Frame, datagram, ethernet, key, message, rtp, seconds

SDP = """
v=0
o=- 20083 20083 IN IP4 {host}
s=SDP data
c=IN IP4 {host}
t=0 0
m=audio 11800 RTP/AVP 9 0 8 101
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
"""
_ROUND_TRIP = 0.03
_NOTE = "Messages-Waiting: no\nMessage-Account: sip:*97@pbx.example.net\nVoice-Message: 0/0 (0/0)\n"


@dataclass
class Wire:
    """What passed, in the order in which it was said; times in seconds since the start."""

    frames: list[Frame] = field(default_factory=list)

    def send(self, at: float, source: Endpoint, target: Endpoint, payload: bytes) -> None:
        """One datagram."""
        packet = datagram(source, target, payload, len(self.frames) & 0xFFFF)
        self.frames.append(Frame(START + seconds(at), ethernet(packet)))


@dataclass
class Phone:
    """One account on one device. ``outside`` is its address and port before the NAT, ``local`` behind it."""

    wire: Wire
    stack: Stack
    account: str
    outside: Endpoint
    local: Endpoint
    display: str = "Desk"
    password: str = "kept-by-the-phone"
    requests: int = 0
    to_tag: str = ""
    call: str = ""

    def request(
        self, method: str, user: str = "", extra: str = "", auth: str = "", body: str = "", cseq: int = 0
    ) -> bytes:
        """The next request of this phone; without a user it is for the registrar."""
        self.requests += 1
        stack = self.stack
        who = (self.account, method, self.requests)
        if not self.call:
            self.call = identifier(stack.call, *who, "call")
        text = stack.request.format(
            method=method,
            uri=self.uri(user),
            aor=f"sip:{self.account}@{stack.domain}",
            to=f"sip:{user or self.account}@{stack.domain}",
            to_tag=f";tag={self.to_tag}" if self.to_tag else "",
            branch=identifier(stack.branch, *who, "branch"),
            tag=identifier(stack.tag, self.account, self.call, "tag"),
            call=self.call,
            cseq=cseq or self.requests,
            account=self.account,
            display=self.display,
            host=self.local.address,
            local=f"{self.local.address}:{self.local.port}",
            auth="\0" if not auth else f"Authorization: {auth}",
            extra=extra or "\0",
        )
        return message(text.replace("\0\n", ""), body)

    def uri(self, user: str = "") -> str:
        """The Request-URI for a user of the PBX."""
        return f"sip:{user}@{self.stack.domain}" if user else f"sip:{self.stack.domain}"

    def new_call(self) -> None:
        """Forget the dialog."""
        self.call = self.to_tag = ""

    def asks(self, at: float, payload: bytes) -> None:
        """A datagram to the PBX."""
        self.wire.send(at, self.outside, PBX, payload)

    def hears(self, at: float, payload: bytes) -> None:
        """A datagram from the PBX."""
        self.wire.send(at, PBX, self.outside, payload)

    def challenged(
        self, at: float, method: str, user: str = "", extra: str = "", body: str = "", password: str = ""
    ) -> tuple[float, bytes]:
        """A request, its 401, the request with credentials; when it went, and that request."""
        first = self.request(method, user, extra, body=body)
        nonce = f"{(START // 10**9) + int(at)}/{key(self.account, at)}"
        self.asks(at, first)
        self.hears(
            at + _ROUND_TRIP,
            self.answer(
                first,
                "401 Unauthorized",
                f'WWW-Authenticate: Digest realm="asterisk",nonce="{nonce}",opaque="5f1d6b0e",algorithm=MD5,qop="auth"',
            ),
        )
        if method == "INVITE":
            self.asks(at + 2 * _ROUND_TRIP, self.acknowledge(first))
        auth = credentials(self.stack, method, self.uri(user), self.account, password or self.password, nonce)
        second = self.request(method, user, extra, auth, body)
        self.asks(at + 3 * _ROUND_TRIP, second)
        return at + 4 * _ROUND_TRIP, second

    def acknowledge(self, request: bytes) -> bytes:
        """The ACK of a refused INVITE: the same branch (RFC 3261 17.1.1.3)."""
        lines = [
            line
            for line in request.split(b"\r\n\r\n")[0].split(b"\r\n")
            if re.match(rb"(?i)(via|from|to|call-id|cseq|max-forwards):|INVITE", line)
        ]
        return b"\r\n".join(lines).replace(b"INVITE", b"ACK") + b"\r\nContent-Length: 0\r\n\r\n"

    def answer(self, request: bytes, status: str, extra: str = "", body: str = "") -> bytes:
        """What the PBX says to a request."""
        found = dict(line.split(": ", 1) for line in request.decode().split("\r\n\r\n")[0].split("\r\n")[1:])
        via = re.sub(r";rport(?=;|$)", f";rport={self.outside.port}", found["Via"])
        to = found["To"]
        if status != "100 Trying" and ";tag=" not in to:
            to += f";tag={key(found['Call-ID'], 'to')}"
        lines = f"\n{extra}" if extra else ""
        return message(
            f"""
SIP/2.0 {status}
Via: {via};received={self.outside.address}
Call-ID: {found["Call-ID"]}
From: {found["From"]}
To: {to}
CSeq: {found["CSeq"]}
Server: Asterisk PBX 20.9.3{lines}
""",
            body,
        )

    def register(self, at: float, expires: int = 3600, password: str = "") -> None:
        """Registers; with a password that is not its own it is refused."""
        at, sent = self.challenged(at, "REGISTER", extra=f"Expires: {expires}", password=password)
        contact = f"Contact: <sip:{self.account}@{self.local.address}:{self.local.port}>;expires={expires}"
        accepted = not password
        self.hears(
            at, self.answer(sent, "200 OK" if accepted else "403 Forbidden", contact if accepted and expires else "")
        )

    def subscribe(self, at: float) -> None:
        """Asks for its message lamp; the PBX says that it stays dark."""
        self.new_call()
        at, sent = self.challenged(
            at,
            "SUBSCRIBE",
            self.account,
            "Event: message-summary\nAccept: application/simple-message-summary\nExpires: 3600",
        )
        self.hears(at, self.answer(sent, "200 OK", "Expires: 3600"))
        note = self.from_pbx(
            at,
            "NOTIFY",
            "Event: message-summary\nSubscription-State: active;expires=3600\nContent-Type: application/simple-message-summary",
            _NOTE,
        )
        self.hears(at + _ROUND_TRIP, note)
        self.asks(at + 2 * _ROUND_TRIP, self.replies(note))
        self.new_call()

    def qualify(self, at: float) -> None:
        """The PBX asks whether the phone is there."""
        asked = self.from_pbx(at, "OPTIONS")
        self.hears(at, asked)
        self.asks(at + _ROUND_TRIP, self.replies(asked))

    def from_pbx(self, at: float, method: str, extra: str = "", body: str = "") -> bytes:
        """A request of the PBX, as chan_pjsip writes it."""
        lines = f"\n{extra}" if extra else ""
        return message(
            f"""
{method} sip:{self.account}@{self.local.address}:{self.local.port} SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10:5060;rport;branch=z9hG4bKPj{identifier("{u}", self.account, method, at)}
From: <sip:{self.account}@192.0.2.10>;tag={identifier("{u}", self.account, method, at, "tag")}
To: <sip:{self.account}@{self.local.address}>
Contact: <sip:{self.account}@192.0.2.10:5060>
Call-ID: {identifier("{u}", self.account, method, at, "call")}
CSeq: {1000 + int(at)} {method}{lines}
Max-Forwards: 70
User-Agent: Asterisk PBX 20.9.3
""",
            body,
        )

    def replies(self, request: bytes, status: str = "200 OK", extra: str = "", body: str = "") -> bytes:
        """What the phone says to a request of the PBX."""
        found = dict(line.split(": ", 1) for line in request.decode().split("\r\n\r\n")[0].split("\r\n")[1:])
        agent = re.search(r"(?m)^User-Agent: .*$", self.stack.request)
        lines = f"\n{extra}" if extra else ""
        return message(
            f"""
SIP/2.0 {status}
Via: {found["Via"]}
From: {found["From"]}
To: {found["To"]};tag={key(found["Call-ID"], self.account, size=10)}
Call-ID: {found["Call-ID"]}
CSeq: {found["CSeq"]}
{agent[0] if agent else ""}{lines}
""",
            body,
        )

    def dial(self, at: float, user: str, ending: str = "BYE", packets: int = 60) -> None:
        """Calls ``user``: answered and hung up (BYE), refused (486) or given up (CANCEL)."""
        self.new_call()
        sdp = SDP.format(host=self.local.address)
        at, invite = self.challenged(at, "INVITE", user, "Content-Type: application/sdp", sdp)
        self.hears(at, self.answer(invite, "100 Trying"))
        ring = self.answer(invite, "180 Ringing", "Contact: <sip:192.0.2.10:5060>")
        self.hears(at + 0.2, ring)
        if ending == "BYE":
            self._talk(at + 2, invite, user, packets)
        else:
            at += 2
            status = "486 Busy Here"
            if ending == "CANCEL":
                cancel = self.acknowledge(invite).replace(b"ACK", b"CANCEL")
                self.asks(at, cancel)
                self.hears(at + _ROUND_TRIP, self.answer(cancel, "200 OK"))
                status = "487 Request Terminated"
            refusal = self.answer(invite, status)
            self.hears(at + 2 * _ROUND_TRIP, refusal)
            self.asks(at + 3 * _ROUND_TRIP, self.acknowledge(invite))
        self.new_call()

    def _talk(self, at: float, invite: bytes, user: str, packets: int) -> None:
        accepted = self.answer(
            invite,
            "200 OK",
            "Contact: <sip:192.0.2.10:5060>\nContent-Type: application/sdp",
            SDP.format(host=PBX.address),
        )
        self.hears(at, accepted)
        self.to_tag = key(self.call, "to")
        number = int(re.findall(rb"CSeq: (\d+)", invite)[0])
        self.asks(at + _ROUND_TRIP, self.request("ACK", user, cseq=number))
        here, there = Endpoint(self.outside.address, 11800), Endpoint(PBX.address, 14000)
        for packet in range(packets):
            self.wire.send(at + 0.1 + packet / 50, here, there, rtp(packet, 7))
            self.wire.send(at + 0.11 + packet / 50, there, here, rtp(packet, 8))
        at += packets / 50 + 0.5
        bye = self.request("BYE", user)
        self.asks(at, bye)
        self.hears(at + _ROUND_TRIP, self.answer(bye, "200 OK"))
