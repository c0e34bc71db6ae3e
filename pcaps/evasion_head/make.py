"""One scanner's OPTIONS written in every way in which the protected stacks still read its head."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.scanner import MARK, request
from pcaps.synthetic import ATTACKER, PBX, START, Endpoint, Frame, datagram, ethernet, key, message, seconds, write

INNOCENT = "User-Agent: Yealink SIP-T46S 66.86.0.15"


def lines() -> Iterator[tuple[str, bytes]]:
    """Other ways to write the one header line."""
    for name, mark in (
        ("plain", MARK),
        ("name in mixed case", "uSeR-aGeNt: friendly-scanner"),
        ("value in mixed case", "User-Agent: Friendly-SCANNER"),
        ("no space behind the colon", "User-Agent:friendly-scanner"),
        ("tab behind the colon", "User-Agent:\tfriendly-scanner"),
        ("spaces around the value", "User-Agent:      friendly-scanner    "),
        ("space before the colon", "User-Agent : friendly-scanner"),
        ("tabs before the colon", "User-Agent\t\t: friendly-scanner"),
        ("fold behind the colon", "User-Agent:\n friendly-scanner"),
        ("folds and tabs behind the colon", "User-Agent:\n\t\n\t friendly-scanner"),
        ("fold before the colon", "User-Agent\n : friendly-scanner"),
        ("innocent User-Agent before it", f"{INNOCENT}\n{MARK}"),
        ("innocent User-Agent behind it", f"{MARK}\n{INNOCENT}"),
        ("behind a line without a colon", f"this is no header field\n{MARK}"),
        ("behind a header of 6000 bytes", f"X-Padding: {'z' * 6000}\n{MARK}"),
        ("behind 100 headers", "\n".join(f"X-{number}: z" for number in range(100)) + f"\n{MARK}"),
        ("vertical tab before the colon", "User-Agent\v: friendly-scanner"),
        ("NUL in another header", f"X-Null: a\0b\n{MARK}"),
    ):
        yield name, request(name, mark)


def heads() -> Iterator[tuple[str, bytes]]:
    """Other ways to write the whole head."""
    for name, old, new in (
        ("line ends are LF", b"\r\n", b"\n"),
        ("line ends are CR", b"\r\n", b"\r"),
        ("one line end is LF", b"\r\nUser-Agent", b"\nUser-Agent"),
        ("one line end is CR", b"\r\nUser-Agent", b"\rUser-Agent"),
        ("no blank line at the end", b"\r\n\r\n", b"\r\n"),
        ("version in lower case", b" SIP/2.0\r\nVia", b" sip/2.0\r\nVia"),
        ("spaces in the request line", b"OPTIONS sip:1001@192.0.2.10 ", b"OPTIONS  sip:1001@192.0.2.10\t "),
        ("method in lower case", b"OPTIONS sip", b"options sip"),
        ("Content-Length too long", b"Content-Length: 0", b"Content-Length: 900"),
        ("no Content-Length", b"Content-Length: 0\r\n", b""),
        ("one line end is CR CR LF", b"\r\nUser-Agent", b"\r\r\nUser-Agent"),
        ("tabs in the request line", b"OPTIONS sip:1001@192.0.2.10 ", b"OPTIONS\tsip:1001@192.0.2.10\t"),
        ("a quotation without an end", b'From: "1001"', b'From: "1001'),
        ("a line that begins with a colon", b"\r\nUser-Agent", b"\r\n: nameless\r\nUser-Agent"),
        ("a name of other bytes", b"\r\nUser-Agent", b"\r\n\xff\xfe: x\r\nUser-Agent"),
        ("version 2.00", b" SIP/2.0\r\nVia", b" SIP/2.00\r\nVia"),
    ):
        yield name, request(name).replace(old, new)
    yield "leading line ends", b"\r\n\r\n\n" + request("leading line ends")
    yield "leading zero bytes", b"\0\0\0\0" + request("leading zero bytes")
    compact = request("compact names")
    for long, short in (
        (b"Via", b"v"),
        (b"From", b"f"),
        (b"To", b"t"),
        (b"Call-ID", b"i"),
        (b"Contact", b"m"),
        (b"Content-Length", b"l"),
    ):
        compact = compact.replace(b"\r\n" + long + b":", b"\r\n" + short + b":")
    yield "compact names", compact.replace(b"\r\nSubject:", b"\r\ns:")
    yield "unknown method", request("unknown method", method="PROBE")
    for name, lead in (
        ("leading blanks", b"   \t"),
        ("leading byte order mark", b"\xef\xbb\xbf"),
        ("leading control byte", b"\1"),
        # Kamailio 5.6.3 answers the next two: line ends and zero bytes are nothing to it, the cookie is part of an unknown method.
        ("line ends and the cookie of STUN", b"\r\n\r\n\x21\x12\xa4\x42"),
        ("zero bytes and the cookie of STUN", b"\0\0\0\0\x21\x12\xa4\x42"),
    ):
        yield name, lead + request(name)
    # A length that is right, 0x0A00, and still no STUN: the type is made of line ends.
    name = "line ends, a length and the cookie of STUN"
    padded = request(name, f"{MARK}\nX-Padding: ")
    padding = b"X-Padding: " + b"z" * (0x0A00 + 20 - 8 - len(padded))
    yield name, b"\n\n\n\0\x21\x12\xa4\x42" + padded.replace(b"X-Padding: ", padding)


def bodies() -> Iterator[tuple[str, bytes]]:
    """A second message behind the first one's Content-Length, which is true."""
    first = request("innocent first message", INNOCENT)
    yield "second message", first + request("second message")
    yield "second message behind line ends", first + b"\r\n\r\n" + request("second message behind line ends")
    yield "third message", first + first + request("third message")


