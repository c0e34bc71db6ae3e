"""A scanner's OPTIONS in IPv6 fragments, its User-Agent in the last one."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.scanner import MARK, request
from pcaps.synthetic import ATTACKER6, PBX6, START, Frame, datagram, ethernet, fragments, seconds, write

PADDING = f"X-Padding: {'z' * 900}\n"
ORDERS = {
    "in order": (0, 1, 2),
    "last first": (2, 0, 1),
    "backwards": (2, 1, 0),
    "one twice": (0, 1, 1, 2),
    "never whole": (0, 2),
}


def frames() -> Iterator[Frame]:
    """Each order a second after the one before."""
    ts = START
    for ident, (name, order) in enumerate(ORDERS.items(), 100):
        pieces = fragments(datagram(ATTACKER6, PBX6, request(name, PADDING + MARK, ATTACKER6, PBX6)), 480, ident)
        for place in order:
            yield Frame(ts, ethernet(pieces[place]))
            ts += seconds(0.01)
        ts += seconds(1)
    # Two datagrams' pieces between each other.
    both = [
        fragments(
            datagram(ATTACKER6, PBX6, request(f"interleaved {ident}", PADDING + MARK, ATTACKER6, PBX6)), 480, ident
        )
        for ident in (200, 201)
    ]
    for pair in zip(*both, strict=True):
        for piece in pair:
            yield Frame(ts, ethernet(piece))
            ts += seconds(0.01)


if __name__ == "__main__":
    write(__file__, frames())
