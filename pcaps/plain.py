"""Plain requests, one like the other, where a case is about how many there are or about one odd place in them."""

from __future__ import annotations

from pcaps.synthetic import PBX, Endpoint, key, message

SDP = """
v=0
o=- 7 7 IN IP4 198.51.100.7
s=-
c=IN IP4 198.51.100.7
t=0 0
m=audio 30000 RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""


def request(method: str, name: str, source: Endpoint, user: str = "1001", called: str = "") -> bytes:
    """A request of ``user``, for ``called`` where it is a call. ``name`` tells its transaction and dialog from others."""
    target = f"sip:{called}@{PBX.host}" if called else f"sip:{PBX.host}"
    head = f"""
{method} {target} SIP/2.0
Via: SIP/2.0/UDP {source.host}:{source.port};rport;branch=z9hG4bKPj{key(name, "branch")}
Max-Forwards: 70
From: <sip:{user}@{PBX.host}>;tag={key(name, "tag", size=12)}
To: <sip:{called or user}@{PBX.host}>
Call-ID: {key(name, "call")}
CSeq: 4711 {method}
Contact: <sip:{user}@{source.host}:{source.port}>
User-Agent: Desk phone 7.4
"""
    if method == "REGISTER":
        head += "Expires: 3600\n"
    if method == "INVITE":
        return message(head + "Content-Type: application/sdp\n", SDP)
    return message(head)


def changed(payload: bytes, old: bytes, new: bytes) -> bytes:
    """With the first ``old`` replaced. Raises ValueError when there is none: a variant that is none would prove nothing."""
    where = payload.index(old)
    return payload[:where] + new + payload[where + len(old) :]
