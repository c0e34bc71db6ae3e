import itertools

import pytest

from sipsensor.detect.flood import (
    ANY_SOURCE,
    INVITE_SOURCE,
    REFUSED,
    REGISTER_AOR,
    REGISTER_SOURCE,
    Flood,
    FloodSettings,
)
from sipsensor.engine import Engine
from sipsensor.model import NANOSECONDS, Action, Confidence, Limit, Packet, Reason, Table, Verdict
from tests.support.engines import engine
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response
from tests.support.site import Guest, Site, site

_branches = itertools.count()


def fresh(method: str = "OPTIONS", **change: str | None) -> bytes:
    """A request that starts a transaction of its own."""
    via = f"SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK{next(_branches)}"
    return message(method, change={"Via": via, **change})


def send(one: Engine, payload: bytes, seconds: float = 0, src: str = STRANGER, dst: str = PBX) -> set[str]:
    decision = one.process(Packet(int(seconds * NANOSECONDS), datagram(payload, src, dst), LINK_RAW))
    assert decision.verdict is Verdict.ACCEPT
    assert decision.reason is Reason.NONE
    return {alert.rule.slug for alert in decision.alerts}


def flooded(**settings: Limit | int) -> Engine:
    wide = Limit(10_000, 1)
    limits = dict.fromkeys(
        (
            "register_source",
            "register_source_sustained",
            "register_aor",
            "invite_source",
            "invite_source_sustained",
            "source",
        ),
        wide,
    )
    return engine(Flood(FloodSettings(**{**limits, **settings})))  # type: ignore[arg-type]


def users(count: int) -> list[str]:
    return [f"<sip:{number}@example.com>" for number in range(count)]


def test_the_defaults_are_those_of_the_list_of_threats() -> None:
    settings = FloodSettings()
    assert (settings.register_source, settings.register_source_sustained) == (Limit(20, 10), Limit(100, 60))
    assert settings.register_aor == Limit(10, 60)
    assert (settings.invite_source, settings.invite_source_sustained) == (Limit(10, 2), Limit(100, 60))
    assert settings.source == Limit(60, 4)


def test_rates_alone_alert_and_never_drop() -> None:
    for rule in Flood.rules:
        action = Action.DROP if rule is REFUSED else Action.ALERT
        assert (rule.action, rule.confidence, rule.reason) == (action, Confidence.MEDIUM, Reason.LIMIT)


@pytest.mark.parametrize(
    ("limit", "method", "slug"),
    [
        ("register_source", "REGISTER", REGISTER_SOURCE.slug),
        ("register_source_sustained", "REGISTER", REGISTER_SOURCE.slug),
        ("register_aor", "REGISTER", REGISTER_AOR.slug),
        ("invite_source", "INVITE", INVITE_SOURCE.slug),
        ("invite_source_sustained", "INVITE", INVITE_SOURCE.slug),
        ("source", "OPTIONS", ANY_SOURCE.slug),
        ("source", "FUZZ", ANY_SOURCE.slug),
    ],
)
def test_exactly_what_is_beyond_the_limit_alerts(limit: str, method: str, slug: str) -> None:
    one = flooded(**{limit: Limit(5, 10)})
    found = [send(one, fresh(method)) for _ in range(7)]
    assert found == [set()] * 5 + [{slug}] * 2
    assert send(one, fresh(method), 2) == set()
    assert send(one, fresh(method), 2) == {slug}


def test_each_method_fills_its_own_bucket_and_that_of_any() -> None:
    one = flooded(register_source=Limit(2, 10), invite_source=Limit(2, 10), source=Limit(5, 10))
    found = [
        send(one, fresh(method))
        for method in ("REGISTER", "INVITE", "REGISTER", "INVITE", "OPTIONS", "OPTIONS", "INVITE")
    ]
    assert found == [set()] * 5 + [{ANY_SOURCE.slug}, {ANY_SOURCE.slug, INVITE_SOURCE.slug}]


def test_the_evidence_is_the_limit() -> None:
    one = flooded(register_source=Limit(1, 10), register_source_sustained=Limit(2, 60))
    send(one, fresh("REGISTER"))
    decision = one.process(Packet(0, datagram(fresh("REGISTER")), LINK_RAW))
    assert [alert.evidence for alert in decision.alerts] == [{"limit": 1, "seconds": 10}]
    send(one, fresh("REGISTER"), 10)
    decision = one.process(Packet(20 * NANOSECONDS, datagram(fresh("REGISTER")), LINK_RAW))
    assert [alert.evidence for alert in decision.alerts] == [{"limit": 2, "seconds": 60}]


