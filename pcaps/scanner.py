"""A scanner's request whose only mark is its User-Agent, so that a case shows whether that field is read."""

from __future__ import annotations

from pcaps.synthetic import ATTACKER, PBX, Endpoint, key, message

MARK = "User-Agent: friendly-scanner"


def request(
    name: str,
    mark: str = MARK,
    source: Endpoint = ATTACKER,
    target: Endpoint = PBX,
    body: str = "",
    method: str = "OPTIONS",
) -> bytes:
    """An OPTIONS like any other, with ``mark`` among its header lines. Its Subject says which variant it is."""
    return message(
        f"""
{method} sip:1001@{target.host} SIP/2.0
Via: SIP/2.0/UDP {source.host}:{source.port};branch=z9hG4bK{key(name, "branch", size=16)};rport
Max-Forwards: 70
From: "1001" <sip:1001@{target.host}>;tag={key(name, "tag", size=8)}
To: <sip:1001@{target.host}>
Call-ID: {key(name, "call")}@{source.host}
CSeq: 1 {method}
Contact: <sip:1001@{source.host}:{source.port}>
Subject: {name}
{mark}
Accept: application/sdp
""",
        body,
    )
