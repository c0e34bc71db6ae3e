"""How real stacks write a request: order of header fields, forms of URIs and ids.

After captures and manuals of each; the numbers are made up. Between braces in a form: ``d`` decimal digits, ``x`` hex, ``X`` capital
hex, ``u`` a UUID, ``b`` letters of base64, with a length. ``{auth}`` and ``{extra}`` are lines of their own, or nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from uuid import UUID

from pcaps.synthetic import key


@dataclass(frozen=True)
class Stack:
    """A product: its ids, and a request of it. ``domain`` is how it writes the registrar in URIs."""

    request: str
    branch: str
    tag: str
    call: str
    domain: str = "pbx.example.net"
    spaced_credentials: bool = True


def identifier(form: str, *parts: object) -> str:
    """``form`` filled with digits that depend on ``parts`` alone."""

    def fill(match: re.Match[str]) -> str:
        digits = key(*parts, match.start(), size=64)
        size = int(match[2] or 32)
        match match[1]:
            case "d":
                return str(int(digits, 16))[1 : size + 1]
            case "X":
                return digits[:size].upper()
            case "u":
                return str(UUID(digits[:32], version=4))
            case "b":
                return (
                    base64.urlsafe_b64encode(bytes.fromhex(digits)).decode().replace("_", "x").replace("-", "y")[:size]
                )
            case _:
                return digits[:size]

    return re.sub(r"\{([dxXub])(\d*)\}", fill, form)


def credentials(stack: Stack, method: str, uri: str, account: str, password: str, nonce: str) -> str:
    """The value of an Authorization for the PBX's challenge (RFC 2617 3.2.2, qop auth)."""
    first = hashlib.md5(f"{account}:asterisk:{password}".encode(), usedforsecurity=False).hexdigest()
    second = hashlib.md5(f"{method}:{uri}".encode(), usedforsecurity=False).hexdigest()
    client = key("cnonce", nonce, size=16)
    response = hashlib.md5(
        f"{first}:{nonce}:00000001:{client}:auth:{second}".encode(), usedforsecurity=False
    ).hexdigest()
    parts = (
        f'Digest username="{account}"',
        'realm="asterisk"',
        f'nonce="{nonce}"',
        f'uri="{uri}"',
        f'response="{response}"',
        "algorithm=MD5",
        f'cnonce="{client}"',
        "qop=auth",
        "nc=00000001",
    )
    return (", " if stack.spaced_credentials else ",").join(parts)


YEALINK = Stack(
    branch="z9hG4bK{d10}",
    tag="{d10}",
    call="0_{d10}@192.168.1.31",
    domain="pbx.example.net:5060",
    request="""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {local};branch={branch}
From: "{display}" <{aor}>;tag={tag}
To: <{to}>{to_tag}
Call-ID: {call}
CSeq: {cseq} {method}
Contact: <sip:{account}@{local}>
{auth}
Allow: INVITE, INFO, PRACK, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REGISTER, SUBSCRIBE, REFER, PUBLISH, UPDATE, MESSAGE
Max-Forwards: 70
User-Agent: Yealink SIP-T46S 66.86.0.15
{extra}
Allow-Events: talk,hold,conference,refer,check-sync
""",
)

POLYCOM = Stack(
    branch="z9hG4bK{x8}{X8}",
    tag="{X8}-{X8}",
    call="{x32}",
    request="""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {host};branch={branch}
From: "{display}" <{aor}>;tag={tag}
To: <{to}>{to_tag}
CSeq: {cseq} {method}
Call-ID: {call}
Contact: <sip:{account}@{host}>;methods="INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, SUBSCRIBE, NOTIFY, PRACK, UPDATE, REFER"
User-Agent: PolycomVVX-VVX_411-UA/5.9.5.0614
Accept-Language: en
{auth}
Max-Forwards: 70
{extra}
""",
)

GRANDSTREAM = Stack(
    branch="z9hG4bK{d10};rport",
    tag="{d10}",
    call="{d10}-5060-1@BJC.BGI.B.DD",
    request="""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {local};branch={branch}
From: "{display}" <{aor}>;tag={tag}
To: <{to}>{to_tag}
Call-ID: {call}
CSeq: {cseq} {method}
Contact: <sip:{account}@{local}>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000B82AABBCC>"
{auth}
X-Grandstream-PBX: true
Max-Forwards: 70
User-Agent: Grandstream GXP2160 1.0.11.48
Supported: path
{extra}
Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, SUBSCRIBE, NOTIFY, INFO, REFER, UPDATE, MESSAGE
""",
)

