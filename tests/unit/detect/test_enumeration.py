import pytest

from sipsensor.detect.enumeration import SENDER, STRANGERS, Enumeration, EnumerationSettings
from sipsensor.model import Limit, Reason, Verdict
from tests.support.site import Guest, Site, site

ATTACKER = "203.0.113.66"


def enumeration(**settings: Limit | int) -> Site:
    return site(Enumeration(EnumerationSettings(**settings)))  # type: ignore[arg-type]


def names(one: Site, count: int, *, start: int = 1000, method: str = "REGISTER", code: int = 404, **who: object) -> int:
    """How many of so many new names reach the PBX from one sender; what does is answered with ``code``, 0: not at all."""
    reached = 0
    for number in range(start, start + count):
        guest = Guest(str(number), **{"src": ATTACKER, **who})  # type: ignore[arg-type]
        decision, asked = one.ask(guest, method)
        if decision.verdict is Verdict.ACCEPT:
            reached += 1
            if code:
                one.answer(guest, asked, code, method, nonce="n" if code == 401 else "")
    return reached


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "NOTIFY"])
@pytest.mark.parametrize("code", [0, 401, 404, 403])
def test_twenty_new_names_of_one_sender_reach_the_pbx(method: str, code: int) -> None:
    one = enumeration()
    assert names(one, 500, method=method, code=code) == 20
    decision, _ = one.ask(Guest("9999", src=ATTACKER), method)
    assert decision.reason is Reason.LIMIT
    (alert,) = decision.alerts
    assert (alert.rule, alert.scope, alert.evidence) == (SENDER, None, {"limit": 20, "seconds": 3600})


def test_options_name_whom_they_ask_about() -> None:
    """The Request-URI, whatever stands in To; a PBX that is asked about itself alone is asked about one name."""
    one = enumeration()
    guest = Guest("same", src=ATTACKER)
    verdicts = [one.ask(guest, "OPTIONS", uri=f"sip:{number}@pbx")[0].verdict for number in range(300)]
    assert verdicts.count(Verdict.ACCEPT) == 20
    other = Guest("same", src="203.0.113.67")
    assert not any(one.ask(other, "OPTIONS", uri="sip:pbx")[0].verdict for _ in range(300))


def test_options_that_name_one_in_the_request_uri_and_others_in_to_are_names_all_the_same() -> None:
    one = enumeration()
    asked = [one.ask(Guest(f"{number}", src=ATTACKER), "OPTIONS", uri="sip:600@pbx")[0] for number in range(300)]
    assert [decision.verdict for decision in asked].count(Verdict.ACCEPT) == 20


def test_a_new_port_for_each_name_meets_the_budget_of_all_strangers() -> None:
    one = enumeration()
    assert sum(names(one, 1, start=1000 + number, port=2000 + number) for number in range(500)) == 100
    decision, _ = one.ask(Guest("9999", src="198.51.100.3"))
    assert [alert.rule for alert in decision.alerts] == [STRANGERS]


def test_so_do_500_forged_sources_and_a_known_account_registers_from_a_new_address_meanwhile() -> None:
    one = enumeration()
    assert one.register(Guest("555", src="192.0.2.99")).reached
    reached = 0
    for number in range(500):
        reached += names(one, 1, start=1000 + number, src=f"198.51.{number // 200}.{number % 200 + 1}")
        if number % 50 == 0:
            assert one.register(Guest("555", src="198.51.200.7", port=3000 + number)).reached
    assert reached == 100


def test_a_registered_phone_is_no_stranger_and_gives_them_nothing_back() -> None:
    one = enumeration()
    phone = Guest("555", src="192.0.2.99")
    assert one.register(phone).reached
    assert sum(names(one, 1, start=1000 + number, port=2000 + number) for number in range(500)) == 100
    for number in range(60):  # answered, so that its own budget of 20 is never spent
        decision, asked = one.ask(phone, "OPTIONS", uri=f"sip:{200 + number}@pbx")
        assert decision.verdict is Verdict.ACCEPT
        one.answer(phone, asked, 200, "OPTIONS")
    assert names(one, 50, src="198.51.100.10", start=5000) == 0


def test_an_ipv6_sender_is_its_64() -> None:
    one = enumeration()
    assert sum(names(one, 1, start=1000 + n, src=f"2001:db8:9::{n + 1:x}") for n in range(60)) == 20


def test_one_name_is_charged_once() -> None:
    one = enumeration()
    assert sum(names(one, 1) for _ in range(200)) == 200
    assert names(one, 50, start=2000) == 19


