"""Requests whose top Via names an address for the answer: his own, and in every way somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.plain import changed, request
from pcaps.synthetic import (
    ATTACKER,
    ATTACKER6,
    PBX,
    PBX6,
    START,
    Frame,
    datagram,
    ethernet,
    seconds,
    write,
)

OWN = (";maddr=198.51.100.7", ';MADDR = "198.51.100.7"', ";maddr=")
OTHERS = (
    ";maddr=203.0.113.40",
    ";rport;maddr=203.0.113.40",
    "; MadDr =203.0.113.40",
    ';maddr="203.0.113.40"',
    ";maddr=198.51.100.7;maddr=203.0.113.40",
    ";maddr=203.0.113.40;maddr=198.51.100.7",
    ';x="a;maddr=203.0.113.40"',
    ";maddr=192.0.2.10",
    ";maddr=phone.example",
    ";maddr=224.0.1.75",
    ";maddr=[2001:db8:3::40]",
)


def frames() -> Iterator[Frame]:
    """One request every 10 s: of the attacker, and one in IPv6 of each sort."""
    number = 0
    for method in ("REGISTER", "INVITE"):
        for parameter in (*OWN, *OTHERS):
            plain = request(method, f"{method} {number}", ATTACKER, called="100" if method == "INVITE" else "")
            text = changed(plain, b";rport", parameter.encode())
            yield Frame(START + seconds(10 * number), ethernet(datagram(ATTACKER, PBX, text, number)))
            number += 1
    for parameter in (";maddr=2001:db8:51::7", ";maddr=2001:db8:3::40"):
        text = changed(request("REGISTER", f"six {number}", ATTACKER6), b";rport", parameter.encode())
        yield Frame(START + seconds(10 * number), ethernet(datagram(ATTACKER6, PBX6, text, number)))
        number += 1


if __name__ == "__main__":
    write(__file__, frames())
