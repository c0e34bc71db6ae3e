"""Orders about addresses, against the real engine with traffic around it."""

from __future__ import annotations

import json

import pytest

from sipsensor.control.server import ANSWER_MOST
from sipsensor.decide.ledger import Held
from sipsensor.live import orders
from sipsensor.model import NANOSECONDS, Reason
from tests.support.commanding import PEER, Commanding
from tests.support.events import assert_valid
from tests.support.packets import PBX, STRANGER, STRANGER6, message
from tests.support.site import Guest

OTHER = "198.51.100.7"


@pytest.fixture
def site() -> Commanding:
    return Commanding()


def test_bans_lists_what_was_cut_with_the_accounts_name(site: Commanding) -> None:
    site.attack("201")
    said = site.order("bans")
    assert [(cut["scope"], cut["address"], cut["account"], cut["rule"]) for cut in said["cuts"]] == [
        ("account", STRANGER, "201", "guessing.account.source")
    ]
    cut = said["cuts"][0]
    assert cut["in_force"]
    assert cut["times"] == 1
    assert cut["dropped"] > 0
    assert cut["since"] < site.now < cut["until"]
    assert (said["bans"], said["trusted"], said["left_out"]) == ([], [], 0)


def test_offences_that_are_over_are_listed_with_all(site: Commanding) -> None:
    site.attack("201")
    site.now += 3 * 86400
    assert site.order("bans")["cuts"] == []
    said = site.order("bans", all=True)["cuts"]
    assert [cut["in_force"] for cut in said] == [False]


def test_an_account_that_nobody_remembers_is_shown_as_its_key_and_found_by_it(site: Commanding) -> None:
    site.attack("201")
    site.sensor.outlets.evidence.names.clear()
    key = site.order("bans")["cuts"][0]["account"]
    assert len(key) == 16
    assert site.order("why", about=key)["cuts"][0]["address"] == STRANGER
    assert site.order("why", about="201")["key"] == key


def test_a_full_ledger_fits_into_an_answer(site: Commanding) -> None:
    table, now = site.engine.ledger.table, site.ts
    for number in range(6000):
        high, low = 0, 0xFFFF << 32 | 0x0A000000 + number
        held = Held(2, 5004, now, now + NANOSECONDS, 1, now, 0, 0, 0, high, low, 1)
        table.put(number * 0x9E3779B97F4A7C15 & (1 << 64) - 1, now, now + NANOSECONDS, held)
    said = site.order("bans")
    assert len(said["cuts"]) == orders.LISTED_MOST
    assert said["left_out"] == len(table.entries(now)) - orders.LISTED_MOST
    assert len(json.dumps(said)) < ANSWER_MOST


def test_a_ban_drops_everything_and_an_unban_takes_it_back(site: Commanding) -> None:
    assert not site.outside(message()).verdict
    said = site.order("ban", address=STRANGER, **{"for": "2h"})
    assert said["network"] == STRANGER
    assert said["until"] == site.now + 7200
    assert said["undo"] == f"sipsensor unban {STRANGER}"
    decision = site.outside(message())
    assert (decision.reason, decision.rule and decision.rule.slug) == (Reason.BANNED, "probe.operator.ban")
    assert not site.outside(message(), OTHER).verdict
    assert site.order("bans")["bans"] == [{"network": STRANGER, "until": site.now + 7200}]
    assert site.order("unban", address=STRANGER)["bans"] == [STRANGER]
    assert not site.outside(message()).verdict
    assert [(event["event_type"], event["sipsensor"]["by"]) for event in site.told] == [
        ("cut", {"uid": 1000, "pid": 4711}),
        ("uncut", {"uid": 1000, "pid": 4711}),
    ]
    assert_valid(site.told)
    assert site.sensor.said[0] == f"user 1000 bans {STRANGER} for 7200 s"


def test_a_ban_of_a_network_covers_it_and_runs_out(site: Commanding) -> None:
    site.order("ban", address="203.0.113.0/24", **{"for": "1m"})
    assert site.outside(message(), "203.0.113.200").reason is Reason.BANNED
    site.now += 61
    site.engine.tick(site.ts)
    assert not site.outside(message(), "203.0.113.200").verdict
    assert site.order("bans")["bans"] == []


