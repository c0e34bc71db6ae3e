"""The frequent case of credentials, read in C. What it says nothing of is tests/unit/track/test_credentials.py's."""

from __future__ import annotations

import pytest

from sipsensor.fastpath import names
from sipsensor.fastpath.examined import Examined
from tests.support.packets import LINK_RAW, datagram, message
from tests.support.scanning import PLAIN

USERNAME = names.FIELDS["auth.username"]
PLAINLY = 'Digest username="201", realm="pbx", nonce="n", uri="sip:pbx", response="00"'


def request(*values: str, name: str = "Authorization") -> Examined:
    return PLAIN.examine_raw(datagram(message("REGISTER", extra=[(name, value) for value in values])), LINK_RAW, 0)


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization"])
@pytest.mark.parametrize("text", [PLAINLY, PLAINLY.replace("username", "USERname"), PLAINLY.replace('"201"', "201")])
def test_the_one_name_has_the_key_that_signatures_compare(text: str, name: str) -> None:
    one = request(text, name=name)
    assert [one.plain_username()] == one.keys(USERNAME)
    assert one.plain_username() == one.key(b"201")


@pytest.mark.parametrize(
    "texts",
    [
        (),
        (PLAINLY, PLAINLY),
        ('Digest nonce="n"',),
        (PLAINLY + ', username="202"',),
        (PLAINLY + ', x="a username"',),
        (PLAINLY.replace("201", "201@pbx"),),
        (PLAINLY.replace("201", "2=1"),),
        (PLAINLY.replace("201", '2\\"1'),),
        (PLAINLY.replace("201", "2\\01"),),
        (PLAINLY.replace('realm="pbx"', 'realm="p\\"bx"'),),
    ],
)
def test_of_what_may_be_read_otherwise_it_says_nothing(texts: tuple[str, ...]) -> None:
    assert request(*texts).plain_username() == 0


def test_credentials_for_two_are_not_one() -> None:
    both = [("Authorization", PLAINLY), ("Proxy-Authorization", PLAINLY)]
    one = PLAIN.examine_raw(datagram(message("REGISTER", extra=both)), LINK_RAW, 0)
    assert one.plain_username() == 0


def test_a_line_end_that_is_read_in_two_ways_hides_nobody() -> None:
    text = message("REGISTER", extra=[("Authorization", PLAINLY)]).replace(b"nonce=", b"\rAuthorization: nonce=")
    assert PLAIN.examine_raw(datagram(text), LINK_RAW, 0).plain_username() == 0


def test_the_key_of_all_credentials_tells_every_byte_and_the_order_of_lines() -> None:
    other = PLAINLY.replace("00", "01")
    keys = {
        request(*texts).credentials_key()
        for texts in [(PLAINLY,), (other,), (PLAINLY.upper(),), (PLAINLY, other), (other, PLAINLY), (PLAINLY + other,)]
    }
    assert len(keys) == 6
    assert request(PLAINLY).credentials_key() == request(PLAINLY).credentials_key()
    assert request().credentials_key() == 0
