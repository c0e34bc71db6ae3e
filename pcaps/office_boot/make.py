"""The power is back: 60 phones behind one NAT address register and subscribe within 5 s. All are accepted."""

from __future__ import annotations

from pcaps import stacks
from pcaps.phones import Phone, Wire
from pcaps.synthetic import Endpoint, write

OFFICE = "203.0.113.99"


def boot() -> Wire:
    """Every phone registers; every second one asks for its message lamp a second later."""
    wire = Wire()
    kinds = (stacks.YEALINK, stacks.GRANDSTREAM, stacks.POLYCOM, stacks.CISCO)
    for number in range(60):
        outside, local = Endpoint(OFFICE, 40000 + number), Endpoint(f"192.168.1.{20 + number}")
        phone = Phone(wire, kinds[number % len(kinds)], str(500 + number), outside, local, f"Desk {number}")
        phone.register(number / 12)
        if number % 2:
            phone.subscribe(number / 12 + 1)
    return wire


if __name__ == "__main__":
    write(__file__, boot().frames)
