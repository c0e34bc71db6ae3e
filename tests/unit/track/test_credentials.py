from __future__ import annotations

import pytest

from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.track.credentials import accounts
from tests.support.packets import message, packet
from tests.support.site import Guest, site

EXAMINER = Examiner(Matcher(), (5060,), bytes(16))
NAME = 4711


def request(*texts: str, header: str = "Authorization") -> Examined:
    return EXAMINER.examine(packet(message("REGISTER", extra=[(header, text) for text in texts])))


def keys(*names: str) -> list[int]:
    return sorted(request().key(name.encode()) for name in names)


PLAIN = 'Digest username="201", realm="r", nonce="n", uri="sip:pbx", response="00"'


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("201", "201@pbx"),
        PLAIN.replace(", ", ",\r\n "),
        PLAIN.replace("=", " = "),
        "digest USERNAME=201,nonce=n,response=00",
        PLAIN + r', opaque="back\slash"',
    ],
)
@pytest.mark.parametrize("header", ["Authorization", "Proxy-Authorization"])
def test_a_username_is_an_account(text: str, header: str) -> None:
    assert accounts(request(text, header=header), NAME) == keys("201")


def test_capitals_are_no_matter() -> None:
    assert accounts(request(PLAIN.replace("201", "ALICE")), NAME) == keys("alice")
    assert accounts(request(PLAIN.replace("201", "ALICE@pbx")), NAME) == keys("alice")


def test_each_of_several_is_one() -> None:
    texts = [PLAIN, PLAIN.replace("201", "202"), PLAIN.replace("201", "202@pbx")]
    assert accounts(request(*texts), NAME) == keys("201", "202")


def test_many_are_one_together() -> None:
    texts = [PLAIN.replace("201", str(number)) for number in range(201, 206)]
    assert accounts(request(*texts[:4]), NAME) == keys("201", "202", "203", "204")
    (found,) = accounts(request(*texts), NAME)
    assert accounts(request(*reversed(texts), PLAIN), NAME) == [found]


def test_credentials_without_a_username_are_for_whom_the_request_is_from() -> None:
    assert accounts(request("Bearer eyJhbGciOi"), NAME) == [NAME]
    assert accounts(request("Bearer eyJhbGciOi"), 0) == [1]


AMBIGUOUS = [
    'Digest username="201", username="{}", nonce="n", response="00"',
    'Digest username="{}", username="201", nonce="n", response="00"',
    'Digest x="\\", username="201", y="{}", nonce="n", response="00"',
    'Digest username="\\"{}", username="201", nonce="n", response="00"',
    "Digest username=201 realm={} nonce=n response=00",
    'Digest username="201, nonce="{}", response="00"',
    'username="201", nonce="n{}", response="00"',
    'Digest Digest username="201", nonce="n{}", response="00"',
    "Digest username*=UTF-8''201, nonce=n{}, response=00",
]


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_what_may_be_read_in_two_ways_is_one_account_whatever_it_says(text: str) -> None:
    found = {tuple(accounts(request(text.format(number)), NAME)) for number in range(5)}
    assert len(found) == 1
    assert not found & {tuple(keys("201")), (NAME,)}


@pytest.mark.parametrize(
    "text",
    [
        *AMBIGUOUS,
        'Digest username="201", nonce="n", response="{}", response="00"',
        'Digest username="201", nonce="n", response="00", response="{}"',
        'Digest username="201", nonce="{}", nonce="n", response="00"',
        'Digest username="201"; nonce="n"; response="{}"',
        'Digest username="201" nonce="n" response="{}"',
        "Basic {}",
    ],
)
def test_another_text_is_another_try(text: str) -> None:
    """Also where all of it that we read is the same: the PBX may read the rest."""
    one, again, other = (request(text.format(number)).credentials_key() for number in ("1", "1", "2"))
    assert one == again
    assert one != other


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_guesses_that_may_be_read_in_two_ways_have_a_budget(text: str) -> None:
    """All in one transaction, as if each were the one before it sent again."""
    one = site()
    guest = Guest()
    verdicts = [
        one.ask(guest, number=7, extra=[("Authorization", text.format(number))])[0].verdict for number in range(200)
    ]
    assert 1 <= verdicts.count(verdicts[0]) <= 10
