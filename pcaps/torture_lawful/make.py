r"""Lawful messages that look wrong, in the spirit of RFC 4475 3.1.1, 3.2, 3.3.4 to 3.3.13 and 3.4, written anew. None may be dropped."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.synthetic import ATTACKER, PBX, START, Frame, datagram, ethernet, message, seconds, write

WHITE_SPACE = """
INVITE sip:marta@192.0.2.10;flag SIP/2.0
TO :
 sip:marta@192.0.2.10 ;   tag    = 20m7
from   : "Ole \\\\ \\"the\\" Brass"       <sip:ole@example.net>
  ;
  tag = k33p
mAx-fOrWaRdS: 0009
CALL-ID	: folds-and-blanks@198.51.100.7
cseq: 00031
  INVITE
Via  : SIP  /   2.0
 /UDP
    198.51.100.7;branch=an-old-branch
s :
Novelty:   begins here
	goes on here
Punctuation: ;,;,,;
Route:
 <sip:edge.example.net;lr;odd=1;odder>
v:  SIP  / 2.0  / TCP     relay.example.net   ;
  branch  =   z9hG4bK-r1  ,
 SIP  /    2.0   / UDP  198.51.100.78   ; branch=
 z9hG4bK-r2
m:"In \\"quotes\\"" <sip:ole@example.net> ; first =
      yes ;
  second ; q = 0.4
"""

WIDE_TOKENS = """
~All-of-a-Token.99%*_+`'! sip:who+is_this.(really)&so=it$/seems?,;:pa$s.w*rd!@192.0.2.10 SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK`_'-.%+!*~
To: "a bell \\\a and a delete \\\x7f" <sip:who+is_this.(really)&so=it$/seems?,;@192.0.2.10>
From: a-token` +another_token' %and*one~more! <sip:plain@example.net>;Odd''~*=.%p+="ὕδωρ";tag=`~*'_+!.%-t
Call-ID: word!%*_+`'~()<>:\\"/[]?{}@another(word)
CSeq: 2147480000 ~All-of-a-Token.99%*_+`'!
Max-Forwards: 255
x-~!%*_+'`.-:\u200b水が飲みたい
"""

ESCAPED = """
INVITE sip:tel%3A%2B4420%40example.net@192.0.2.10 SIP/2.0
To: sip:m%61rta@192.0.2.10
From: <sip:two%20words%09and%20more@example.net>;tag=77
Max-Forwards: 61
i: escapes-everywhere-2026
CSeq: 90210 INVITE
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKescapes
C: application/sdp
Contact: <sip:o%6Ce@198.51.100.7;%66irst=%31;s%65cond=twice%25%34%32>
"""

ESCAPED_NUL = """
REGISTER sip:192.0.2.10 SIP/2.0
To: sip:before%00after@192.0.2.10
From: sip:before%00after@192.0.2.10;tag=78
Max-Forwards: 70
Call-ID: an-escaped-zero-byte
CSeq: 505 REGISTER
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKzero
Contact: <sip:%00@198.51.100.7>
Contact: <sip:%00%00%00@198.51.100.7>
"""

METHOD_WITH_PERCENT = """
OPT%49ONS sip:192.0.2.10 SIP/2.0
To: "100%A" <sip:marta@192.0.2.10>
From: "100%A" <sip:marta@192.0.2.10>;tag=79
Call-ID: a-method-is-never-unescaped
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK%percent
CSeq: 506 OPT%49ONS
Max-Forwards: 70
Contact: <sip:one@198.51.100.7>
Contact: <sip:two@198.51.100.7>
"""

NO_SPACE_BEFORE_ANGLE = """
OPTIONS sip:marta@192.0.2.10 SIP/2.0
To: sip:marta@192.0.2.10
From: ole<sip:ole@example.net>;tag=80
Max-Forwards: 70
Call-ID: close-together@198.51.100.7
CSeq: 507 OPTIONS
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKclose
"""

SEMICOLON_IN_USER = """
OPTIONS sip:marta;desk=2%40office@192.0.2.10 SIP/2.0
To: sip:front_desk@192.0.2.10
From: sip:ole@example.net;tag=81
Max-Forwards: 4
Call-ID: parameters-of-a-user
CSeq: 508 OPTIONS
Accept: application/sdp, message/sipfrag,
        multipart/alternative
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKsemicolon
"""

TRANSPORTS = """
OPTIONS sip:marta@192.0.2.10 SIP/2.0
To: sip:marta@192.0.2.10
From: <sip:ole@example.net>;tag=82
Max-Forwards: 70
Call-ID: five-ways-here
CSeq: 509 OPTIONS
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKhop5
Via: SIP/2.0/TLS-SCTP hop4.example.net;branch=z9hG4bKhop4
Via: SIP/2.0/WSS hop3.example.net;branch=z9hG4bKhop3
Via: SIP/2.0/PIGEON hop2.example.net;branch=z9hG4bKhop2
Via: SIP/2.0/TCP hop1.example.net;branch=z9hG4bKhop1
"""

EMPTY_BRANCH = """
OPTIONS sip:marta@192.0.2.10 SIP/2.0
To: sip:marta@192.0.2.10
From: sip:ole@example.net;tag=83
Max-Forwards: 4
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK
Call-ID: a-cookie-and-no-more
CSeq: 510 OPTIONS
"""

UNKNOWN_SCHEME = """
OPTIONS pneumatic:tube/14 SIP/2.0
To: <isbn:0451450523>
From: <https://www.example.net>;tag=84
Call-ID: other-schemes@a-host-with-hyphens.example.net
CSeq: 511 OPTIONS
Max-Forwards: 70
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKscheme
Contact: <person:Ole_Brass>
"""

UNKNOWN_CREDENTIALS = """
REGISTER sip:192.0.2.10 SIP/2.0
To: sip:marta@192.0.2.10
From: sip:marta@192.0.2.10;tag=85
Max-Forwards: 9
Call-ID: a-scheme-of-tomorrow
CSeq: 512 REGISTER
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKauth
Authorization: Handshake firmness=3, eyes="contact"
"""

LAST_HOP = """
OPTIONS sip:marta@192.0.2.10 SIP/2.0
To: sip:marta@192.0.2.10
From: sip:ole@example.net;tag=86
Call-ID: no-further
CSeq: 513 OPTIONS
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKlast
Max-Forwards: 0
"""

CONTACT_WITH_HEADERS = """
REGISTER sip:192.0.2.10 SIP/2.0
To: sip:marta@192.0.2.10
From: sip:marta@192.0.2.10;tag=8
Max-Forwards: 70
Call-ID: headers-in-a-uri@198.51.100.7
CSeq: 514 REGISTER
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKcontact
M: <sip:marta@example.net?Route=%3Csip:edge.example.net%3E&Subject=x>
L:0
"""

OLD_STYLE = """
INVITE sip:marta@192.0.2.10 SIP/2.0
Via: SIP/2.0/UDP gateway.example.net
From: <sip:+442079460123@198.51.100.7;user=phone>
Record-Route: <sip:marta@192.0.2.10;maddr=proxy.example.net>
To: sip:+442079460456@192.0.2.10;user=phone
Call-ID: before-2002@gateway.example.net
CSeq: 515 INVITE
"""

UTF8_REASON = """
SIP/2.0 200 二百, très bien, всё в порядке
Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKreason
Call-ID: a-reason-in-many-tongues
CSeq: 35 INVITE
From: sip:marta@192.0.2.10;tag=87
To: sip:ole@example.net;tag=88
"""

NO_REASON = """
SIP/2.0 100 \nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKwhy
Call-ID: no-reason-at-all
CSeq: 36 INVITE
From: <sip:marta@192.0.2.10>;tag=89
To: <sip:ole@example.net>;tag=90
Contact: <sip:ole@198.51.100.7>
"""


def long_values() -> str:
    """Many Via, long display names, parameters and extension headers: 3.5 KB of head."""
    name = "X-" + "Extension-" * 30
    vias = "".join(f"Via: SIP/2.0/TCP hop{place}.example.net;branch=z9hG4bK{place}\n" for place in range(12))
    user = "ole-with-a-long-name-" * 16
    return f"""
