"""A scanner's OPTIONS, IPv4 and IPv6, in Ethernet with VLAN tags: none, one (802.1Q), two (802.1ad), three."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.scanner import request
from pcaps.synthetic import (
    ATTACKER,
    ATTACKER6,
    LINK_ETHERNET,
    PBX,
    PBX6,
    START,
    Frame,
    datagram,
    ethernet,
    seconds,
    write,
)


def frames() -> Iterator[Frame]:
    """One a second of each IP version."""
    for number, vlans in enumerate(((), (7,), (100, 7), (100, 200, 7))):
        for source, target in ((ATTACKER, PBX), (ATTACKER6, PBX6)):
            payload = request(f"{len(vlans)} tags", source=source, target=target)
            yield Frame(START + seconds(number), ethernet(datagram(source, target, payload, number), vlans))


if __name__ == "__main__":
    write(__file__, frames(), LINK_ETHERNET)