def test_retransmissions_are_free() -> None:
    one = flooded(source=Limit(2, 60))
    text = fresh("INVITE")
    assert [send(one, text, second) for second in (0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5)] == [set()] * 7
    assert send(one, fresh("INVITE"), 31.6) == set()


def test_more_retransmissions_than_a_client_sends_are_not() -> None:
    one = flooded(source=Limit(2, 60))
    text = fresh()
    assert [send(one, text) for _ in range(11)] == [set()] * 11
    assert [send(one, text) for _ in range(2)] == [set(), {ANY_SOURCE.slug}]


def test_what_names_no_transaction_counts_each_time() -> None:
    one = flooded(source=Limit(2, 60))
    text = message(change={"CSeq": None})
    assert [send(one, text) for _ in range(3)] == [set(), set(), {ANY_SOURCE.slug}]


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_what_belongs_to_another_transaction_is_free(method: str) -> None:
    one = flooded(source=Limit(1, 60))
    assert [send(one, fresh(method)) for _ in range(5)] == [set()] * 5


def test_responses_and_what_goes_out_are_free() -> None:
    one = flooded(source=Limit(1, 60))
    for _ in range(5):
        assert send(one, response()) == set()
        assert send(one, fresh(), src=PBX, dst=STRANGER) == set()


def test_sources_have_buckets_of_their_own_and_ipv6_counts_per_64() -> None:
    one = flooded(source=Limit(1, 60))
    send(one, fresh())
    assert send(one, fresh(), src="203.0.113.10") == set()
    inside, pbx = [f"2001:db8:7:{net}::{host}" for net, host in ((1, 1), (2, 1), (1, 2))], "2001:db8::10"
    assert [bool(send(one, fresh(), src=src, dst=pbx)) for src in inside] == [False, False, True]


def test_an_aor_is_counted_over_all_sources() -> None:
    one = flooded(register_aor=Limit(3, 60))
    found = [send(one, fresh("REGISTER", To="<sip:bob@example.com>"), src=f"203.0.113.{number}") for number in range(4)]
    assert found == [set()] * 3 + [{REGISTER_AOR.slug}]
    assert all(send(one, fresh("REGISTER", To=user)) == set() for user in users(20))


def test_without_a_to_only_the_source_counts() -> None:
    one = flooded(register_aor=Limit(1, 60))
    assert [send(one, fresh("REGISTER", To=None)) for _ in range(3)] == [set()] * 3


def test_an_office_that_boots_stays_below_the_defaults() -> None:
    one = engine(Flood(FloodSettings()))
    for number in range(19):
        for _ in range(2):
            assert send(one, fresh("REGISTER", To=f"<sip:{number}@x>"), number) == set()


def test_state_is_bounded() -> None:
    flood = Flood(FloodSettings(sources_max=64))
    one = engine(flood)
    for number in range(1000):
        send(one, fresh("REGISTER", To=f"<sip:{number}@x>"), src=f"203.0.{number >> 8}.{number & 255}")
    assert (flood.any.fill, flood.registers.fill, flood.aors.fill) == (64, 64, 64)
    assert flood.any.evictions == 1000 - 64
    assert flood.tables() == [
        Table("flood_register_source", 64, 64, 1000 - 64),
        Table("flood_register_aor", 64, 64, 1000 - 64),
        Table("flood_invite_source", 0, 64, 0),
        Table("flood_any_source", 64, 64, 1000 - 64),
        Table("flood_outcomes", 0, 64, 0),
    ]


# --- outcomes --------------------------------------------------------------------------------------------------------------------

BAD = Guest("201")


def refused(count: int, *, right: int = 0, code: int = 401) -> Site:
    """A site where so many registrations of one source were refused, and so many accepted; its limit is full."""
    one = site(Flood(FloodSettings(register_source=Limit(2 * (count + right), 3600), source=Limit(10_000, 1))))
    for number in range(count):
        assert one.register(Guest(str(300 + number), port=7000 + number), right=False, refusal=code).reached
    for number in range(right):
        assert one.register(Guest(str(500 + number), port=8000 + number)).reached
    return one


def over(one: Site, guest: Guest = BAD, **request: str) -> tuple[Verdict, set[str]]:
    decision, _ = one.ask(guest, **request)  # type: ignore[arg-type]
    return decision.verdict, {alert.rule.slug for alert in decision.alerts}


def nonce_of(one: Site, guest: Guest = BAD) -> str:
    _, number = one.ask(guest, "OPTIONS")
    one.answer(guest, number, 401, "OPTIONS", nonce=f"n{number}")
    return f"n{number}"