INVITE sip:marta@192.0.2.10 SIP/2.0
To: "{"Marta of the many titles " * 10}" <sip:marta@192.0.2.10:6000;first={"long" * 25};{"name" * 25}=short>
F: sip:{user}@example.net;tag={"31415926" * 40};{"parameter" * 5}={"value" * 15}
Call-ID: {"long-" * 26}id
CSeq: 3882340 INVITE
{name}: {"value" * 30}
 {"more" * 40}
{vias}Max-Forwards: 70
Contact: <sip:{user}@198.51.100.7>
Content-Type: application/sdp
"""


def several_parts() -> bytes:
    """A body with text and a binary part that holds zero bytes and line ends."""
    binary = bytes(range(256))
    body = (
        b"--part-of-it\r\nContent-Type: text/plain\r\n\r\nRing me.\r\n"
        b"--part-of-it\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        + binary
        + b"\r\n--part-of-it--\r\n"
    )
    head = f"""
MESSAGE sip:marta@192.0.2.10 SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bKparts;rport
Max-Forwards: 70
Route: <sip:198.51.100.7:5080>
Call-ID: in-two-parts
From: <sip:ole@example.net>;tag=91
To: <sip:marta@192.0.2.10>
CSeq: 1 MESSAGE
Content-Type: multipart/mixed;boundary=part-of-it
Content-Length: {len(body)}
"""
    return message(head) + body


def messages() -> Iterator[bytes]:
    """Each message once."""
    sdp = "v=0\no=- 1 1 IN IP4 198.51.100.7\ns=-\nc=IN IP4 198.51.100.7\nt=0 0\nm=audio 49217 RTP/AVP 0\n"
    yield message(WHITE_SPACE + "Content-Type: application/sdp", sdp)
    yield message(WIDE_TOKENS)
    yield message(ESCAPED, sdp)
    yield message(ESCAPED_NUL)
    yield message(METHOD_WITH_PERCENT)
    yield message(NO_SPACE_BEFORE_ANGLE)
    yield message(long_values(), sdp)
    # One message with octets behind its end, which is what Content-Length is for.
    yield message(ESCAPED_NUL) + message(SEMICOLON_IN_USER)
    yield message(SEMICOLON_IN_USER)
    yield message(TRANSPORTS)
    yield several_parts()
    yield message(EMPTY_BRANCH)
    yield message(UNKNOWN_SCHEME)
    yield message(UNKNOWN_CREDENTIALS)
    yield message(LAST_HOP)
    yield message(CONTACT_WITH_HEADERS)
    yield message(OLD_STYLE + "Content-Type: application/sdp", sdp)
    yield message(UTF8_REASON)
    yield message(NO_REASON)


def frames() -> Iterator[Frame]:
    """One a second."""
    for number, payload in enumerate(messages()):
        yield Frame(START + seconds(number), ethernet(datagram(ATTACKER, PBX, payload, number)))


if __name__ == "__main__":
    write(__file__, frames())
