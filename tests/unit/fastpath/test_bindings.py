"""For how long a registration is asked for or granted."""

from __future__ import annotations

import pytest

from tests.support.packets import HEADERS, LINK_RAW, datagram, message
from tests.support.scanning import PLAIN

CONTACT = "<sip:201@203.0.113.9>"


def seconds(contact: str | None, *expires: str) -> int:
    extra = [("Contact", contact)] if contact is not None else []
    extra += [("Expires", text) for text in expires]
    others = [(name, value) for name, value in HEADERS if name not in {"Contact", "Expires"}]
    text = message("REGISTER", headers=others, extra=extra)
    return PLAIN.examine_raw(datagram(text), LINK_RAW, 0).expires()


@pytest.mark.parametrize(
    ("contact", "expires", "found"),
    [
        (CONTACT + ";expires=120", (), 120),
        (CONTACT + ";expires=120", ("60",), 120),
        (CONTACT + ";EXPIRES=0;q=1", ("60",), 0),
        (CONTACT + " ; expires = 300", (), 300),
        (CONTACT + ";\r\n expires=300", (), 300),
        (CONTACT + ";expires=60, <sip:b@b>;expires=90", (), 90),
        (CONTACT + ";expires=x", ("60",), 60),
        (CONTACT + ";xexpires=5;expiresx=6", ("60",), 60),
        (CONTACT + ";expires", ("60",), 60),
        (CONTACT + ";expires=12345678901234567890", (), 1_234_567_890),
        (CONTACT, ("60s", "90"), 60),
        (CONTACT, ("soon",), -1),
        (CONTACT, (), -1),
        (None, ("60",), 60),
        (None, (), -1),
        ("*", ("60",), 0),
    ],
)
def test_the_contact_says_it_or_else_the_header(contact: str | None, expires: tuple[str, ...], found: int) -> None:
    assert seconds(contact, *expires) == found
