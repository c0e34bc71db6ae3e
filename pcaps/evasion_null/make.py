"""A scanner's OPTIONS, IPv4 and IPv6, in BSD loopback frames (DLT 0), in both byte orders."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.scanner import request
from pcaps.synthetic import ATTACKER, ATTACKER6, LINK_NULL, PBX, PBX6, START, Frame, datagram, null, seconds, write


def frames() -> Iterator[Frame]:
    """One a second of each IP version."""
    for number, order in enumerate("<>"):
        for source, target in ((ATTACKER, PBX), (ATTACKER6, PBX6)):
            packet = datagram(source, target, request("plain", source=source, target=target), number)
            yield Frame(START + seconds(number), null(packet, order))


if __name__ == "__main__":
    write(__file__, frames(), LINK_NULL)
