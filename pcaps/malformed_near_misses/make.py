"""What looks like a malformed shape and is none: lawful at its very limit, or odd and harmless. Nothing here may alert."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.plain import changed, request
from pcaps.synthetic import ATTACKER, PBX, START, Frame, datagram, ethernet, seconds, write

_PHRASE = b"SIP/2.0 200 OK"


def changes() -> Iterator[tuple[bytes, bytes]]:
    """What is replaced in a plain OPTIONS, and by what."""
    uri = b"sip:100@192.0.2.10"
    agent = b"User-Agent: Desk phone 7.4\r\n"
    length = b"Content-Length: 0"
    cseq = b"CSeq: 4711 OPTIONS"
    line = b"OPTIONS " + uri + b" SIP/2.0"
    yield b"", b""
    yield length, b"Content-Length:      000   "
    yield length, b"Content-Length: 0\r\nl: 0"
    yield length + b"\r\n", b""
    yield length + b"\r\n\r\n", b"Content-Length: 0\r\n\r\n\r\n\0\0"
    yield length + b"\r\n\r\n", b"Content-Length: 2\r\n\r\nhi and some padding"
    yield cseq, b"CSeq: 0 OPTIONS"
    yield cseq, b"CSeq: 2147483647 OPTIONS"
    yield cseq, b"CSeq: 0000004711 \t OPTIONS"
    yield cseq, b"CSeq:\r\n 4711\r\n\tOPTIONS"
    yield uri, b"sip:100%20%00@192.0.2.10"
    yield uri, b"sip:100@192.0.2.10;x=%41"
    yield uri, b"tel:+44-20-7946-0123"
    yield line, b"OPTIONS sip:100@192.0.2.10;x=" + b"y" * (2048 - 37) + b" SIP/2.0"
    yield agent, b"".join(b"X-%d: y\r\n" % number for number in range(64 - 8))
    yield agent, b"".join(b"Via: SIP/2.0/UDP 10.0.0.%d;branch=z9hG4bK%d\r\n" % (n, n) for n in range(1, 20))
    yield b"Via: SIP/2.0/UDP 198.51.100.7:5060;rport", b"Via: SIP / 2.0\r\n / UDP   198.51.100.7 : 5060 ; rport"
    yield b"Via: SIP/2.0/UDP 198.51.100.7:5060;rport", b"Via: SIP/2.0/UDP [2001:db8:51::7]:5060;rport"
    yield b"Call-ID:", b"Top: 1\r\nTo-Whom: 2\r\nX-To: <sip:other@192.0.2.10>\r\nCall-ID:"
    # RFC 3261 25.1: a quoted pair may hold any ASCII but CR and LF.
    yield b"From: ", b'From: "a\\\0b" '
    yield b"Desk phone 7.4", b"To: From: CSeq: Call-ID:"
    yield b"Desk phone 7.4", b"Desk\r\n phone\r\n\t7.4"
    yield line, _PHRASE
    yield line, b"SIP/2.0 200"
    yield line, b"SIP/2.0 487 Requ\xc3\xaate annul\xc3\xa9e"
    yield line, b"sip/2.0 200 OK"


def frames() -> Iterator[Frame]:
    """One a second; at the end a body with zero bytes, bare line feeds, and what is not SIP though it stands on its port."""
    payloads: list[bytes] = []
    for old, new in changes():
        plain = request("OPTIONS", f"near miss {len(payloads)}", ATTACKER, called="100")
        payloads.append(changed(plain, old, new))
    invite = request("INVITE", "isup", ATTACKER, called="100")
    head = invite[: invite.index(b"\r\n\r\n") + 4].replace(b"application/sdp", b"application/isup;version=nxv3")
    isup = b"\x01\x00\x49\x00\x00\x03\x02\x00\x07\x04\x10\x00\x33\x63\x21\x43\x00\x00"
    length = head[head.index(b"Content-Length") : -4]
    payloads.append(changed(head, length, b"Content-Length: %d" % len(isup)) + isup)
    payloads.append(request("OPTIONS", "bare line feeds", ATTACKER, called="100").replace(b"\r\n", b"\n"))
    payloads += (
        b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: upnp:rootdevice\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 192.0.2.10\r\n\r\n",
        b"\x16\x03\x01\x00\xc5\x01\x00\x00\xc1\x03\x03",
        bytes(range(256)),
    )
    for number, payload in enumerate(payloads):
        yield Frame(START + seconds(number), ethernet(datagram(ATTACKER, PBX, payload, number)))


if __name__ == "__main__":
    write(__file__, frames())
