"""Cuts and trust in the kernel's sets and over restarts: nothing is forgotten, and nobody is cut in a dry run."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from tests.lab.arrivals import Arrivals
from tests.lab.guarded import OWN_NONCES, Place, route_everybody
from tests.lab.network import Namespace, Network, network, wait_for
from tests.lab.pbx import kamailio
from tests.lab.sensor import GATEWAY, Running, sensor
from tests.lab.softphone import Softphone, addresses
from tests.lab.traffic.watch import publish

PAUSE = 0.02
"""Seconds between two packets of a stream."""
SOON = 2.0
"""Seconds within which the kernel knows of a cut."""
_numbers = itertools.count(1)
_passwords = (f"guess-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def site(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:  # noqa: ARG001
    """Each test starts a sensor of its own."""
    with network() as made, kamailio(made.pbx, tmp_path_factory.mktemp("cuts"), OWN_NONCES):
        route_everybody(made)
        yield made


@pytest.fixture
def place(site: Network) -> Iterator[Place]:
    made = Place(site, next(_numbers))
    with addresses(site.outside, [made.address(host) for host in (1, 2)], 32):
        yield made
        made.close()


@pytest.fixture
def fresh_start() -> None:
    """The network of the module goes on from test to test."""


def elements(space: Namespace, name: str) -> str:
    """What a set of ours holds."""
    found, printed = space.attempt(f"nft list set inet sipsensor {name}")
    held = re.search(r"elements = \{(.*?)\}", printed, re.DOTALL) if found == 0 else None
    return held[1] if held else ""


def spray(guesser: Softphone, count: int = 16) -> None:
    """Guesses at many accounts, each refused before the next, on a nonce that went to whoever guesses: what cuts a source."""
    challenge = guesser.challenge()
    assert challenge is not None
    for number in range(count):
        tried, message = guesser.guess(challenge, next(_passwords), account=f"{3500 + number}")
        guesser.send(message)
        guesser.answer(tried, 0.05)


def is_blocked(running: Running, address: str) -> bool:
    return address in elements(running.space, "blocked4")


def cuts(running: Running) -> str:
    return running.order("bans")


def answers(running: Running) -> bool:
    """Does the sensor take orders (again)?"""
    return running.attempt("bans")[0] == 0


def test_who_is_cut_reaches_neither_the_queue_nor_the_pbx(site: Network, place: Place, tmp_path: Path) -> None:
    with sensor(site.gateway, tmp_path, GATEWAY) as running, Arrivals(site.pbx) as arrivals:
        phone = place.phone(2)
        assert phone.register() == 200
        guesser = place.phone(password="wrong")
        spray(guesser)
        wait_for(lambda: is_blocked(running, place.address(1)), SOON, "the source in the kernel's set")
        trusted = elements(running.space, "trusted4")
        assert f"{place.address(2)} . " in trusted
        assert place.address(2) in elements(running.space, "trusted_hosts4")
        arrivals.forget()
        judged = running.metric("sipsensor_packets_total")
        for _ in range(50):
            guesser.send(guesser.make("OPTIONS")[1])
        assert phone.register() == 200
        assert running.metric("sipsensor_packets_total") - judged < 20  # those of the phone, and none of the 50
        assert {one.source for one in arrivals.tries()} == {place.address(2)}


def test_a_flushed_ruleset_is_filled_again_at_once_until_the_unban(site: Network, place: Place, tmp_path: Path) -> None:
    with sensor(site.gateway, tmp_path, GATEWAY) as running:
        assert place.phone(2).register() == 200
        spray(place.phone(password="wrong"))
        wait_for(lambda: is_blocked(running, place.address(1)), SOON, "the source in the kernel's set")
        site.gateway.run("nft flush ruleset")
        wait_for(lambda: is_blocked(running, place.address(1)), 5, "the source in the set of the new rules")
        wait_for(lambda: place.address(2) in elements(running.space, "trusted4"), SOON, "the phone in its set")
        site.gateway.run("nft flush set inet sipsensor blocked4")
        wait_for(lambda: is_blocked(running, place.address(1)), 5, "the source in the set that was emptied")
        running.order(f"unban {place.address(1)}")
        wait_for(lambda: not is_blocked(running, place.address(1)), SOON, "the source out of the kernel's set")


@pytest.mark.parametrize(
    "text", ['[bans]\nenforcer = "dry-run"\n', pytest.param('mode = "observe"\n', marks=pytest.mark.slow)]
)
def test_a_dry_run_and_observe_block_nobody(site: Network, place: Place, tmp_path: Path, text: str) -> None:
    observe = text.startswith("mode")
    with sensor(
        site.gateway, tmp_path, GATEWAY if observe else GATEWAY + text, "" if observe else "--enforce"
    ) as running:
        spray(place.phone(password="wrong"))
        wait_for(lambda: place.address(1) in cuts(running), 5, "the cut in the ledger")
        with pytest.raises(AssertionError):
            wait_for(lambda: is_blocked(running, place.address(1)), 3, "what must not come")


def test_a_sensor_that_was_killed_knows_who_is_cut_and_trusted(site: Network, place: Place, tmp_path: Path) -> None:
    with sensor(site.gateway, tmp_path, GATEWAY) as running:
        assert place.phone(2).register() == 200
        spray(place.phone(password="wrong"))
        wait_for(lambda: is_blocked(running, place.address(1)), SOON, "the source in the kernel's set")
        before = running.part("sipsensor-queue")
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: "started again" in running.said, 5, "the next sensor")
        wait_for(lambda: answers(running), 10, "its answers")
        assert running.part("sipsensor-queue") != before
        assert place.address(1) in cuts(running)
        assert is_blocked(running, place.address(1))
        assert "trusted" in running.order(f"why {place.address(2)}")


class Stream:
    """Somebody who goes on and on in a thread of his own: ``once`` until the end, and when each began."""

    def __init__(self, once: Callable[[], int]) -> None:
        self.results: list[tuple[float, int]] = []
        self._once = once
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._end.wait(PAUSE):
            began = time.monotonic()
            self.results.append((began, self._once()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def goes_on(self) -> None:
        """Until some more were sent from now on."""
        wanted = len(self.results) + 20
        wait_for(lambda: len(self.results) >= wanted, 30, "some more packets")


def ask_unheard(phone: Softphone) -> int:
    """A request, and the number of its transaction."""
    number, message = phone.make("OPTIONS")
    phone.send(message)
    return number


def stopped_after(start: float, sent: Stream, arrivals: Arrivals) -> float:
    """Seconds until the first packet was stopped, of which none before was, and none after it came through. Raises AssertionError where one did."""
    came = {int(found[1]) for one in arrivals.settled() if (found := re.search(rb"branch=z9hG4bK(\d+)", one.payload))}
    passed = [number in came for _, number in sent.results]
    first = passed.index(False)
    assert not any(passed[first:]), passed
    return sent.results[first][0] - start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_cuts_and_standing_outlive_all_three_processes(
    site: Network, place: Place, tmp_path: Path, number: signal.Signals
) -> None:
    """Nobody who is cut gets a packet past the new sensor, not even its first; who is trusted loses none."""
    phone, guesser = place.phone(2), place.phone(1, password="wrong")
    with sensor(site.gateway, tmp_path, GATEWAY) as running:
        assert phone.register() == 200
        spray(guesser)
        wait_for(lambda: is_blocked(running, place.address(1)), SOON, "the source in the kernel's set")
        for file in tmp_path.glob("state.db*"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        if number == signal.SIGTERM:
            running.order("ban 198.51.100.0/24")
        running.stop(number)
    start = time.monotonic()
    with Arrivals(site.pbx) as arrivals, ExitStack() as streams:
        guesses = streams.enter_context(Stream(partial(ask_unheard, guesser)))
        calls = streams.enter_context(Stream(partial(phone.register, 10.0)))
        with sensor(site.gateway, tmp_path, GATEWAY) as running:
            assert place.address(1) in cuts(running)
            assert running.metric('sipsensor_standing{standing="trusted"}') == 1
            assert "trusted" in running.order(f"why {place.address(2)}")
            wait_for(lambda: is_blocked(running, place.address(1)), SOON, "the source in the set of the new sensor")
            if number == signal.SIGTERM:
                wait_for(lambda: "198.51.100.0/24" in elements(running.space, "blocked_networks4"), SOON, "the ban")
            guesses.goes_on()
            streams.close()
            took = stopped_after(start, guesses, arrivals)
    assert {status for _, status in calls.results} == {200}
    publish(f"cut-again-{number.name}", {"after the start, s": round(took, 2)})
    assert took < 10


@pytest.mark.slow
def test_the_database_holds_no_account_and_no_password(site: Network, place: Place, tmp_path: Path) -> None:
    with sensor(site.gateway, tmp_path, GATEWAY) as running:
        assert place.phone(2).register() == 200
        spray(place.phone(password="wrong"))
        wait_for(lambda: is_blocked(running, place.address(1)), SOON, "the source in the kernel's set")
        running.stop()
    kept = sqlite3.connect(tmp_path / "state.db")
    text = "\n".join(kept.iterdump())
    kept.close()
    assert "INSERT" in text
    assert "guess-" not in text
    assert "heron" not in text


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + bytes(range(256)) * 20])
def test_a_damaged_or_foreign_database_stops_nothing(
    site: Network, place: Place, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "state.db").write_bytes(content)
    with sensor(site.gateway, tmp_path, GATEWAY) as running:
        assert place.phone(2).register() == 200
        spray(place.phone(password="wrong"))
        wait_for(lambda: is_blocked(running, place.address(1)), SOON, "the source in the kernel's set")
        assert "state.database" in running.said
    aside = list(tmp_path.glob("state.db.corrupt-*"))
    assert [file.read_bytes() for file in aside] == ([content] if content.startswith(b"SQLite") else [])
