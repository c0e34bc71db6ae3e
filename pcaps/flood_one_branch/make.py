"""One source tries 60 accounts in 3 s and calls it one transaction: branch, CSeq and Call-ID never change."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.plain import request
from pcaps.synthetic import ATTACKER, PBX, START, Frame, datagram, ethernet, seconds, write


def frames() -> Iterator[Frame]:
    """One every 50 ms."""
    for number in range(60):
        payload = request("REGISTER", "always the same", ATTACKER, str(2000 + number))
        yield Frame(START + seconds(number / 20), ethernet(datagram(ATTACKER, PBX, payload, number)))


if __name__ == "__main__":
    write(__file__, frames())