def identities() -> Iterator[tuple[str, bytes]]:
    """Where the mark is an identity, other ways to write a URI and a quoted string (RFC 3261 19.1.2, 25.1)."""
    for name, display, uri in (
        ("escaped user", "", "sip:%31%30%30@1.1.1.1"),
        ("escape in capital hex, parameters", "", "sip:1%300@1.1.1.1;transport=UDP"),
        ("quoted pairs", r'"\s\i\p\v\i\c\i\o\u\s" ', "sip:7001@192.0.2.10"),
        ("display name folded", '\n\t"sipvicious"\n ', "sip:7002@192.0.2.10"),
        ("display name as a token", "sipvicious ", "sip:7003@192.0.2.10"),
    ):
        yield (
            name,
            message(
                f"""
OPTIONS sip:1001@192.0.2.10 SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK{key(name, "branch", size=16)};rport
Max-Forwards: 70
From: {display}<{uri}>;tag={key(name, "tag", size=8)}
To: {display}<{uri}>
Call-ID: {key(name, "call")}@198.51.100.7
CSeq: 1 OPTIONS
Contact: <sip:1001@198.51.100.7:5060>
Subject: {name}
{INNOCENT}
"""
            ),
        )


def frames() -> Iterator[Frame]:
    """One a second. The last two go from and to ports that are not SIP's."""
    number = 0
    for number, (_, payload) in enumerate((*lines(), *heads(), *bodies(), *identities())):
        yield Frame(START + seconds(number), ethernet(datagram(ATTACKER, PBX, payload, number)))
    for source, target in ((1024, 5060), (61001, 5080)):
        number += 1
        name = f"from port {source} to port {target}"
        payload = request(name, source=Endpoint(ATTACKER.address, source))
        packet = datagram(Endpoint(ATTACKER.address, source), Endpoint(PBX.address, target), payload, number)
        yield Frame(START + seconds(number), ethernet(packet))


if __name__ == "__main__":
    write(__file__, frames())
