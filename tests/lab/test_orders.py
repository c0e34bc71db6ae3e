"""Orders to a running sensor: what is cut and why, unban that sticks, ban, trust, the mode; all of it in the event log with the user."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.guarded import Guarded, Place, guarded
from tests.lab.network import PBX, wait_for
from tests.support.events import assert_valid

GUESSES = 14


@pytest.fixture(scope="module")
def site(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:  # noqa: ARG001
    with guarded(tmp_path_factory.mktemp("orders")) as made:
        yield made


@pytest.fixture
def place(site: Guarded) -> Iterator[Place]:
    with site.place() as made:
        yield made


@pytest.fixture
def fresh_start() -> None:
    """The sensor of the module goes on from test to test."""


class Sipsensor:
    """The command line, beside the sensor."""

    def __init__(self, site: Guarded) -> None:
        self._site = site

    def text(self, line: str, code: int = 0) -> str:
        found, printed = self._site.running.attempt(line)
        assert found == code, printed
        return printed

    def __call__(self, line: str, code: int = 0) -> dict[str, Any]:
        printed = self.text(f"{line} --json", code)
        said: dict[str, Any] = json.loads(printed[printed.index("{") : printed.rindex("}") + 1])
        return said

    def events(self, kind: str, address: str = "") -> list[dict[str, Any]]:
        """All of that kind so far, of that address; the log is written soon."""
        lines = [json.loads(line) for line in self._site.running.events.read_text().splitlines()]
        assert_valid(lines)
        return [one for one in lines if one["event_type"] == kind and address in one.get("src_ip", "")]


@pytest.fixture
def sipsensor(site: Guarded) -> Sipsensor:
    return Sipsensor(site)


def in_kernel(site: Guarded, kind: str) -> str:
    """The kernel's sets whose names begin with that."""
    listed = site.running.space.run("nft list ruleset")
    return "\n".join(re.findall(rf"set {kind}\w* \{{.*?\n\t\}}", listed, re.DOTALL))


def attack(place: Place) -> None:
    with place.phone(password="wrong") as guesser:
        for _ in range(GUESSES):
            guesser.register(patience=0.3)


def test_an_attack_is_listed_explained_and_lifted(place: Place, sipsensor: Sipsensor, tmp_path: Path) -> None:
    attack(place)
    address = place.address(1)
    (cut,) = [one for one in sipsensor("bans")["cuts"] if one["address"] == address]
    assert (cut["scope"], cut["account"], cut["rule"]) == ("account", place.account, "guessing.account.source")
    said = sipsensor(f"why {address} --pcap {tmp_path}/why.pcap")
    assert said["undo"] == [f"sipsensor unban {address}"]
    assert said["dropped"] >= GUESSES - 11
    assert "guessing.account.source" in {line["rule"] for line in said["said"]}
    assert sipsensor(f"why {place.account}")["cuts"][0]["address"] == address
    kept = (tmp_path / "why.pcap").read_bytes()
    assert b"REGISTER sip:" in kept
    assert place.account.encode() in kept
    assert b'response="' + b"x" * 32 in kept
    phone = place.phone()
    assert phone.works() == 0
    assert address in sipsensor.text(f"unban {address}")
    assert phone.works() == 200
    attack(place)
    assert not [one for one in sipsensor("bans")["cuts"] if one["address"] == address]
    wait_for(lambda: bool(sipsensor.events("uncut", address)), 3, "the event of the order")
    (event,) = sipsensor.events("uncut", address)
    assert event["uncut"]["account"] == place.account
    assert event["sipsensor"]["by"]["uid"] == os.getuid()
    assert sipsensor.events("cut", address)[0]["cut"]["action"] == "blocked"


def test_a_ban_reaches_the_pbx_no_more(place: Place, site: Guarded, sipsensor: Sipsensor) -> None:
    phone, neighbour = place.phone(), place.phone(2)
    assert phone.works() == 200
    address = place.address(1)
    assert sipsensor(f"ban {address} --for 5m")["known_accounts"] == 1
    site.arrivals.forget()
    assert phone.works() == 0
    assert site.arrivals.settled() == []
    assert neighbour.works() == 200
    assert "probe.operator.ban" in sipsensor.text(f"why {address}")
    assert sipsensor(f"unban {address}")["bans"] == [address]
    assert phone.works() == 200
    assert PBX[4] in sipsensor.text(f"ban {PBX[4]}", 2)


def test_the_kernel_drops_whom_the_operator_bans(place: Place, site: Guarded, sipsensor: Sipsensor) -> None:
    stranger, address = place.phone(), place.address(1)
    sipsensor(f"ban {address} --for 5m")
    wait_for(lambda: address in in_kernel(site, "blocked"), 5, "the ban in the kernel")
    wait_for(lambda: site.running.metric('sipsensor_kernel_set_entries{set="blocked"}') >= 1, 5, "its count")
    seen = site.running.metric("sipsensor_packets_total")
    assert stranger.works() == 0
    assert site.running.metric("sipsensor_packets_total") == seen
    assert sipsensor(f"unban {address}")["bans"] == [address]
    wait_for(lambda: stranger.works() == 200, 5, "his return")
    assert address not in in_kernel(site, "blocked")


def test_trust_lets_all_guesses_through_until_untrust(place: Place, site: Guarded, sipsensor: Sipsensor) -> None:
    address = place.address(1)
    sipsensor(f"trust {address} --for 5m")
    site.arrivals.forget()
    attack(place)
    assert len(site.arrivals.tries()) == GUESSES
    wait_for(lambda: address in in_kernel(site, "trusted"), 5, "the trusted queue for him")
    before = site.running.metric('sipsensor_packets_total{queue="trusted"}')
    place.phone().works()
    assert site.running.metric('sipsensor_packets_total{queue="trusted"}') >= before + 2
    assert sipsensor(f"untrust {address}")["orders"] == [address]
    site.arrivals.forget()
    attack(place)
    assert len(site.arrivals.tries()) < GUESSES


def test_the_mode_at_run_time(place: Place, site: Guarded, sipsensor: Sipsensor) -> None:
    sipsensor("observe")
    try:
        site.arrivals.forget()
        attack(place)
        assert len(site.arrivals.tries()) == GUESSES
        assert sipsensor("status")["mode"] == "observe"
        assert site.running.metric('sipsensor_mode{mode="observe"}') == 1
        sipsensor("enforce --for 2s")
        assert sipsensor("status")["reverts"]
        wait_for(lambda: sipsensor("status")["mode"] == "observe", 6, "going back by itself")
        assert "nobody confirmed enforce in time" in site.running.said
        sipsensor("enforce --for 2m")
        assert sipsensor("enforce --confirm")["until"] is None
    finally:
        sipsensor("enforce")
    assert site.running.metric("sipsensor_enforcing") == 1
    wait_for(lambda: len(sipsensor.events("mode")) >= 6, 3, "the events")


def test_cuts_are_counted(place: Place, site: Guarded) -> None:
    before = site.running.metric('sipsensor_cuts_total{family="guessing"}')
    attack(place)
    assert site.running.metric('sipsensor_cuts_total{family="guessing"}') == before + 1
    assert site.running.metric('sipsensor_cuts_in_force{scope="account"}') >= 1
    place.phone(2).works()
    assert site.running.metric('sipsensor_standing{standing="trusted"}') >= 1
