"""A lawful TCP connection whose segments begin and end anywhere: inside names, values, start lines and bodies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from pcaps.plain import request
from pcaps.synthetic import PBX, START, Endpoint, Frame, ethernet, message, seconds, write

PHONE = Endpoint("203.0.113.40", 49152)

NOTIFY = """
NOTIFY sip:asterisk@192.0.2.10:5060;transport=TCP SIP/2.0
Via: SIP/2.0/TCP 203.0.113.40:49152;branch=z9hG4bKsipfrag;rport
Max-Forwards: 70
From: <sip:1001@192.0.2.10>;tag=5b2c
To: <sip:1002@192.0.2.10>;tag=as77
Call-ID: a-transfer@203.0.113.40
CSeq: 3 NOTIFY
Event: refer
Subscription-State: active;expires=60
Content-Type: message/sipfrag;version=2.0
"""


class Stream:
    """The phone's side of a connection."""

    def __init__(self) -> None:
        self.sequence = 1000
        self.frames: list[Frame] = []

    def send(self, payload: bytes, flags: str = "PA") -> None:
        """One segment, 10 ms after the one before."""
        head = IP(src=PHONE.address, dst=PBX.address, id=len(self.frames), ttl=57)
        segment = head / TCP(sport=PHONE.port, dport=PBX.port, flags=flags, seq=self.sequence, ack=5000, window=64240)
        if payload:
            segment /= Raw(payload)
        self.frames.append(Frame(START + seconds(len(self.frames) / 100), ethernet(segment)))
        self.sequence += len(payload) + ("S" in flags)

    def cut(self, payload: bytes, *marks: bytes) -> None:
        """A message in segments, cut before each mark."""
        places = [0, *(payload.index(mark) for mark in marks), len(payload)]
        for start, end in pairwise(places):
            self.send(payload[start:end])


def call(name: str) -> bytes:
    """An INVITE over TCP."""
    return request("INVITE", name, PHONE, called="1002").replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")


def frames() -> Iterator[Frame]:
    """The handshake, then messages."""
    stream = Stream()
    stream.send(b"", "S")
    stream.send(b"", "A")
    # A head, and its body in a segment of its own: a body that is a status line, as a transfer has it.
    for status in ("SIP/2.0 100 Trying\n", "SIP/2.0 200 OK\n"):
        stream.cut(message(NOTIFY, status), status.encode()[:-1])
    stream.cut(call("in the start line"), b" SIP/2.0\r\n")
    stream.cut(call("in the method"), b"VITE sip")
    stream.cut(call("before a version that is none"), b"SIP/2.0/TCP")
    stream.cut(call("before the blank before it"), b" SIP/2.0/TCP")
    stream.cut(call("in names and numbers"), b"ia: SIP", b"711 INVITE", b"Length: ", b"\n\r\n", b"m=audio")
    stream.send(call("two in one") + call("segment"))
    for byte in call("byte by byte"):
        stream.send(bytes([byte]))
    stream.send(b"\r\n\r\n")
    yield from stream.frames


if __name__ == "__main__":
    write(__file__, frames())
