"""Cuts, their end, and who became trusted, as events."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from sipsensor.export.events import EventLog, Summary, VolumeCap
from sipsensor.export.events.lasting import (
    By,
    address_text,
    ban_event,
    mode_event,
    network_text,
    trust_event,
    unban_event,
)
from sipsensor.model import NANOSECONDS, Decision, Limit, Mode, Packet, Scope
from tests.support.engines import engine
from tests.support.events import assert_valid
from tests.support.packets import STRANGER, wide
from tests.support.site import Guest, Site, behaviours

SIGNED = By(1000, 77)


class Logged(Site):
    """A site whose decisions go into an event log and a summary."""

    def __init__(self, *, mode: Mode = Mode.ENFORCE, cap: VolumeCap | None = None) -> None:
        super().__init__(engine(*behaviours(), mode=mode), start=1_800_000_000)
        self.file = io.BytesIO()
        self.summary = Summary()
        self.log, self.mode = EventLog(self.file, cap), mode

    def process(self, packet: Packet) -> Decision:
        examined = self.engine.examiner.examine(packet)
        decision = self.engine.judge(examined)
        self.log.packet(examined, decision, self.mode)
        self.summary.count(examined, decision)
        return decision

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.file.getvalue().splitlines()]
        assert_valid(lines)
        return [event for event in lines if event["event_type"] == kind]


def guess(site: Site, guest: Guest, tries: int = 30) -> None:
    for _ in range(tries):
        site.register(guest, right=False)
        site.now += 1


@pytest.mark.parametrize(("mode", "action"), [(Mode.ENFORCE, "blocked"), (Mode.OBSERVE, "allowed")])
def test_a_cut_is_told_once_with_its_account_and_rule(mode: Mode, action: str) -> None:
    site = Logged(mode=mode)
    guess(site, Guest('20"1\x07'))
    (event,) = site.events("cut")
    cut = event["cut"]
    assert event["src_ip"] == cut["network"] == STRANGER
    assert (cut["scope"], cut["rule"], cut["times"], cut["action"]) == ("account", "guessing.account.source", 1, action)
    assert cut["account"].startswith("20")
    assert cut["until"] > event["timestamp"]
    (said,) = site.summary.as_object()["cuts"]
    assert said == {
        "scope": "account",
        "src_ip": STRANGER,
        "account": cut["account"],
        "rule": cut["rule"],
        "from": event["timestamp"],
        "until": cut["until"],
    }


def test_a_longer_cut_of_who_comes_back_is_told_too() -> None:
    site = Logged()
    guest = Guest("201")
    guess(site, guest)
    site.now += 4000
    guess(site, guest, 3)
    assert [event["cut"]["times"] for event in site.events("cut")] == [1, 2]


def test_who_becomes_trusted_is_told_once_and_not_at_each_refresh() -> None:
    site = Logged()
    guest = Guest("201", port=40000)
    for _ in range(3):
        assert site.register(guest).code == 200
        site.now += 60
    (event,) = site.events("standing")
    assert (event["src_ip"], event["src_port"], event["standing"]["standing"]) == (STRANGER, 40000, "trusted")
    assert event["standing"]["why"] == "accepted"


def test_an_account_that_is_accepted_again_is_told() -> None:
    site = Logged()
    guest = Guest("201")
    site.register(guest)
    guess(site, guest)
    while site.register(guest).code != 200:
        site.now += 10
    (event,) = site.events("uncut")
    uncut = event["uncut"]
    assert (uncut["scope"], uncut["account"], uncut["why"]) == ("account", "201", "accepted")
    assert uncut["from"] < event["timestamp"] == uncut["until"]


def test_a_flood_of_them_is_capped_and_what_is_left_out_counted() -> None:
    site = Logged(cap=VolumeCap(Limit(2, 60), bytes(16)))
    for port in range(2000, 2010):
        site.register(Guest("201", port=port))
    assert len(site.events("standing")) == 2
    site.now += 120
    site.register(Guest("201", port=3000))
    assert site.events("standing")[-1]["sipsensor"] == {"left_out": 8}


def test_orders_are_signed() -> None:
    now = 1_800_000_000 * NANOSECONDS
    events = [
        ban_event("203.0.113.0/24", Mode.OBSERVE, now, now + 1, SIGNED),
        unban_event("203.0.113.9", now, now + 1, SIGNED),
        trust_event("2001:db8::/48", "trusted", now, now + 1, SIGNED),
        mode_event(Mode.ENFORCE, now, "or\x1bdered", now + 1, SIGNED),
        mode_event(Mode.OBSERVE, now, "the safety net fell back"),
    ]
    assert_valid(events)
    assert [event.get("sipsensor") for event in events] == [*[{"by": {"uid": 1000, "pid": 77}}] * 4, None]
    assert events[0]["src_ip"] == "203.0.113.0"
    assert (events[0]["cut"]["rule"], events[0]["cut"]["action"]) == ("probe.operator.ban", "allowed")
    assert (events[0]["cut"]["scope"], events[1]["uncut"]["scope"]) == ("network", "source")
    assert "\x1b" not in events[3]["mode"]["why"]


def test_what_is_covered_in_words() -> None:
    assert address_text(wide(STRANGER)) == STRANGER
    assert network_text(wide(STRANGER), Scope.SOURCE) == STRANGER
    assert network_text(wide(STRANGER), Scope.NETWORK) == "203.0.113.0/24"
    assert network_text(wide("2001:db8:1:2::3"), Scope.ACCOUNT) == "2001:db8:1:2::/64"
    assert network_text(wide("2001:db8:1:2::3"), Scope.NETWORK) == "2001:db8:1::/48"
