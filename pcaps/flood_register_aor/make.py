"""Forty sources send one REGISTER each for the same account in 10 s."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.plain import request
from pcaps.synthetic import PBX, START, Endpoint, Frame, datagram, ethernet, seconds, write


def frames() -> Iterator[Frame]:
    """One every 250 ms."""
    for number in range(40):
        source = Endpoint(f"198.51.100.{10 + number}", 5060 + number)
        payload = request("REGISTER", f"spread {number}", source, "2001")
        yield Frame(START + seconds(number / 4), ethernet(datagram(source, PBX, payload, number)))


if __name__ == "__main__":
    write(__file__, frames())
