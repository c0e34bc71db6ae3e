"""A PBX that says nothing, and clients that go on asking as RFC 3261 17.1 lets them: few transactions, many datagrams.

15 REGISTER with 11 datagrams each and 8 INVITE with 7 each, all from one address; one REGISTER without a branch, as RFC 2543 wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.plain import request
from pcaps.synthetic import PBX, START, Endpoint, Frame, datagram, ethernet, seconds, write

NAT = "203.0.113.77"
INVITE_AT = (0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5)
"""Timer A doubles from T1 until timer B fires after 64 * T1 (17.1.1.2)."""
OTHER_AT = (0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
"""Timer E doubles from T1 up to T2 until timer F fires (17.1.2.2)."""


def clients() -> Iterator[tuple[Endpoint, bytes, tuple[float, ...]]]:
    """Where from, what, and when after its start."""
    sources = [Endpoint(NAT, 20000 + number) for number in range(24)]
    for number, source in enumerate(sources[:15]):
        yield source, request("REGISTER", f"again {number}", source, str(300 + number)), OTHER_AT
    for number, source in enumerate(sources[15:23], 15):
        yield source, request("INVITE", f"again {number}", source, str(300 + number), "299"), INVITE_AT
    old = request("REGISTER", "without a branch", sources[23], "399")
    start = old.index(b";rport;branch=")
    yield sources[23], old[:start] + old[old.index(b"\r\n", start) :], OTHER_AT


def frames() -> Iterator[Frame]:
    """Each client starts 0.1 s after the one before."""
    for number, (source, payload, times) in enumerate(clients()):
        for at in times:
            yield Frame(START + seconds(number / 10 + at), ethernet(datagram(source, PBX, payload, number)))


if __name__ == "__main__":
    write(__file__, frames())
