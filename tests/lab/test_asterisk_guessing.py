"""A real Asterisk 22 behind the sensor: ten guesses and no more, and a nonce that was sent elsewhere by Via maddr wins nothing."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.lab.arrivals import Arrivals
from tests.lab.asterisk import asterisk, tree
from tests.lab.network import ATTACKER, PHONE, Network, network
from tests.lab.pbx import PASSWORDS
from tests.lab.sensor import GATEWAY, Running, sensor
from tests.lab.sid import TreeError
from tests.lab.softphone import Challenge, Forger, Softphone

# The first of them may have to fetch Asterisk.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

BUDGET = 10
ACCOUNT, RIGHT = "201", PASSWORDS["201"]

_passwords = (f"guess-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def lab(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:  # noqa: ARG001
    """The lab's network with Asterisk in place of Kamailio."""
    try:
        tree()
    except TreeError as problem:
        missing("Asterisk", str(problem))
    with network() as made, asterisk(made.pbx, "pbx", tmp_path_factory.mktemp("asterisk")):
        yield made


@pytest.fixture
def running(lab: Network, folder: Path) -> Iterator[Running]:
    with sensor(lab.gateway, folder, GATEWAY) as made:
        yield made


@pytest.fixture
def arrivals(lab: Network, running: Running) -> Iterator[Arrivals]:  # noqa: ARG001 - the sensor stands before it
    with Arrivals(lab.pbx) as made:
        yield made


@pytest.fixture
def guesser(lab: Network, running: Running) -> Iterator[Softphone]:  # noqa: ARG001
    with Softphone(lab.outside, (ATTACKER[4], 0), ACCOUNT) as made:
        yield made


def challenge_of(phone: Softphone) -> Challenge:
    found = phone.challenge()
    assert found is not None
    return found


def test_a_burst_of_a_thousand(guesser: Softphone, arrivals: Arrivals) -> None:
    challenge = challenge_of(guesser)
    made = [guesser.guess(challenge, next(_passwords))[1] for _ in range(1000)]
    for message in made:
        guesser.send(message)
    assert len(arrivals.tries()) == BUDGET


@pytest.mark.parametrize(("rate", "count"), [(100, 1000), (10, 300), (1, 90)])
def test_one_after_the_other(guesser: Softphone, arrivals: Arrivals, rate: int, count: int) -> None:
    challenge, start = challenge_of(guesser), time.monotonic()
    for number in range(1, count + 1):
        challenge = guesser.challenge(patience=0.4 / rate) or challenge
        sent, message = guesser.guess(challenge, next(_passwords))
        guesser.send(message)
        guesser.answer(sent, 0.4 / rate)
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
    assert 0 < len(arrivals.tries()) <= BUDGET


def test_the_right_password_after_half_the_budget(guesser: Softphone) -> None:
    assert [guesser.register(password=next(_passwords)) for _ in range(BUDGET // 2)] == [401] * (BUDGET // 2)
    assert guesser.register(password=RIGHT) == 200


def test_a_challenge_that_is_led_elsewhere_proves_nobody(lab: Network, guesser: Softphone, arrivals: Arrivals) -> None:
    """Asterisk answers to the maddr of a Via: so somebody gets a nonce for a request in the phone's name."""
    with Softphone(lab.outside, (PHONE[4], 5060), ACCOUNT, RIGHT) as phone, Forger(lab.outside) as forger:
        assert phone.works() == 200
        arrivals.forget()
        for turn in range(200):
            number, message = phone.make("REGISTER", call="liar")
            end = f";maddr={guesser.end[0]}".encode()
            forger.send(
                phone.end, message.replace(b";rport", end).replace(b":5060;branch", b":%d;branch" % guesser.end[1])
            )
            answer = guesser.answer(number, 0.05)
            challenge = Challenge.of(answer) if answer is not None else challenge_of(guesser)
            credentials = challenge.credentials("REGISTER", "sip:lab", ACCOUNT, next(_passwords))
            forger.send(phone.end, phone.make("REGISTER", credentials, call="liar")[1])
            if turn % 50 == 49:
                assert phone.works() == 200
                assert phone.works("INVITE") not in {0, 401, 403}
        wrong = [one for one in arrivals.tries() if b"Call-ID: liar" in one.payload]
        assert len(wrong) <= BUDGET
