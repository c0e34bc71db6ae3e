"""An hour of nine phones and gateways on one PBX: everything that a lawful site does, some mistakes included."""

from __future__ import annotations

from pcaps import stacks
from pcaps.phones import Phone, Wire
from pcaps.synthetic import PBX, Endpoint, stun_binding, write

HOUR = 3600
KEEPALIVE = {1: b"\r\n\r\n", 2: b"\0\0\0\0", 3: b"hello", 5: b"\r\n", 6: b""}
"""What the phones of these places send every minute; the fourth and the last a STUN Binding, the others nothing."""


def phones(wire: Wire) -> list[Phone]:
    """One of each stack, each behind a NAT of its own."""
    kinds = (
        ("Reception", stacks.YEALINK),
        ("Sales", stacks.POLYCOM),
        ("Stock", stacks.GRANDSTREAM),
        ("Home", stacks.ZOIPER),
        ("Laptop", stacks.LINPHONE),
        ("Workshop", stacks.CISCO),
        ("Branch", stacks.FREESWITCH),
        ("Trunk", stacks.ASTERISK),
        ("Window", stacks.MICROSIP),
    )
    return [
        Phone(
            wire,
            stack,
            str(101 + place),
            Endpoint(f"203.0.113.{31 + place}", 5060 if place in {6, 7} else 30000 + 7 * place),
            Endpoint(f"192.168.1.{31 + place}"),
            display,
        )
        for place, (display, stack) in enumerate(kinds)
    ]


def hour() -> Wire:
    """All of it."""
    wire = Wire()
    site = phones(wire)
    for place, phone in enumerate(site):
        for at in range(0, HOUR, 1200):
            phone.register(5 + at + 1.7 * place)
        for at in range(60, HOUR, 600):
            phone.qualify(at + 2.3 * place)
        if place in {0, 1, 2, 5}:
            phone.subscribe(40 + 3 * place)
        for at in range(30, HOUR, 60):
            if place in KEEPALIVE:
                phone.asks(at + place / 10, KEEPALIVE[place])
            elif place in {4, 8}:
                phone.asks(at + place / 10, stun_binding(f"{place} {at}"))
    yealink, _, grandstream, zoiper, _, cisco, freeswitch, _, microsip = site
    yealink.dial(700, "102")
    cisco.dial(900, "00442079460123", packets=40)
    zoiper.dial(1500, "103", "CANCEL")
    grandstream.dial(1900, "101", "486")
    freeswitch.dial(2300, "112", packets=20)
    # Somebody typed the password of another phone, once.
    zoiper.register(2600, password="of another phone")
    zoiper.register(2640)
    # An answer got lost: the same datagram three times (RFC 3261 17.1.2.2).
    when, lost = microsip.challenged(3000, "REGISTER", extra="Expires: 300")
    microsip.asks(when + 0.5, lost)
    microsip.asks(when + 1.5, lost)
    microsip.hears(when + 1.55, microsip.answer(lost, "200 OK", "Contact: <sip:109@192.168.1.39:5060>;expires=300"))
    # Home time.
    yealink.register(3550, expires=0)
    wire.send(3555, PBX, yealink.outside, b"\0\0\0\0")
    return wire


if __name__ == "__main__":
    write(__file__, hour().frames)
