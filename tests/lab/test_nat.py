"""Offices: whoever mistypes behind a shared address costs the others nothing, known phones come back all at once, and a PBX that stalls
is no fault of its phones.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.lab.arrivals import Arrivals
from tests.lab.guarded import OWN_NONCES, Guarded, Place, guarded, route_everybody, secret
from tests.lab.network import network, wait_for
from tests.lab.pbx import kamailio
from tests.lab.sensor import GATEWAY, sensor
from tests.lab.softphone import Forger, Softphone, request

BUDGET = 10
OFFICE = 12
OK, REFUSED = 200, 401


@pytest.fixture(scope="module")
def site(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:  # noqa: ARG001
    with guarded(tmp_path_factory.mktemp("nat")) as made:
        yield made


@pytest.fixture
def place(site: Guarded) -> Iterator[Place]:
    with site.place(range(1, 41)) as made:
        yield made


@pytest.fixture
def fresh_start() -> None:
    """The sensor of the module goes on from test to test."""


_accounts = (f"{3300 + number % 700}" for number in itertools.count())


def office(place: Place, count: int = OFFICE, addresses: int = 1) -> list[Softphone]:
    """Phones that are registered, behind so many addresses."""
    phones = []
    for number in range(count):
        account = next(_accounts)
        phones.append(place.phone(1 + number % addresses, account=account, password=secret(account)))
    all_register(phones)
    return phones


def all_register(phones: Sequence[Softphone]) -> None:
    """Each at the first try: nothing is sent again."""
    assert [phone.register() for phone in phones] == [OK] * len(phones)


def cuts(site: Guarded, place: Place) -> list[str]:
    """What was cut of that place, by scope."""
    events = [json.loads(line) for line in site.running.events.read_text().splitlines()]
    ours = place.address(0).removesuffix("0")
    return [
        event["cut"]["scope"] for event in events if event["event_type"] == "cut" and event["src_ip"].startswith(ours)
    ]


def mistypes(phone: Softphone, count: int) -> list[int]:
    """Tries with a wrong password; the answers."""
    return [phone.register(patience=0.05, password="mistyped") for _ in range(count)]


@pytest.mark.parametrize("was_accepted", ["was accepted before", "never was"])
def test_one_with_a_wrong_password_costs_the_others_nothing(site: Guarded, place: Place, was_accepted: str) -> None:
    wrong, *others = office(place)
    if was_accepted == "never was":
        wrong.account = next(_accounts)
    site.arrivals.forget()
    for _ in range(4):
        mistypes(wrong, 10)
        all_register(others)
        assert others[0].works("INVITE") == 404
    assert BUDGET // 2 <= len(site.arrivals.tries(wrong.account)) <= BUDGET
    wait_for(lambda: cuts(site, place) == ["account"], 5, "the cut of that account, and of no other")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_corrected_password_is_in_within_a_minute(place: Place) -> None:
    wrong, *others = office(place)
    for _ in range(20):
        mistypes(wrong, 2)
        time.sleep(1)
    corrected = time.monotonic()
    while wrong.register() != OK:
        assert time.monotonic() - corrected < 60
        all_register(others)
        time.sleep(5)
    assert wrong.register() == OK


def test_500_known_phones_come_back_within_five_seconds(place: Place) -> None:
    phones = office(place, 500, 40)
    start = time.monotonic()
    all_register(phones)
    assert time.monotonic() - start < 5
    rebooted = [
        place.phone(int(phone.end[0].rpartition(".")[2]), account=phone.account, password=phone.password)
        for phone in phones
    ]
    all_register(rebooted)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_they_come_back_right_after_a_restart_of_the_sensor(root: None, folder: Path, how: signal.Signals) -> None:  # noqa: ARG001
    """While strangers use up what there is for names that nobody knows."""
    with contextlib.ExitStack() as ends:
        made = ends.enter_context(network())
        ends.enter_context(kamailio(made.pbx, folder, OWN_NONCES))
        route_everybody(made)
        with sensor(made.gateway, folder, GATEWAY) as before, Arrivals(made.pbx) as arrivals:
            site = Guarded(made, before, arrivals)
            place = ends.enter_context(site.place(range(1, 41)))
            phones = office(place, 100, 40)
            # SIGKILL may cost the last second.
            time.sleep(1.5)
            before.process.send_signal(how)
            before.process.wait(20)
        (folder / "sensor.log").write_text("")
        with sensor(made.gateway, folder, GATEWAY), Forger(made.outside) as forger:
            for number in range(300):
                end = (f"198.19.{number}.1" if number < 250 else f"198.19.{number - 250}.2", 5060)
                forger.send(end, request("REGISTER", f"nobody-{number}", end, 2_000_000 + number))
            start = time.monotonic()
            all_register(phones)
            assert time.monotonic() - start < 5


@contextlib.contextmanager
def stalled(site: Guarded) -> Iterator[None]:
    """Kamailio stops, and goes on in the end: its processes are all that runs on its host."""
    processes = site.network.pbx.processes()
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@pytest.mark.parametrize("seconds", [6, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.timeout(120)])])
def test_no_phone_is_cut_when_the_pbx_stalls(site: Guarded, place: Place, seconds: int) -> None:
    """They go on with the nonce that they have, a new request every half second."""
    phones = office(place)
    challenges = [phone.challenge() for phone in phones]
    with stalled(site):
        for _ in range(2 * seconds):
            for phone, challenge in zip(phones, challenges, strict=True):
                assert challenge is not None
                phone.send(phone.guess(challenge, phone.password)[1])
            time.sleep(0.5)
    assert [phone.works() for phone in phones] == [OK] * len(phones)
    assert cuts(site, place) == []


def test_making_the_pbx_silent_wins_no_guesses(site: Guarded, place: Place) -> None:
    """Somebody in the office has it pass a request on to himself, and answers nothing; then he guesses at his neighbour's account."""
    insider, neighbour = office(place, 2)
    guesser = place.phone(1, account=neighbour.account, password="wrong")
    challenge = guesser.challenge()
    assert challenge is not None
    made = [guesser.guess(challenge, f"guess-{number}")[1] for number in range(500)]
    to_himself = f"MESSAGE sip:me@{insider.end[0]}:{insider.end[1]}".encode()
    _, silent = insider.make("MESSAGE", "Route: <sip:10.71.2.2;lr>")
    insider.send(
        silent.replace(b"MESSAGE sip:600@lab", to_himself).replace(b"To: <sip:600@lab>", b"To: <sip:600@lab>;tag=1")
    )
    time.sleep(2.5)
    site.arrivals.forget()
    for message in made:
        guesser.send(message)
    assert 0 < len(site.arrivals.tries(neighbour.account)) <= 2 * BUDGET
