"""Senders who ask the PBX over IAX2 for what costs it something: POKE, NEW, call tokens, frames of no call, firmware; broken frames."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.synthetic import ATTACKER, PBX, START, Endpoint, Frame, datagram, ethernet, seconds, write
from tests.support.iax2 import PORT, element, full, mini, registers

SWITCH = Endpoint(PBX.address, PORT)
COUNT = 60
WHO = ("pokes", "calls", "tokens", "pings", "media", "firmware", "broken")


def payload(what: str, number: int) -> bytes:
    """The frame of that number."""
    made = {
        "pokes": full("POKE", source=number),
        "calls": full("NEW", [element("version", b"\0\2"), element("called-number", f"{900 + number}")], source=number),
        "tokens": registers("301", source=number),
        "pings": full("PING", source=number, destination=number, timestamp=2000 + number),
        "media": mini(number, 20 * number),
        "firmware": full("FWDOWNL", [element("device-type", "iaxy")], source=number),
        "broken": full("NEW", [element("username", "301", length=200)], source=number),
    }
    return made[what]


def frames() -> Iterator[Frame]:
    """Each sender has a port of its own and sends for three seconds."""
    for place, what in enumerate(WHO):
        sender = Endpoint(ATTACKER.address, 40_000 + place)
        for number in range(1, COUNT + 1):
            at = START + seconds(place * 10 + number / 20)
            yield Frame(at, ethernet(datagram(sender, SWITCH, payload(what, number), place * COUNT + number)))


if __name__ == "__main__":
    write(__file__, frames())