def test_nobody_is_cut_for_it() -> None:
    one = enumeration()
    names(one, 500)
    assert not one.engine.ledger.table.fill


def test_a_name_that_is_accepted_is_given_back_to_both_budgets() -> None:
    one = enumeration(strangers=Limit(30, 3600))
    for number in range(100):
        assert one.register(Guest(str(100 + number), src="198.51.100.9", port=4000)).reached
    assert names(one, 500) == 20
    assert names(one, 500, src="198.51.100.10", start=5000) == 10


def test_both_names_of_a_registration_are() -> None:
    one = enumeration()
    for number in range(50):
        assert one.register(Guest(f"auth{number}", name=str(number), src="198.51.100.9")).reached


def test_a_caller_without_credentials_whose_call_rings_is_a_provider() -> None:
    one = enumeration()
    for number in range(60):
        guest = Guest(f"+49891234{number}", src="198.51.100.44")
        decision, asked = one.ask(guest, "INVITE")
        assert decision.verdict is Verdict.ACCEPT
        one.answer(guest, asked, 180, "INVITE")


def test_even_when_calls_come_faster_than_they_are_answered() -> None:
    one = enumeration()
    guest = Guest("+498912340", src="198.51.100.44")
    _, asked = one.ask(guest, "INVITE")
    one.answer(guest, asked, 180, "INVITE")
    assert names(one, 300, method="INVITE", code=0, src="198.51.100.44") == 300
    assert names(one, 300, method="REGISTER", code=0, src="198.51.100.44", start=7000) == 20


def test_a_call_that_is_refused_makes_no_provider() -> None:
    one = enumeration()
    assert names(one, 300, method="INVITE", code=403) == 20


@pytest.mark.parametrize("code", [483, 486, 500, 603])
def test_a_call_that_came_to_nothing_buys_no_names(code: int) -> None:
    """Whoever wants it gets such an answer: a call that may go over no further hop (RFC 3261 16.3), say."""
    one = enumeration()
    caller = Guest("zz", src=ATTACKER)
    _, asked = one.ask(caller, "INVITE")
    one.answer(caller, asked, code, "INVITE")
    reached = 0
    for number in range(300):
        guest = Guest(str(1000 + number), src=ATTACKER)
        decision, asked = one.ask(guest, "INVITE")
        if decision.verdict is Verdict.ACCEPT:
            reached += 1
            one.answer(guest, asked, 401, "INVITE", nonce="n")
    assert 19 <= reached <= 20


def test_a_call_with_credentials_makes_no_provider() -> None:
    """He has an account, and calls in its name alone."""
    one = enumeration()
    assert one.register(Guest("555", src=ATTACKER), method="INVITE").code == 200
    assert names(one, 300, method="INVITE", code=401) == 20


def test_a_provider_whose_calls_ring_is_not_limited_while_all_strangers_are() -> None:
    one = enumeration()
    provider = {"src": "198.51.100.44", "method": "INVITE"}
    assert names(one, 1, start=49_000, code=180, **provider) == 1
    assert sum(names(one, 1, start=1000 + number, port=2000 + number) for number in range(200)) == 100
    for number, code in enumerate([180, 183, 200, 486, 480, 404, 603] * 30):
        assert names(one, 1, start=49_001 + number, code=code, **provider) == 1


def test_retransmissions_are_free_and_a_dropped_name_stays_dropped() -> None:
    one = enumeration(sender=Limit(1, 3600))
    for _ in range(11):
        assert one.ask(Guest("1", src=ATTACKER), number=4)[0].verdict is Verdict.ACCEPT
    for _ in range(11):
        assert one.ask(Guest("2", src=ATTACKER), number=5)[0].verdict is Verdict.DROP


def test_known_names_and_relieved_senders_pay_nothing() -> None:
    one = enumeration(sender=Limit(1, 3600))
    assert one.register(Guest("555", src="192.0.2.99")).reached
    names(one, 5)
    assert one.ask(Guest("555", src=ATTACKER))[0].verdict is Verdict.ACCEPT


def test_a_budget_fills_up_again() -> None:
    one = enumeration()
    assert names(one, 100) == 20
    one.now += 1800
    assert names(one, 100, start=3000) == 10


def test_its_state_is_bounded() -> None:
    detector = Enumeration(EnumerationSettings(entries=64))
    one = site(detector)
    for number in range(500):
        names(one, 1, start=number, src=f"198.51.{number // 200}.{number % 200 + 1}")
    assert all(table.entries <= table.capacity for table in detector.tables())
