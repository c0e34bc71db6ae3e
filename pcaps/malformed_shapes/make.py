"""One packet for each malformed shape that has a rule: a plain OPTIONS with one thing wrong."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.plain import changed, request
from pcaps.synthetic import ATTACKER, PBX, START, Frame, datagram, ethernet, seconds, write


def shapes() -> Iterator[tuple[str, bytes, bytes]]:
    """Rule, what is replaced in the request, and by what."""
    uri = b"sip:100@192.0.2.10"
    line = b"OPTIONS " + uri + b" SIP/2.0"
    agent = b"User-Agent: Desk phone 7.4\r\n"
    yield "malformed.start-line.broken", line, b"OPTIONS " + uri
    yield "malformed.start-line.broken", line, b"OPTIONS"
    yield "malformed.start-line.broken", line, line + b" and more"
    yield "malformed.start-line.status-code", line, b"SIP/2.0 OK"
    yield "malformed.start-line.status-code", line, b"SIP/2.0 2000 OK"
    yield "malformed.start-line.status-code", line, b"SIP/2.0 099 OK"
    yield "malformed.start-line.parts", line, b"OPTIONS  SIP/2.0"
    yield "malformed.start-line.long", uri, b"sip:100@192.0.2.10;x=" + b"y" * 2020
    yield "malformed.start-line.version", b"OPTIONS " + uri + b" SIP/2.0", b"OPTIONS " + uri + b" SIP/7.0"
    yield "malformed.uri.escape", uri, b"sip:100%4@192.0.2.10"
    yield "malformed.uri.escape", uri, b"sip:100@192.0.2.10;x=%"
    yield "malformed.head.nul", b"Desk phone", b"Desk\0phone"
    yield "malformed.head.many-headers", agent, b"".join(b"X-%d: y\r\n" % number for number in range(60))
    yield (
        "malformed.head.many-headers",
        agent,
        b"".join(b"Via: SIP/2.0/UDP 10.0.0.%d;branch=z9hG4bK%d\r\n" % (n, n) for n in range(1, 21)),
    )
    yield "malformed.head.too-many-headers", agent, b"X: y\r\n" * 2000
    yield "malformed.header.control-before-colon", b"User-Agent:", b"User-Agent\x01:"
    yield "malformed.content-length.impossible", b"Content-Length: 0", b"Content-Length: many"
    yield "malformed.content-length.impossible", b"Content-Length: 0", b"Content-Length: -1"
    yield "malformed.content-length.impossible", b"Content-Length: 0", b"Content-Length: 4294967296"
    yield "malformed.content-length.impossible", b"Content-Length: 0", b"Content-Length: 0\r\nl: 5"
    yield "malformed.content-length.long", b"Content-Length: 0", b"Content-Length: 77"
    yield "malformed.via.unreadable", b"Via: SIP/2.0/UDP 198.51.100.7:5060", b"Via: SIP/2.0/UDP "
    yield "malformed.via.unreadable", b"Via: SIP/2.0/UDP 198.51.100.7:5060", b"Via: 198.51.100.7:5060"
    yield "malformed.cseq.bad", b"CSeq: 4711 OPTIONS", b"CSeq: x OPTIONS"
    yield "malformed.cseq.bad", b"CSeq: 4711 OPTIONS", b"CSeq: 2147483648 OPTIONS"
    yield "malformed.cseq.bad", b"CSeq: 4711 OPTIONS", b"CSeq: -1 OPTIONS"
    yield "malformed.cseq.bad", b"CSeq: 4711 OPTIONS", b"CSeq: 4711 INVITE"
    yield "malformed.cseq.bad", b"CSeq: 4711 OPTIONS", b"CSeq: 4711"
    yield "malformed.to.duplicate", b"Call-ID:", b"t: <sip:other@192.0.2.10>\r\nCall-ID:"
    yield "malformed.header.duplicate", b"Call-ID:", b"From: <sip:other@192.0.2.10>;tag=1\r\nCall-ID:"
    yield "malformed.header.duplicate", b"Call-ID:", b"i: other\r\nCall-ID:"
    yield "malformed.header.duplicate", b"Call-ID:", b"CSeq: 4711 OPTIONS\r\nCall-ID:"
    for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq"):
        yield "malformed.header.missing", b"\r\n" + name + b":", b"\r\nX-" + name + b":"
    yield "evasion.line-ends.ambiguous", b"Desk phone 7.4", b"Desk phone 7.4\rSubject: hidden from some"
    yield "evasion.header.fold-before-colon", b"User-Agent:", b"User-Agent\r\n :"


def frames() -> Iterator[Frame]:
    """One a second; then a start line alone, and a message behind another."""
    number = 0
    for number, (rule, old, new) in enumerate(shapes()):
        plain = request("OPTIONS", f"{rule} {number}", ATTACKER, called="100")
        yield Frame(START + seconds(number), ethernet(datagram(ATTACKER, PBX, changed(plain, old, new), number)))
    both = request("OPTIONS", "one", ATTACKER, called="100") + request("OPTIONS", "two", ATTACKER, called="100")
    for payload in (b"OPTIONS sip:100@192.0.2.10 SIP/2.0\r\n\r\n", both):
        number += 1
        yield Frame(START + seconds(number), ethernet(datagram(ATTACKER, PBX, payload, number)))


if __name__ == "__main__":
    write(__file__, frames())
