"""Why a source or an account is dropped, and its last packets."""

from __future__ import annotations

import base64
import json
import os

import pytest

from sipsensor.control.server import ANSWER_MOST
from sipsensor.export.recording import FILE_HEADER
from sipsensor.model import Mode
from tests.support.commanding import PEER, Commanding
from tests.support.packets import STRANGER, STRANGER6, message
from tests.support.site import Guest

DIGEST = b"deadbeef" * 4


@pytest.fixture
def site() -> Commanding:
    return Commanding()


def test_a_cut_account_is_explained_and_undone(site: Commanding) -> None:
    site.attack("201")
    said = site.order("why", about=STRANGER)
    assert (said["address"], said["source"], said["mode"]) == (STRANGER, STRANGER, "enforce")
    assert [cut["account"] for cut in said["cuts"]] == ["201"]
    assert said["until"] == said["cuts"][0]["until"] > site.now
    assert said["undo"] == [f"sipsensor unban {STRANGER}"]
    rules = {line["rule"]: line for line in said["said"]}
    assert rules["guessing.account.source"]["dropped"] == said["dropped"] > 0
    assert rules["guessing.account.source"]["reason"] == "ACCOUNT"
    assert rules["guessing.account.source"]["first"] <= rules["guessing.account.source"]["last"]
    budgets = {each["budget"]: each for each in said["budgets"]}
    assert budgets["guessing.source"]["used"] > 5
    assert budgets["guessing.source"]["limit"] == 30
    site.order(str(said["undo"][0]).split()[1], address=STRANGER)
    assert site.order("why", about=STRANGER)["cuts"] == []
    assert site.order("why", about=STRANGER)["spared_until"] == site.now + 3600


def test_the_same_by_account(site: Commanding) -> None:
    site.attack("Alice")
    said = site.order("why", about="alice")
    assert said["account"] == "Alice"
    assert (said["known"], said["sources"], said["registered"]) == (False, 0, [])
    assert [cut["address"] for cut in said["cuts"]] == [STRANGER]
    assert said["undo"] == [f"sipsensor unban {STRANGER}"]
    assert {each["budget"] for each in said["budgets"]} == {"guessing.account_everywhere", "guessing.unproven"}


def test_a_registered_phone_and_its_account(site: Commanding) -> None:
    site.register(Guest("201"))
    said = site.order("why", about=STRANGER)
    assert (said["best_standing"], said["known_accounts"], said["cuts"], said["undo"]) == ("trusted", 1, [], [])
    assert (said["standing"][0]["port"], said["until"], said["dropped"]) == (5060, None, 0)
    said = site.order("why", about="201")
    assert (said["known"], said["sources"]) == (True, 1)
    assert [(port["address"], port["port"]) for port in said["registered"]] == [(STRANGER, 5060)]


def test_of_whom_nothing_is_known(site: Commanding) -> None:
    said = site.order("why", about=STRANGER6)
    assert (said["source"], said["best_standing"], said["said"], said["undo"]) == (
        "2001:db8:9::/64",
        "stranger",
        [],
        [],
    )
    assert site.order("why", about="nobody")["known"] is False


def test_an_ipv6_source_is_its_64(site: Commanding) -> None:
    site.attack("201", STRANGER6)
    said = site.order("why", about="2001:db8:9::1234")
    assert len(said["cuts"]) == 1
    assert said["undo"] == ["sipsensor unban 2001:db8:9::/64"]
    assert site.order("unban", address="2001:db8:9::1234")["lifted"]


def test_orders_and_exemptions_are_told() -> None:
    site = Commanding({"trust": {"allowlist": [STRANGER], "trunks": ["198.51.100.7"]}})
    assert site.order("why", about=STRANGER)["allowlisted"]
    assert site.order("why", about="198.51.100.7")["trunk"]
    site.order("ban", address="198.51.100.64/28")
    said = site.order("why", about="198.51.100.65")
    assert said["undo"] == ["sipsensor unban 198.51.100.64/28"]
    assert said["until"] == site.now + 3600


def test_the_last_packets_without_digests(site: Commanding) -> None:
    guest = site.attack("201", tries=15)
    site.ask(guest, nonce="n1", response=DIGEST.decode())
    data = base64.b64decode(site.order("why", about=STRANGER, packets=True)["pcap"])
    assert data.startswith(FILE_HEADER)
    assert b'username="201"' in data
    assert b'nonce="n1"' in data
    assert DIGEST not in data
    assert b'response="' + b"x" * 32 in data
    plain = site.order("why", peer=PEER._replace(uid=0), about=STRANGER, packets=True, credentials=True)
    whole = base64.b64decode(plain["pcap"])
    assert DIGEST in whole
    assert len(whole) == len(data)


def test_credentials_are_for_root_alone(site: Commanding) -> None:
    other = os.geteuid() + 1 or 1
    with pytest.raises(ValueError, match="shown to root alone"):
        site.order("why", peer=PEER._replace(uid=other), about=STRANGER, packets=True, credentials=True)


def test_large_packets_fit_into_an_answer(site: Commanding) -> None:
    for _ in range(20):
        site.outside(message(change={"User-Agent": "friendly-scanner"}, body=b"x" * 60_000))
    said = site.order("why", about=STRANGER, packets=True)
    assert said["packets"] >= 8
    assert len(json.dumps(said)) < ANSWER_MOST
    assert len(base64.b64decode(str(said["pcap"]))) > 400_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "about: is missing"),
        ({"about": "203.0.113.0/24"}, "is a network; name one address"),
        ({"about": "201", "packets": True}, "packets are kept by address"),
        ({"about": STRANGER, "packets": 1}, "packets: is neither"),
    ],
)
def test_nonsense_is_refused(site: Commanding, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        site.order("why", **arguments)


def test_in_observe_mode_it_tells_the_same(site: Commanding) -> None:
    site.engine.policy.mode = Mode.OBSERVE
    site.attack("201")
    said = site.order("why", about=STRANGER)
    assert said["mode"] == "observe"
    assert said["dropped"] > 0
