"""A scanner's OPTIONS, IPv4 and IPv6, in Linux cooked frames (DLT 113)."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.scanner import request
from pcaps.synthetic import ATTACKER, ATTACKER6, LINK_SLL, PBX, PBX6, START, Frame, cooked, datagram, seconds, write


def frames() -> Iterator[Frame]:
    """One a second of each IP version."""
    for number, (source, target) in enumerate(((ATTACKER, PBX), (ATTACKER6, PBX6))):
        packet = datagram(source, target, request("plain", source=source, target=target), number)
        yield Frame(START + seconds(number), cooked(packet))


if __name__ == "__main__":
    write(__file__, frames(), LINK_SLL)
