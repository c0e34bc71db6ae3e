from __future__ import annotations

import ipaddress

import pytest

from sipsensor.decide import ledger
from sipsensor.enforce.sets import Desired, Element
from sipsensor.model import NANOSECONDS, Scope, Standing

NOW = 1_700_000_000 * NANOSECONDS
LATER = NOW + 600 * NANOSECONDS
MEMORY = NOW + 10**9 * NANOSECONDS


def words(text: str) -> tuple[int, int]:
    packed = ipaddress.ip_address(text).packed
    packed = packed if len(packed) == 16 else ledger.IPV4 + packed
    return int.from_bytes(packed[:8], "big"), int.from_bytes(packed[8:], "big")


def cut(text: str, *, scope: Scope = Scope.SOURCE, until: int = LATER, kernel: int = 1) -> ledger.Held:
    return ledger.Held(ledger.SCOPES.index(scope), 5005, NOW, until, 1, NOW, 0, 0, 0, *words(text), kernel)


def who(text: str, port: int = 5060, standing_: Standing = Standing.TRUSTED, behind: int = 0) -> tuple[int, ...]:
    return (standing_, 7, 0, *words(text), port, behind)


def desired(*spared: str) -> Desired:
    made = Desired()
    made.spare(spared)
    return made


def test_a_source_that_is_cut_is_blocked_until_the_cut_ends() -> None:
    made = desired()
    made.told("ledger", 1, MEMORY, cut("203.0.113.9"))
    made.told("ledger", 2, MEMORY, cut("2001:db8:1:2::9"))
    assert made.elements(NOW, block=True) == {
        Element("blocked4", "203.0.113.9"): LATER,
        Element("blocked_networks6", "2001:db8:1:2::/64"): LATER,
    }
    assert made.elements(LATER, block=True) == {}


def test_a_cut_that_was_lifted_goes() -> None:
    made = desired()
    made.told("ledger", 1, MEMORY, cut("203.0.113.9"))
    made.told("ledger", 1, 0, ())
    assert made.elements(NOW, block=True) == {}


def test_in_observe_nobody_is_blocked_and_the_trusted_stay() -> None:
    made = desired()
    made.bans["198.51.100.0/24"] = LATER
    made.told("ledger", 1, MEMORY, cut("203.0.113.9"))
    made.told("standing", 1, LATER, who("192.0.2.77", 5062))
    assert {element.set for element in made.elements(NOW, block=False)} == {"trusted4", "trusted_hosts4"}


def test_the_trusted_are_held_by_port_and_by_host() -> None:
    made = desired()
    made.told("standing", 1, LATER, who("192.0.2.77", 5062))
    made.told("standing", 2, LATER + 5, who("192.0.2.77", 5064))
    made.told("standing", 3, LATER, who("2001:db8::1"))
    assert made.elements(NOW, block=True) == {
        Element("trusted4", "192.0.2.77 . 5062"): LATER,
        Element("trusted4", "192.0.2.77 . 5064"): LATER + 5,
        Element("trusted_hosts4", "192.0.2.77"): LATER + 5,
        Element("trusted6", "2001:db8::1 . 5060"): LATER,
        Element("trusted_hosts6", "2001:db8::1"): LATER,
    }


def test_who_is_only_proven_or_behind_a_proxy_is_not_trusted_by_the_kernel() -> None:
    made = desired()
    made.told("standing", 1, LATER, who("192.0.2.77", standing_=Standing.PROVEN))
    made.told("standing", 2, LATER, who("192.0.2.78", behind=1))
    assert made.elements(NOW, block=True) == {}


@pytest.mark.parametrize(
    "held", [cut("203.0.113.9", scope=Scope.ACCOUNT), cut("203.0.113.9", kernel=0), cut("203.0.113.9")[:5]]
)
def test_what_the_kernel_cannot_cut_without_hurting_others_is_left_to_the_ledger(held: tuple[int, ...]) -> None:
    made = desired()
    made.told("ledger", 1, MEMORY, held)
    assert made.elements(NOW, block=True) == {}


def test_the_spared_are_never_blocked() -> None:
    made = desired("203.0.113.0/28", "2001:db8::/48")
    made.told("ledger", 1, MEMORY, cut("203.0.113.9"))
    made.told("ledger", 2, MEMORY, cut("2001:db8:0:7::9"))
    made.bans = {"203.0.113.0/24": LATER, "203.0.113.1/32": LATER}
    assert made.elements(NOW, block=True) == {}


def test_bans_that_overlap_are_one_and_cover_the_cuts_in_them() -> None:
    made = desired()
    made.bans = {"198.51.100.0/24": LATER, "198.51.100.7/32": LATER, "192.0.2.1/32": LATER, "2001:db8::/32": LATER}
    made.told("ledger", 1, MEMORY, cut("2001:db8:1:2::9"))
    made.told("ledger", 2, MEMORY, cut("198.51.100.9"))
    assert set(made.elements(NOW, block=True)) == {
        Element("blocked_networks4", "198.51.100.0/24"),
        Element("blocked4", "192.0.2.1"),
        Element("blocked_networks6", "2001:db8::/32"),
    }


def test_a_ban_that_ran_out_uncovers_what_is_in_it() -> None:
    made = desired()
    made.bans = {"198.51.100.0/24": NOW + 5 * NANOSECONDS}
    made.told("ledger", 1, MEMORY, cut("198.51.100.9"))
    assert set(made.elements(NOW + 5 * NANOSECONDS, block=True)) == {Element("blocked4", "198.51.100.9")}


@pytest.mark.parametrize("ban", ["192.0.2.77/32", "192.0.2.0/24"])
def test_who_is_banned_by_order_is_not_trusted_by_the_kernel_until_the_ban_ends(ban: str) -> None:
    made = desired()
    made.told("standing", 1, LATER, who("192.0.2.77", 5062))
    made.told("standing", 2, LATER, who("198.51.100.7", 5062))
    others = {Element("trusted4", "198.51.100.7 . 5062"), Element("trusted_hosts4", "198.51.100.7")}
    his = {Element("trusted4", "192.0.2.77 . 5062"), Element("trusted_hosts4", "192.0.2.77")}
    end = NOW + 60 * NANOSECONDS
    made.bans = {ban: end}
    assert {one for one in made.elements(NOW, block=True) if one.set.startswith("trusted")} == others
    assert {one for one in made.elements(NOW, block=False) if one.set.startswith("trusted")} == others | his
    assert {one for one in made.elements(end, block=True) if one.set.startswith("trusted")} == others | his
    made.bans = {ban: LATER}
    assert his.isdisjoint(made.elements(NOW, block=True))
    made.bans = {}
    assert set(made.elements(NOW, block=True)) == others | his


def test_a_ban_that_the_kernel_cannot_hold_takes_the_trusted_out_as_well() -> None:
    made = desired("192.0.2.1/32")
    made.told("standing", 1, LATER, who("192.0.2.77"))
    end = NOW + 60 * NANOSECONDS
    made.bans = {"192.0.2.0/24": end}
    assert made.elements(NOW, block=True) == {}
    assert len(made.elements(end, block=True)) == 2
