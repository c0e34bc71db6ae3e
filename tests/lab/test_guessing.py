"""Exactly ten guesses: whoever tries, at whatever pace and in whatever disguise, Kamailio judges the budget and no more.

What reaches the PBX is counted on its own interface. Every try is a whole request of a real phone's, on a nonce that Kamailio gave to
whoever sends it, unless the test says otherwise.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.arrivals import Arrivals
from tests.lab.guarded import Guarded, Place, guarded
from tests.lab.network import ATTACKER, PBX, PHONE, Network
from tests.lab.pbx import PASSWORDS
from tests.lab.sensor import GATEWAY, sensor
from tests.lab.softphone import Challenge, Softphone, addresses

BUDGET = 10
SECOND = "10.71.1.77"

_passwords = (f"guess-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def site(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:  # noqa: ARG001
    with guarded(tmp_path_factory.mktemp("guessing")) as made:
        yield made


@pytest.fixture
def place(site: Guarded) -> Iterator[Place]:
    """Its account was accepted before, from elsewhere."""
    with site.place() as made:
        assert made.phone(2).register() == 200
        site.arrivals.forget()
        yield made


@pytest.fixture
def guesser(place: Place) -> Softphone:
    return place.phone(password="wrong")


@pytest.fixture
def arrivals(site: Guarded) -> Arrivals:
    return site.arrivals


@pytest.fixture
def fresh_start() -> None:
    """The sensor of the module goes on from test to test."""


def spent(arrivals: Arrivals, account: str | None = None) -> None:
    """The budget reached the PBX, or a part of it: who sends many that are refused has other limits to meet first."""
    assert BUDGET // 2 <= len(arrivals.tries(account)) <= BUDGET


def challenge_of(phone: Softphone, method: str = "REGISTER") -> Challenge:
    found = phone.challenge(method)
    assert found is not None
    return found


def burst(phone: Softphone, challenge: Challenge, count: int, change: Callable[[bytes], bytes] = bytes) -> None:
    """So many guesses at once: made before, sent in a row."""
    made = [change(phone.guess(challenge, next(_passwords))[1]) for _ in range(count)]
    for message in made:
        phone.send(message)


def one_transaction(message: bytes) -> bytes:
    """Whatever tells transactions apart is always the same."""
    fixed = ((rb"branch=z9hG4bK\d+", b"branch=z9hG4bKsame"), (rb"CSeq: \d+", b"CSeq: 5"), (rb";tag=\d+", b";tag=1"))
    for pattern, value in fixed:
        message = re.sub(pattern, value, message)
    return message


def removal(message: bytes) -> bytes:
    return message.replace(b"Expires: 300", b"Expires: 0")


@pytest.mark.parametrize("change", [bytes, one_transaction, removal])
def test_a_burst_of_a_thousand(guesser: Softphone, arrivals: Arrivals, change: Callable[[bytes], bytes]) -> None:
    burst(guesser, challenge_of(guesser), 1000, change)
    assert len(arrivals.tries()) == BUDGET


def test_all_methods_share_the_budget(guesser: Softphone, arrivals: Arrivals) -> None:
    for method in ("INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "REGISTER", "INFO", "STRANGE"):
        challenge = challenge_of(guesser, method)
        for _ in range(30):
            guesser.send(guesser.guess(challenge, next(_passwords), method)[1])
    spent(arrivals)


def test_a_domain_behind_the_name_makes_no_other_account(guesser: Softphone, arrivals: Arrivals) -> None:
    challenge = challenge_of(guesser)
    for number in range(100):
        name = f"{guesser.account}@domain{number}"
        guesser.send(guesser.guess(challenge, next(_passwords), account=name)[1])
    spent(arrivals)


def test_credentials_hidden_behind_others(guesser: Softphone, arrivals: Arrivals) -> None:
    challenge = challenge_of(guesser)
    for number in range(300):
        lines = [
            Challenge(realm, challenge.nonce).credentials("REGISTER", "sip:lab", account, next(_passwords))
            for realm, account in (("elsewhere", f"other-{number % 3}"), (challenge.realm, guesser.account))
        ]
        guesser.send(guesser.make("REGISTER", *lines)[1])
    # Of some, the name in front is over its budget first.
    assert 0 < len(arrivals.tries()) <= BUDGET


def serially(guesser: Softphone, rate: int, count: int) -> None:
    """A nonce and a try, again and again; who gets no new nonce takes the last one."""
    challenge, start = challenge_of(guesser), time.monotonic()
    for number in range(1, count + 1):
        challenge = guesser.challenge(patience=0.4 / rate) or challenge
        sent, message = guesser.guess(challenge, next(_passwords))
        guesser.send(message)
        guesser.answer(sent, 0.4 / rate)
        time.sleep(max(0.0, start + number / rate - time.monotonic()))


@pytest.mark.parametrize(
    ("rate", "count"),
    [
        (100, 200),
        (10, 25),
        pytest.param(100, 3000, marks=pytest.mark.slow),
        pytest.param(10, 600, marks=pytest.mark.slow),
        pytest.param(1, 150, marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
    ],
)
def test_one_after_the_other(guesser: Softphone, arrivals: Arrivals, rate: int, count: int) -> None:
    serially(guesser, rate, count)
    spent(arrivals)


def test_the_right_password_after_half_the_budget(place: Place, guesser: Softphone) -> None:
    assert [guesser.register(password=next(_passwords)) for _ in range(BUDGET // 2)] == [401] * (BUDGET // 2)
    assert guesser.register(password=place.phone(1).password) == 200


def test_an_account_of_ones_own_buys_no_guesses_at_others(place: Place, guesser: Softphone, arrivals: Arrivals) -> None:
    own = place.phone(1, account="202", password=PASSWORDS["202"])
    for number in range(60):
        if number % 3 == 0:
            assert own.register() == 200
        guesser.register(patience=0.01, password=next(_passwords))
    spent(arrivals, guesser.account)


@pytest.mark.parametrize("nonce", ["invented", "invented-{}"])
def test_no_challenge_is_ever_asked_for(guesser: Softphone, arrivals: Arrivals, nonce: str) -> None:
    for number in range(500):
        guesser.send(guesser.guess(Challenge("lab", nonce.format(number)), next(_passwords))[1])
    spent(arrivals)


def test_a_nonce_that_the_sensor_never_saw(site: Guarded, guesser: Softphone, arrivals: Arrivals) -> None:
    with Softphone(site.network.pbx, (PBX[4], 0), guesser.account) as neighbour:
        challenge = challenge_of(neighbour)
    burst(guesser, challenge, 500)
    spent(arrivals)


def test_a_new_port_for_each_try(place: Place, arrivals: Arrivals) -> None:
    for _ in range(60):
        with place.phone() as guesser:
            guesser.register(patience=0.01, password=next(_passwords))
    spent(arrivals)


def test_a_new_port_for_each_try_on_one_nonce(place: Place, guesser: Softphone, arrivals: Arrivals) -> None:
    challenge = challenge_of(guesser)
    for _ in range(300):
        with place.phone() as other:
            burst(other, challenge, 1)
    spent(arrivals)


def test_a_new_ipv6_address_for_each_try(site: Guarded, place: Place, arrivals: Arrivals) -> None:
    """All of one /64, which is one customer's."""
    wanted = [f"fd71:1::1:{number:x}" for number in range(1, 41)]
    with addresses(site.network.outside, wanted, 64):
        for address in wanted:
            with Softphone(site.network.outside, (address, 0), place.account) as guesser:
                # A neighbour solicitation that is lost is repeated after a second (RFC 4861 10).
                challenge = guesser.challenge(patience=5)
                assert challenge is not None, address
                burst(guesser, challenge, 1)
    spent(arrivals)


