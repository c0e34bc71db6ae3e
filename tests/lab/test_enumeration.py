"""Trying out 500 account names like a phone: a handful reach the PBX, however the tries are spread, and known accounts stay reachable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guarded import Guarded, Place, guarded
from tests.lab.softphone import Forger, Softphone, request

SENDER, STRANGERS = 20, 100
COUNT = 500
METHODS = ("OPTIONS", "INVITE", "SUBSCRIBE", "INFO", "STRANGE")


@pytest.fixture
def site(root: None, folder: Path) -> Iterator[Guarded]:  # noqa: ARG001
    """With budgets that nobody has touched: they are for all strangers together."""
    with guarded(folder) as made:
        yield made


@pytest.fixture
def place(site: Guarded) -> Iterator[Place]:
    with site.place(range(1, 8)) as made:
        yield made


@pytest.fixture
def fresh_start() -> None:
    """Each test has a network of its own."""


def names() -> list[str]:
    """None of them is the place's account."""
    return [f"{3300 + number}" for number in range(COUNT)]


def tried(site: Guarded) -> set[str]:
    """The names that the PBX was asked for."""
    return site.arrivals.names() & set(names())


@pytest.mark.parametrize("rate", [250, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("finishes", ["finishes", "never finishes"])
def test_from_one_sender(site: Guarded, place: Place, finishes: str, rate: int) -> None:
    scanner, start = place.phone(password="guess"), time.monotonic()
    for number, scanner.account in enumerate(names(), 1):
        if finishes == "finishes":
            scanner.register(patience=0.8 / rate)
        else:
            scanner.send(scanner.make("REGISTER")[1])
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
    assert 0 < len(tried(site)) <= SENDER
    assert len([one for one in site.arrivals.all() if one.account is None]) <= SENDER


def test_with_other_methods(site: Guarded, place: Place) -> None:
    for method in METHODS:
        scanner = place.phone()
        site.arrivals.forget()
        for scanner.account in names():
            scanner.send(scanner.make(method)[1])
        assert 0 < len(site.arrivals.settled()) <= SENDER, method


class Known:
    """An account that registered before, and moves to new addresses meanwhile."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.hosts = iter(range(2, 8))
        self.moves()

    def moves(self) -> None:
        with self.place.phone(next(self.hosts)) as phone:
            assert phone.register() == 200


def test_with_a_new_port_for_each(site: Guarded, place: Place) -> None:
    known = Known(place)
    for number, name in enumerate(names()):
        with place.phone(account=name) as scanner:
            scanner.send(scanner.make("REGISTER")[1])
        if number % 200 == 199:
            known.moves()
    known.moves()
    assert SENDER < len(tried(site)) <= STRANGERS


def test_in_the_names_of_500_others(site: Guarded, place: Place) -> None:
    known = Known(place)
    with Forger(site.network.outside) as forger:
        for number, name in enumerate(names()):
            end = (f"198.19.{number % 250}.{1 + number // 250}", 5060)
            forger.send(end, request("REGISTER", name, end, 1_000_000 + number))
            if number % 200 == 199:
                known.moves()
    known.moves()
    assert SENDER < len(tried(site)) <= STRANGERS


def test_an_answer_of_the_pbx_gives_the_name_back(site: Guarded, place: Place) -> None:
    """An office that boots: 60 phones with good passwords behind one address."""
    phones: list[Softphone] = [place.phone(account=name, password=f"Vr8-heron-{name}") for name in names()[:60]]
    assert [phone.register() for phone in phones] == [200] * len(phones)
    assert len(tried(site)) == len(phones)