def test_a_ban_of_an_ipv6_address_is_of_its_64(site: Commanding) -> None:
    assert site.order("ban", address=STRANGER6)["network"] == "2001:db8:9::/64"
    assert site.outside(message(), "2001:db8:9::77").reason is Reason.BANNED
    assert site.order("unban", address=STRANGER6)["bans"] == ["2001:db8:9::/64"]


def test_whoever_must_not_be_banned_is_not() -> None:
    site = Commanding(
        {
            "trust": {"allowlist": ["198.51.100.0/28"], "trunks": ["198.51.100.32"]},
            "network": {"proxies": ["198.51.100.48"]},
        }
    )
    site.order("trust", address="198.51.100.64")
    refused = {
        PBX: "protected",
        "198.51.100.3": "allowlisted",
        "198.51.100.32": "a trunk",
        "198.51.100.48": "a proxy",
        "198.51.100.64": "trusted by order",
    }
    for address, what in refused.items():
        for force in (False, True):
            with pytest.raises(ValueError, match=f"{address} is {what}"):
                site.order("ban", address=address, force=force)
    with pytest.raises(
        ValueError, match=r"holds 198\.51\.100\.0/28, allowlisted; name a smaller network, or add --force"
    ):
        site.order("ban", address="198.51.100.0/24")
    said = site.order("ban", address="198.51.100.0/24", force=True)
    assert "198.51.100.32, a trunk" in said["exempt"]
    assert not site.outside(message(), "198.51.100.32").verdict
    assert site.outside(message(), "198.51.100.99").reason is Reason.BANNED


@pytest.mark.parametrize("network", ["0.0.0.0/0", "32.0.0.0/7", "2000::/16"])
def test_a_large_part_of_the_internet_needs_force(site: Commanding, network: str) -> None:
    with pytest.raises(ValueError, match=r"force"):
        site.order("ban", address=network)
    with pytest.raises(ValueError, match=r"force"):
        site.order("trust", address=network)
    assert site.order("ban", address=network, force=True)["network"] == network


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "address: is missing"),
        ({"address": 5}, "address: is missing"),
        ({"address": "x" * 300}, "address: is missing"),
        ({"address": "pbx.example"}, "no address or network"),
        ({"address": "203.0.113.9/24"}, 'write "203.0.113.0/24"'),
        ({"address": "fe80::1%eth0"}, "no address or network"),
        ({"address": STRANGER, "for": "soon"}, "for: is no time"),
        ({"address": STRANGER, "for": "0s"}, "for: is no time"),
        ({"address": STRANGER, "for": True}, "for: is no time"),
        ({"address": STRANGER, "for": "999999w"}, "for: is no time"),
        ({"address": STRANGER, "force": "yes"}, "force: is neither"),
    ],
)
def test_nonsense_is_refused_in_one_line(site: Commanding, arguments: dict[str, object], said: str) -> None:
    for command in ("ban", "trust"):
        with pytest.raises(ValueError, match=said):
            site.order(command, **arguments)
    assert site.told == []


def test_there_are_not_endless_bans(site: Commanding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "ORDERS_MOST", 2)
    site.order("ban", address="198.51.100.1")
    site.order("ban", address="198.51.100.2")
    site.order("ban", address="198.51.100.2", **{"for": "2h"})
    with pytest.raises(ValueError, match="there are 2 such orders already"):
        site.order("ban", address="198.51.100.3")


def test_an_unban_sticks_and_the_right_password_is_in_at_once(site: Commanding) -> None:
    guest = site.attack("201")
    assert not site.register(guest).reached
    said = site.order("unban", address=STRANGER)
    assert [(cut["scope"], cut["account"]) for cut in said["lifted"]] == [("account", "201")]
    assert said["spared_seconds"] == 3600
    assert site.register(guest).code == 200
    event = site.told[-1]
    assert (event["event_type"], event["uncut"]["why"], event["uncut"]["account"]) == ("uncut", "order", "201")
    assert_valid(site.told)
    site.attack("202")
    assert site.order("bans")["cuts"] == []


