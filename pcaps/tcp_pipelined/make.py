"""A scanner whose messages begin inside segments, each behind the tail of the one before, and a phone beside it that does the same."""

from __future__ import annotations

from collections.abc import Iterator

from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from pcaps.plain import request
from pcaps.synthetic import PBX, START, Endpoint, Frame, ethernet, seconds, write

PHONE, SCANNER = Endpoint("203.0.113.40", 49152), Endpoint("203.0.113.66", 41000)
MESSAGES = 40


class Connection:
    """Both sides; the PBX acknowledges everything."""

    def __init__(self, remote: Endpoint, begin: float) -> None:
        self.remote, self.time, self.sequence = remote, begin, 1000
        self.frames: list[Frame] = []
        self._add(b"", "S", out=False)
        self.sequence += 1
        self._add(b"", "SA", out=True)
        self._add(b"", "A", out=False)

    def _add(self, payload: bytes, flags: str, *, out: bool) -> None:
        ends = (PBX, self.remote) if out else (self.remote, PBX)
        numbers = (5000 + ("S" not in flags), self.sequence) if out else (self.sequence, 5001 * ("A" in flags))
        packet = IP(src=ends[0].address, dst=ends[1].address, id=len(self.frames), ttl=57) / TCP(
            sport=ends[0].port, dport=ends[1].port, flags=flags, seq=numbers[0], ack=numbers[1], window=64240
        )
        if payload:
            packet /= Raw(payload)
        self.time += 0.01
        self.frames.append(Frame(START + seconds(self.time), ethernet(packet)))

    def send(self, payload: bytes) -> None:
        """A segment and its acknowledgment."""
        self._add(payload, "PA", out=False)
        self.sequence += len(payload)
        self._add(b"", "A", out=True)


def stream(remote: Endpoint, begin: float, agent: bytes) -> list[Frame]:
    """Messages, cut at a place that moves on from one to the next."""
    connection = Connection(remote, begin)
    tail = b""
    for number in range(MESSAGES):
        text = request("OPTIONS", f"pipelined {remote.port} {number}", remote).replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")
        text = text.replace(b"User-Agent: ", b"User-Agent: " + agent, 1)
        if agent and agent not in text:
            text = text.replace(b"Content-Length:", b"User-Agent: " + agent + b"\r\nContent-Length:", 1)
        at = 3 + number * 7
        connection.send(tail + text[:at])
        tail = text[at:]
    connection.send(tail)
    return connection.frames


def frames() -> Iterator[Frame]:
    """One after the other."""
    yield from stream(PHONE, 0, b"")
    yield from stream(SCANNER, 10, b"friendly-scanner")


if __name__ == "__main__":
    write(__file__, frames())
