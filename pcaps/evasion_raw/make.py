"""A scanner's OPTIONS, IPv4 and IPv6, in raw IP (DLT 101)."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.scanner import request
from pcaps.synthetic import ATTACKER, ATTACKER6, LINK_RAW, PBX, PBX6, START, Frame, datagram, seconds, write


def frames() -> Iterator[Frame]:
    """One a second of each IP version."""
    for number, (source, target) in enumerate(((ATTACKER, PBX), (ATTACKER6, PBX6))):
        packet = datagram(source, target, request("plain", source=source, target=target), number)
        yield Frame(START + seconds(number), bytes(packet))


if __name__ == "__main__":
    write(__file__, frames(), LINK_RAW)