def test_unban_of_a_network_lifts_all_cuts_inside_and_no_other(site: Commanding) -> None:
    for src in (STRANGER, "203.0.113.44", OTHER):
        site.attack("201", src)
    assert len(site.order("bans")["cuts"]) == 3
    assert len(site.order("unban", address="203.0.113.0/24")["lifted"]) == 2
    assert [cut["address"] for cut in site.order("bans")["cuts"]] == [OTHER]


def test_unban_of_one_address_leaves_the_cut_of_its_network_and_says_so(site: Commanding) -> None:
    now = site.ts
    seen = site.orders._keys.of(bytes(10) + b"\xff\xff" + bytes((203, 0, 113, 9)))
    high, low = 0, 0xFFFF << 32 | 0xCB007109
    held = Held(3, 5901, now, now + 600 * NANOSECONDS, 1, now, 0, 0, 0, high, low, 0)
    site.engine.ledger.table.put(seen.network ^ 0x3C3C3C3C3C3C3C3C, now, now + 600 * NANOSECONDS, held)
    assert site.outside(message()).reason is Reason.BANNED
    assert site.outside(message(), "203.0.113.77").reason is Reason.BANNED
    said = site.order("unban", address=STRANGER)
    assert (said["lifted"], said["under"], said["spared_seconds"]) == ([], ["203.0.113.0/24"], 3600)
    part = site.order("unban", address="203.0.113.64/28")
    assert (part["under"], part["spared_seconds"]) == (["203.0.113.0/24"], 0)
    assert not site.outside(message()).verdict
    assert site.outside(message(), "203.0.113.77").reason is Reason.BANNED
    assert site.order("why", about="203.0.113.77")["undo"] == ["sipsensor unban 203.0.113.0/24"]
    assert [cut["scope"] for cut in site.order("unban", address="203.0.113.0/24")["lifted"]] == ["network"]
    assert not site.outside(message(), "203.0.113.77").verdict


def test_unban_of_one_inside_a_wider_ban_says_that_it_still_stands(site: Commanding) -> None:
    site.order("ban", address="203.0.113.0/24")
    said = site.order("unban", address=STRANGER)
    assert said["still_banned"] == ["203.0.113.0/24"]
    assert site.outside(message()).reason is Reason.BANNED


def test_who_is_not_cut_is_not_spared_by_an_unban(site: Commanding) -> None:
    said = site.order("unban", address=STRANGER)
    assert (said["lifted"], said["bans"], said["spared_seconds"]) == ([], [], 0)
    site.attack("201")
    assert site.order("bans")["cuts"]


def test_trust_relieves_of_limits_until_untrust(site: Commanding) -> None:
    site.order("trust", address=STRANGER)
    guest = Guest("201")
    assert all(site.register(guest, right=False).reached for _ in range(40))
    assert site.order("bans")["trusted"][0]["network"] == STRANGER
    said = site.order("untrust", address=STRANGER)
    assert said["orders"] == [STRANGER]
    site.attack("201")
    assert site.order("bans")["cuts"]
    kinds = [(event["event_type"], event["standing"]["standing"]) for event in site.told]
    assert kinds == [("standing", "trusted"), ("standing", "stranger")]
    assert_valid(site.told)


def test_untrust_takes_the_standing_that_was_won(site: Commanding) -> None:
    guest = Guest("201")
    assert site.register(guest).code == 200
    assert site.standing().name == "TRUSTED"
    said = site.order("untrust", address=STRANGER)
    assert (said["orders"], said["ports"]) == ([], 1)
    assert site.standing().name == "STRANGER"
    assert site.order("untrust", address=STRANGER)["ports"] == 0


def test_trust_of_the_banned_is_refused(site: Commanding) -> None:
    site.order("ban", address="203.0.113.0/24")
    with pytest.raises(ValueError, match=r"203\.0\.113\.0/24 is banned by order; sipsensor unban"):
        site.order("trust", address=STRANGER)


def test_orders_are_told_of_whoever_gave_them_without_an_event_log_too(site: Commanding) -> None:
    site.sensor.outlets.events = None
    site.order("ban", peer=PEER._replace(uid=0), address=STRANGER)
    assert site.sensor.said == [f"user 0 bans {STRANGER} for 3600 s"]
