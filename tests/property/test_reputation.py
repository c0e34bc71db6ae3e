"""Guessing and trying out names over IAX2: the same budgets, the same reputation as over SIP."""

from __future__ import annotations

from sipsensor.detect.enumeration import Enumeration, EnumerationSettings
from sipsensor.model import Reason
from tests.support.engines import engine
from tests.support.iax2 import element, full, registers
from tests.support.site import Guest, behaviours, site
from tests.support.switch import Peer, Switch

PEER = Peer()
LIMIT = 10


def switch(**options: object) -> Switch:
    return Switch(engine(*behaviours()), **options)  # type: ignore[arg-type]


def test_a_guesser_is_cut_at_the_budget_and_nothing_of_him_is_judged_after() -> None:
    one = switch(accounts=())
    judged = sum(one.registers(PEER).judged for _ in range(50))
    assert judged == LIMIT
    assert one.registers(PEER).his[-1].reason is Reason.ACCOUNT


def test_a_guesser_with_calls_meets_the_same_budget() -> None:
    one = switch(accounts=())
    judged = sum((one.calls(PEER) if turn % 2 else one.registers(PEER)).judged for turn in range(50))
    assert judged == LIMIT


def test_a_peer_whose_secret_is_wrong_is_cut_by_account_and_not_his_neighbour() -> None:
    one = switch(accounts=("302",))
    neighbour = Peer("302", PEER.src, 4570)
    assert one.registers(neighbour).accepted
    for _ in range(40):
        one.registers(PEER)
    assert one.registers(neighbour).accepted
    assert one.calls(neighbour).accepted


def test_he_is_in_again_within_a_minute_once_the_secret_is_right() -> None:
    one = switch()
    assert one.registers(PEER).accepted
    one.accounts.clear()
    refused = 0
    for _ in range(60):
        one.now += 10
        refused += one.registers(PEER).refused
    assert LIMIT <= refused < 60
    one.accounts.add("301")
    since = one.now
    while not one.registers(PEER).accepted:
        one.now += 10
    assert one.now - since <= 61


def test_a_peer_that_registers_again_and_again_is_charged_for_nothing() -> None:
    one = switch()
    for _ in range(200):
        assert one.registers(PEER).accepted
        one.now += 5


def test_names_are_tried_out_as_far_as_over_sip() -> None:
    one = switch(accounts=())
    reached = 0
    for number in range(100):
        talk = one.registers(Peer(f"name-{number}"))
        reached += talk.judged
    assert reached <= 20


def test_a_name_costs_once_with_and_without_a_token() -> None:
    one = Switch(engine(Enumeration(EnumerationSettings())), accounts=())
    judged = [one.registers(Peer(f"name-{number}")).judged for number in range(30)]
    assert judged == [True] * 20 + [False] * 10


def test_forged_guesses_in_a_peers_name_do_not_cut_him() -> None:
    one = switch()
    assert one.registers(PEER).accepted
    for number in range(200):
        one.hears(PEER, registers("301", source=number + 100))
        one.hears(PEER, full("POKE", source=number + 100))
        one.hears(PEER, full("NEW", [element("username", "301")], source=number + 100))
        credentials = [element("username", "301"), element("md5-result", f"{number:032x}")]
        one.hears(PEER, full("REGREQ", credentials, source=number + 100, destination=number))
    assert one.registers(PEER).accepted
    assert one.calls(PEER).accepted


def test_one_budget_for_who_guesses_over_sip_and_iax2_in_turn() -> None:
    sip = site()
    both = Switch(sip.engine, accounts=())
    guest, reached = Guest("301", PEER.src, 5060), 0
    for _ in range(25):
        both.now = sip.now = max(both.now, sip.now) + 0.1
        reached += sip.register(guest, right=False).reached
        both.now = sip.now = max(both.now, sip.now) + 0.1
        reached += both.registers(PEER).judged
    assert reached == LIMIT