def test_too_much_of_a_proven_sender_that_is_mostly_refused_is_dropped() -> None:
    one = refused(3)
    verdict, rules = over(one, nonce=nonce_of(one))
    assert (verdict, rules) == (Verdict.DROP, {REGISTER_SOURCE.slug, REFUSED.slug})
    assert not one.engine.ledger.table.fill  # a packet, and no cut


def test_the_evidence_are_the_outcomes() -> None:
    one = refused(3, right=2)
    decision, _ = one.ask(BAD, nonce=nonce_of(one))
    assert {"accepted": 2, "refused": 3} in [alert.evidence for alert in decision.alerts]
    assert decision.reason is Reason.LIMIT


def test_within_the_limits_nothing_is_dropped_however_bad_it_is() -> None:
    one = refused(3)
    one.now += 1800
    assert over(one, nonce=nonce_of(one)) == (Verdict.ACCEPT, set())


def test_as_many_good_ones_as_bad_ones_are_no_attack() -> None:
    one = refused(3, right=3)
    assert over(one, nonce=nonce_of(one)) == (Verdict.ACCEPT, {REGISTER_SOURCE.slug})


def test_what_a_stranger_could_have_sent_in_his_name_is_never_dropped() -> None:
    one = refused(3)
    alone = (Verdict.ACCEPT, {REGISTER_SOURCE.slug})
    assert over(one) == alone
    assert over(one, nonce="made-up") == alone
    assert over(one, nonce=nonce_of(one, Guest(src="203.0.113.77"))) == alone


def test_refusals_that_anybody_could_bring_upon_him_do_not_count() -> None:
    one = site(Flood(FloodSettings(register_source=Limit(1, 3600), source=Limit(10_000, 1))))
    for number in range(20):
        forged = Guest(str(900 + number))
        _, asked = one.ask(forged)
        one.answer(forged, asked, 404)
        _, asked = one.ask(forged, nonce="elsewhere")
        one.answer(forged, asked, 403)
    assert over(one, nonce=nonce_of(one)) == (Verdict.ACCEPT, {REGISTER_SOURCE.slug})


def test_who_is_known_or_trusted_loses_nothing_for_his_neighbours() -> None:
    one = refused(3)
    phone = Guest("777", port=9999)
    one.now += 1800
    one.register(phone)
    made = [one.register(Guest(str(600 + number), port=7500 + number), right=False) for number in range(4)]
    assert made[-1].alerts == {REGISTER_SOURCE.slug, REFUSED.slug}
    decision, _ = one.ask(phone, nonce=nonce_of(one, phone))
    assert decision.verdict is Verdict.ACCEPT
    decision, _ = one.ask(Guest("777", port=9998), nonce=nonce_of(one, phone))
    assert decision.verdict is Verdict.ACCEPT


def test_outcomes_are_forgotten() -> None:
    one = refused(3)
    one.now += 600
    for number in range(6):
        one.ask(Guest(str(number)))
    verdict, _ = over(one, nonce=nonce_of(one))
    assert verdict is Verdict.ACCEPT


def test_older_outcomes_weigh_less() -> None:
    flood = Flood(FloodSettings())
    one = site(flood)
    guest = Guest("1")
    for number in range(300):
        _, asked = one.ask(guest, "OPTIONS", number=10_000 + number)
        one.answer(guest, asked, 200, "OPTIONS")
    (entry,) = flood.outcomes.entries(one.ts)
    accepted, bad = entry[3]
    assert bad == 0
    assert 32 <= accepted <= 64


def test_the_operator_may_make_it_an_alert() -> None:
    one = site(
        Flood(FloodSettings(register_source=Limit(2, 3600), source=Limit(10_000, 1))),
        actions={REFUSED.slug: Action.ALERT},
    )
    one.register(BAD, right=False)
    assert over(one, nonce=nonce_of(one)) == (Verdict.ACCEPT, {REGISTER_SOURCE.slug, REFUSED.slug})


def test_an_office_has_room_in_proportion_to_its_good_registrations() -> None:
    """After a power cut all of its phones come back at once."""
    one = site(Flood(FloodSettings()))
    phones = [Guest(str(300 + number), src="198.51.100.9", port=4000 + number) for number in range(40)]
    for guest in phones:
        assert one.register(guest).reached
        one.now += 2
    assert not [slug for guest in phones for slug in one.register(guest).alerts]


def test_a_source_that_nothing_is_known_of_has_none() -> None:
    one = site(Flood(FloodSettings()))
    strangers = [Guest(str(300 + number), src="198.51.100.9", port=4000 + number) for number in range(40)]
    assert {slug for guest in strangers for slug in one.register(guest, right=False).alerts} == {
        REGISTER_SOURCE.slug,
        ANY_SOURCE.slug,
        REFUSED.slug,
    }