ZOIPER = Stack(
    branch="z9hG4bK-524287-1---{x16};rport",
    tag="{x8}",
    call="{b22}..",
    domain="pbx.example.net;transport=UDP",
    spaced_credentials=False,
    request="""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {local};branch={branch}
Max-Forwards: 70
Contact: <sip:{account}@{local};rinstance=7a46f1e12702e7fb;transport=UDP>
To: <{to}>{to_tag}
From: <{aor}>;tag={tag}
Call-ID: {call}
CSeq: {cseq} {method}
{extra}
Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE
Supported: replaces, norefersub, extended-refer, timer, outbound, path
User-Agent: Z 5.6.1 v2.10.19.1
{auth}
Allow-Events: presence, kpml, talk, as-feature-event
""",
)

LINPHONE = Stack(
    branch="z9hG4bK.{b9};rport",
    tag="{b9}",
    call="{b10}",
    request="""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {local};branch={branch}
From: <{aor}>;tag={tag}
To: {to}{to_tag}
CSeq: {cseq} {method}
Call-ID: {call}
Max-Forwards: 70
Supported: replaces, outbound, gruu, path
Accept: application/sdp
Accept: text/plain
Accept: application/vnd.gsma.rcs-ft-http+xml
Contact: <sip:{account}@{local};transport=udp>;+sip.instance="<urn:uuid:3f3c7c5e-0b1a-00a2-9f0e-5f1a2b3c4d5e>"
{extra}
User-Agent: Linphone-Desktop/4.4.10 (desk5) Debian GNU/Linux 12 LinphoneCore/5.1.65
{auth}
""",
)

CISCO = Stack(
    branch="z9hG4bK-{d8}",
    tag="{x16}o0",
    call="{x8}-{x8}@192.168.1.36",
    spaced_credentials=False,
    request="""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {local};branch={branch}
From: "{display}" <{aor}>;tag={tag}
To: <{to}>{to_tag}
Call-ID: {call}
CSeq: {cseq} {method}
Max-Forwards: 70
{auth}
Contact: "{display}" <sip:{account}@{local}>
{extra}
User-Agent: Cisco/SPA504G-7.6.2f
Allow: ACK, BYE, CANCEL, INFO, INVITE, NOTIFY, OPTIONS, REFER, UPDATE
Supported: replaces
""",
)

FREESWITCH = Stack(
    branch="z9hG4bK{b13}",
    tag="{b13}",
    call="{u}",
    request="""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {local};rport;branch={branch}
Max-Forwards: 70
From: <{aor}>;tag={tag}
To: <{to}>{to_tag}
Call-ID: {call}
CSeq: {cseq} {method}
Contact: <sip:gw+trunk7@{local};transport=udp;gw=trunk7>
{extra}
User-Agent: FreeSWITCH-mod_sofia/1.10.9-release~64bit
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY
Supported: timer, path, replaces
{auth}
""",
)

ASTERISK = Stack(
    branch="z9hG4bKPj{u}",
    tag="{u}",
    call="{u}",
    domain="pbx.example.net:5060",
    request="""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {local};rport;branch={branch}
From: <{aor}>;tag={tag}
To: <{to}>{to_tag}
Call-ID: {call}
CSeq: {cseq} {method}
Contact: <sip:{account}@{local};line=ixykwfd>
{extra}
Allow: OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, MESSAGE, REFER
Max-Forwards: 70
User-Agent: Asterisk PBX 20.5.2
{auth}
""",
)

MICROSIP = Stack(
    branch="z9hG4bKPj{x32}",
    tag="{x32}",
    call="{x32}",
    request="""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {local};rport;branch={branch}
Max-Forwards: 70
From: "{display}" <{aor}>;tag={tag}
To: <{to}>{to_tag}
Call-ID: {call}
CSeq: {cseq} {method}
User-Agent: MicroSIP/3.21.3
Supported: outbound, path
Contact: <sip:{account}@{local};ob>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-0000-0000-0000f1e2d3c4>"
{extra}
Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS
{auth}
""",
)