def test_spraying_over_accounts(guesser: Softphone, arrivals: Arrivals) -> None:
    challenge = challenge_of(guesser)
    for number in range(500):
        guesser.send(guesser.guess(challenge, next(_passwords), account=f"{3500 + number}")[1])
    assert len(arrivals.tries()) <= BUDGET


def shared(first: Softphone, second: Softphone) -> Challenge:
    """One nonce that went to both: Kamailio makes them of the second in which it challenges."""
    for _ in range(10):
        challenge = challenge_of(first)
        if challenge == challenge_of(second):
            return challenge
    raise AssertionError("Kamailio gave no two sources the same nonce")


def test_a_nonce_shared_with_a_second_source(lab: Network, folder: Path) -> None:
    """With Kamailio as it is by default."""
    account, right = "201", PASSWORDS["201"]
    with (
        addresses(lab.outside, [SECOND]),
        sensor(lab.gateway, folder, GATEWAY),
        Arrivals(lab.pbx) as arrivals,
        Softphone(lab.outside, (ATTACKER[4], 0), account) as guesser,
        Softphone(lab.outside, (SECOND, 0), account) as other,
        Softphone(lab.outside, (PHONE[4], 0), account, right) as phone,
    ):
        challenge = shared(guesser, other)
        for _ in range(250):
            burst(guesser, challenge, 1)
            burst(other, challenge, 1)
        spent(arrivals)
        # Whose nonce is his own is not locked out by them.
        time.sleep(1.1)
        assert phone.register() == 200
