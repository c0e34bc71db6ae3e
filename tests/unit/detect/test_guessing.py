import pytest

from sipsensor.decide.ledger import SCOPES
from sipsensor.detect.guessing import ACCOUNT, EVERYWHERE, NETWORK, SPRAY, SUCCESS, UNPROVEN, Guessing, GuessingSettings
from sipsensor.model import Limit, Reason, Scope, Verdict
from tests.support.packets import response
from tests.support.site import Guest, Site, site

ATTACKER, OFFICE = "203.0.113.66", "203.0.113.99"
RIGHT, WRONG = True, False
WIDE = Limit(10_000, 1)


def guessing(**settings: Limit | int) -> Site:
    return site(Guessing(GuessingSettings(**settings)))  # type: ignore[arg-type]


def tries(one: Site, count: int, guest: Guest | None = None, *, every: float = 0) -> int:
    """How many wrong guesses reach the PBX."""
    reached = 0
    for _ in range(count):
        reached += one.register(guest or Guest(src=ATTACKER), right=False).reached
        one.now += every
    return reached


def stray(one: Site, count: int, guest: Guest, nonce: str = "elsewhere", *, right: bool = False) -> int:
    """How many tries on a nonce that proves nobody reach the PBX."""
    reached = 0
    for _ in range(count):
        decision, number = one.ask(guest, nonce=nonce)
        if decision.verdict is Verdict.ACCEPT:
            reached += 1
            one.answer(guest, number, 200 if right else 401, nonce="" if right else "x")
    return reached


# --- one account from one source ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [0, 0.01, 0.1, 1])
def test_exactly_ten_guesses_reach_the_pbx_at_any_pace(every: float) -> None:
    one = guessing()
    assert tries(one, 500, every=every) == 10


def test_a_burst_before_any_answer_is_worth_no_more() -> None:
    one = guessing()
    guest = Guest(src=ATTACKER)
    _, number = one.ask(guest)
    one.answer(guest, number, 401, nonce="n")
    verdicts = [one.ask(guest, nonce="n")[0].verdict for _ in range(1000)]
    assert verdicts.count(Verdict.ACCEPT) == 10
    assert not one.engine.ledger.table.fill  # nobody saw a refusal yet


def test_who_takes_his_time_has_the_budget_of_a_day() -> None:
    one = guessing()
    assert tries(one, 1440, every=60) <= 20


def test_the_right_password_after_half_the_budget_gets_in_and_gives_its_charge_back() -> None:
    one = guessing()
    assert tries(one, 5) == 5
    made = one.register(Guest(src=ATTACKER))
    assert (made.reached, made.code) == (True, 200)
    # What was wrong stays charged, what was right does not.
    assert tries(one, 50, Guest(src=ATTACKER, port=6000)) == 5


def test_a_phone_that_is_right_never_pays() -> None:
    one = guessing()
    assert all(one.register(Guest()).reached for _ in range(200))


def test_beyond_the_budget_the_account_is_cut_from_there_and_no_other() -> None:
    one = guessing()
    assert tries(one, 12) == 10
    made = one.register(Guest(src=ATTACKER), right=True)
    assert made.decisions[-1].reason is Reason.ACCOUNT
    (held,) = [held for _, held in one.engine.ledger.cuts(one.ts)]
    assert held.account
    assert one.register(Guest(src="203.0.113.1")).reached
    assert one.register(Guest("202", src=ATTACKER)).reached


def test_a_cut_needs_refusals_that_were_seen() -> None:
    one = guessing()
    guest = Guest(src=ATTACKER)
    _, number = one.ask(guest)
    one.answer(guest, number, 401, nonce="n")
    alerts = [alert for _ in range(20) for alert in one.ask(guest, nonce="n")[0].alerts]
    assert {alert.rule for alert in alerts} == {ACCOUNT}
    assert {alert.scope for alert in alerts} == {None}
    assert alerts[0].evidence == {"limit": 10, "seconds": 600}


def test_retransmissions_are_one_try() -> None:
    one = guessing()
    guest = Guest(src=ATTACKER)
    _, number = one.ask(guest)
    one.answer(guest, number, 401, nonce="n")
    verdicts = {one.ask(guest, nonce="n", number=900, response="same")[0].verdict for _ in range(11)}
    assert verdicts == {Verdict.ACCEPT}
    assert [one.ask(guest, nonce="n")[0].verdict for _ in range(10)] == [Verdict.ACCEPT] * 9 + [Verdict.DROP]


def test_an_old_nonce_that_was_right_before_costs_nothing() -> None:
    one = guessing()
    guest = Guest()
    nonce = ""
    for number in range(50):
        if nonce:
            _, asked = one.ask(guest, nonce=nonce)
            one.answer(guest, asked, 401, nonce=f"n{number}", stale=True)
        assert one.register(guest).reached
        nonce = f"nonce-{next(one.numbers) - 2}"


def test_403_and_404_are_refusals_too() -> None:
    for code in (403, 404):
        one = guessing()
        assert sum(one.register(Guest(src=ATTACKER), right=False, refusal=code).reached for _ in range(40)) == 10
        assert one.engine.ledger.table.fill == 1


def test_a_pbx_that_fails_is_no_refusal() -> None:
    one = guessing()
    assert sum(one.register(Guest(), right=False, refusal=503).reached for _ in range(40)) == 40


def test_a_fraction_of_a_budget_is_not_bought_with_an_account_of_ones_own() -> None:
    one = guessing()
    own, target = Guest("666", src=ATTACKER), Guest("201", src=ATTACKER)
    reached = 0
    for _ in range(100):
        assert one.register(own).reached
        reached += one.register(target, right=False).reached
    assert reached == 10


def test_where_no_answer_comes_by_more_is_allowed_and_said() -> None:
    one = guessing(account=Limit(4, 600), account_sustained=Limit(100, 86400), unproven=WIDE, source=WIDE)
    for number in range(150):
        one.ask(Guest(str(number), src="203.0.113.5"))
        one.now += 0.3
    found = [one.ask(Guest("201", src=ATTACKER), nonce="n")[0] for _ in range(30)]
    assert all(decision.observation is not None and decision.observation.blind for decision in found)


# --- many accounts from one source --------------------------------------------------------------------------------------------


def test_one_guess_at_each_of_many_names_that_nobody_has_is_a_spray() -> None:
    one = guessing()
    reached = sum(one.register(Guest(str(300 + n), src=ATTACKER), right=False).reached for n in range(200))
    assert reached <= 7
    assert [held.rule for _, held in one.engine.ledger.cuts(one.ts)] == [SPRAY.id]
    decision, _ = one.ask(Guest("1", src=ATTACKER))
    assert (decision.verdict, decision.reason) == (Verdict.DROP, Reason.BANNED)


def test_one_guess_at_each_of_many_real_accounts_is_one_too() -> None:
    one = guessing()
    for number in range(200):
        assert one.register(Guest(str(300 + number), src=f"198.51.100.{number}")).reached
    reached = sum(one.register(Guest(str(300 + n), src=ATTACKER), right=False).reached for n in range(200))
    assert reached == 30
    (held,) = [held for _, held in one.engine.ledger.cuts(one.ts)]
    assert (held.rule, held.account) == (SPRAY.id, 0)


def test_an_offender_who_comes_back_has_one_guess() -> None:
    one = guessing()
    sum(one.register(Guest(str(300 + n), src=ATTACKER), right=False).reached for n in range(50))
    one.now += 700
    reached = sum(one.register(Guest(str(400 + n), src=ATTACKER), right=False).reached for n in range(50))
    assert reached == 1


def test_a_botnet_against_one_account_has_a_budget_and_nobody_is_cut_for_it() -> None:
    one = guessing(account_everywhere=Limit(20, 3600))
    found = [one.register(Guest(src=f"198.51.{n // 200}.{n % 200 + 1}"), right=False) for n in range(100)]
    assert sum(made.reached for made in found) == 20
    assert found[-1].alerts == {EVERYWHERE.slug}
    assert not one.engine.ledger.table.fill


def test_a_known_source_is_no_part_of_that() -> None:
    one = guessing(account_everywhere=Limit(20, 3600))
    home = Guest(src="192.0.2.200")
    assert one.register(home).reached
    for number in range(100):
        one.register(Guest(src=f"198.51.{number // 200}.{number % 200 + 1}"), right=False)
    assert one.register(home).reached


def test_a_network_of_sources_has_a_budget() -> None:
    one = guessing(network=Limit(15, 600))
    found = [one.register(Guest(str(300 + n), src=f"198.51.100.{n + 1}"), right=False) for n in range(40)]
    assert sum(made.reached for made in found) == 15
    assert found[-1].alerts == {NETWORK.slug}


# --- those who prove nothing --------------------------------------------------------------------------------------------------


def test_credentials_on_a_nonce_that_proves_nobody_share_one_budget_an_account() -> None:
    one = guessing()
    reached = sum(stray(one, 1, Guest(src=f"198.51.{n // 200}.{n % 200 + 1}", port=2000 + n)) for n in range(300))
    assert reached == 10
    assert not one.engine.ledger.table.fill
    decision, _ = one.ask(Guest(), nonce="elsewhere")
    assert {alert.rule for alert in decision.alerts} == {UNPROVEN}
    assert decision.reason is Reason.ACCOUNT


def test_a_new_port_for_each_try_is_worth_nothing() -> None:
    one = guessing()
    assert sum(one.register(Guest(src=ATTACKER, port=1024 + n), right=False).reached for n in range(200)) == 10
    other = guessing()
    assert sum(stray(other, 1, Guest(src=ATTACKER, port=1024 + n)) for n in range(200)) == 10


def test_forged_tries_in_the_name_of_a_known_phone_cost_it_nothing() -> None:
    one = guessing()
    phone = Guest(call="phones-own-call")
    assert one.register(phone).reached
    assert stray(one, 1000, Guest(call="")) <= 10
    for _ in range(20):
        assert one.register(phone).reached
    assert not one.engine.ledger.table.fill


@pytest.mark.parametrize("beside", [False, True])
def test_invented_names_push_out_no_accounts_budget(beside: bool) -> None:  # noqa: FBT001
    """Anybody can send them, from any number of addresses: a table has an end."""
    one = guessing(entries=64)
    assert one.register(Guest("201", src=OFFICE)).reached

    def guesses() -> int:
        if not beside:
            return stray(one, 20, Guest("201", src=ATTACKER))
        return sum(several(one, Guest(f"8{n}", src=ATTACKER), ["201"], "Authorization", "made up") for n in range(20))

    assert guesses() == 10
    for number in range(1000):
        one.ask(Guest(str(1000 + number), src=f"198.18.0.{number % 250}"), nonce="made up")
    assert guesses() == 0


def test_a_known_phone_whose_nonce_we_forgot_goes_on_with_its_call() -> None:
    one = guessing()
    phone = Guest(call="phones-own-call")
    assert one.register(phone).reached
    stray(one, 1000, Guest())
    assert stray(one, 50, phone, "from-before-the-restart", right=True) == 50


def test_a_known_phone_that_is_right_gives_nothing_back_to_those_who_forge_its_name() -> None:
    one = guessing()
    phone = Guest(call="phones-own-call")
    assert one.register(phone).reached
    reached = 0
    for _ in range(100):
        reached += stray(one, 1, Guest(call="forged"))
        stray(one, 1, phone, "shared", right=True)
    assert reached <= 10


def test_a_domain_behind_the_name_makes_no_other_account() -> None:
    one = guessing()
    assert sum(tries(one, 1, Guest(f"201@domain-{number}", src=ATTACKER)) for number in range(50)) == 10


def test_the_second_name_in_a_request_is_charged_as_well() -> None:
    one = guessing()
    reached = 0
    guest = Guest("900", src=ATTACKER)
    for _ in range(50):
        _, number = one.ask(guest)
        one.answer(guest, number, 401, nonce=f"n{number}")
        text = f'Digest username="201", nonce="n{number}", response="{number}"'
        decision, number = one.ask(guest, nonce=f"n{number}", extra=[("Authorization", text)])
        if decision.verdict is Verdict.ACCEPT:
            reached += 1
            one.answer(guest, number, 401, nonce="x")
    assert reached <= 10


def test_a_pbx_that_answers_nobody_makes_no_burst_free_and_costs_its_phones_nothing() -> None:
    one = guessing()
    phone = Guest()
    assert one.register(phone).reached
    _, number = one.ask(phone)
    one.answer(phone, number, 401, nonce="own")
    one.ask(phone)
    one.now += 3
    decisions = [one.ask(phone, nonce="own")[0] for _ in range(100)]
    assert sum(decision.verdict is Verdict.ACCEPT for decision in decisions) == 10
    assert not any(decision.cuts for decision in decisions)
    one.answer(phone, number, 401, nonce="own")
    assert all(one.register(phone).reached for _ in range(20))


# --- what is not earned gives nothing back ---------------------------------------------------------------------------------------


def own_nonce(one: Site, guest: Guest) -> str:
    """A nonce that went to him alone, for a registration of his."""
    _, number = one.ask(guest)
    nonce = f"own-{number}"
    one.answer(guest, number, 401, nonce=nonce)
    return nonce


@pytest.mark.parametrize(
    ("method", "codes"), [("INVITE", [483]), ("INVITE", [200]), ("INVITE", [180, 183, 200]), ("OPTIONS", [200])]
)
def test_an_acceptance_that_looked_at_no_credentials_gives_no_guess_back(method: str, codes: list[int]) -> None:
    """The PBX never asked this request for credentials: whatever stands in it, it may take it all the same."""
    one = guessing()
    guest = Guest(src=ATTACKER, call="one-call")
    reached, nonce = 0, ""
    for minute in range(1440):
        one.now += 60
        if minute % 50 == 0:
            nonce = own_nonce(one, guest)
        decision, number = one.ask(guest, nonce=nonce)
        if not decision.effect:
            reached += 1
            one.answer(guest, number, 401, nonce="again")
        if minute % 3 == 2:
            decision, number = one.ask(guest, method, nonce=nonce, extra=(), uri="sip:100@pbx")
            for code in [] if decision.effect else codes:
                one.answer(guest, number, code, method)
    assert 10 <= reached <= 20


def test_nor_does_it_give_a_name_back() -> None:
    one = guessing()
    reached = 0
    for number in range(50):
        guest = Guest(str(1000 + number), src=ATTACKER, call=f"call-of-{number}")
        nonce = own_nonce(one, guest)
        for method, code in (("REGISTER", 401), ("INVITE", 200)):
            decision, asked = one.ask(guest, method, nonce=nonce, extra=())
            reached += not decision.effect and method == "REGISTER"
            if not decision.effect:
                one.answer(guest, asked, code, method, nonce="again" if code == 401 else "")
    assert reached == 6


def test_one_right_password_in_many_requests_at_once_gives_one_name_back() -> None:
    """Each is accepted, and one name was charged for all: the rest would be names to guess at."""
    one = guessing()
    own = Guest("777", src=ATTACKER, call="one-call")
    nonce = own_nonce(one, own)
    asked = [one.ask(own, nonce=nonce) for _ in range(8)]
    assert not any(decision.effect for decision, _ in asked)
    others = [Guest(str(number), src=ATTACKER) for number in range(1000, 1050)]
    assert sum(tries(one, 1, other) for other in others[:5]) == 5
    for _, number in asked:
        one.answer(own, number, 200, extra=[("Contact", "<sip:x@203.0.113.9>;expires=3600")])
    assert sum(tries(one, 1, other) for other in others[5:]) == 1


def test_nobody_is_cut_for_credentials_on_a_challenge_that_a_foreign_pbx_made() -> None:
    """A call forged in somebody's name to a callee of the forger's own: what he answers, our PBX hands on to him who is named."""
    one = guessing()
    victim, forger = Guest("301", src="198.51.100.77"), "203.0.113.1"
    assert one.register(victim).reached
    _, number = one.ask(victim, "INVITE", uri="sip:forger@elsewhere")
    challenge = response(401, "x", extra=[("WWW-Authenticate", 'Digest realm="x", nonce="evil"')])
    one.outside(challenge, forger)
    one.answer(victim, number, 401, "INVITE", nonce="evil")
    for account in ("301", *map(str, range(400, 460))):
        assert stray(one, 15, Guest(account, src=victim.src), "evil") <= 10
    assert not one.engine.ledger.table.fill
    assert one.register(victim).reached


# --- several accounts in one request ---------------------------------------------------------------------------------------------


def several(one: Site, guest: Guest, others: list[str], header: str, nonce: str) -> bool:
    """A wrong try with the guest's name and these others in one request. True when it reaches the PBX, which refuses it."""
    texts = [f'Digest username="{other}", realm="r-{other}", nonce="{nonce}", response="00"' for other in others]
    decision, number = one.ask(guest, nonce=nonce, extra=[(header, text) for text in texts])
    if not decision.effect:
        one.answer(guest, number, 401, nonce=f"{nonce}-again")
    return not decision.effect


@pytest.mark.parametrize("header", ["Authorization", "Proxy-Authorization"])
@pytest.mark.parametrize("decoy", ["900", "901", "902", "903"])
def test_each_account_in_one_request_is_charged(header: str, decoy: str) -> None:
    """A new decoy for each try: which of the names is looked at first, is no matter."""
    one = guessing(source=WIDE, source_names=WIDE)
    guest = Guest("201", src=ATTACKER)
    assert sum(several(one, guest, [f"{decoy}{n}"], header, own_nonce(one, guest)) for n in range(50)) == 10
    assert tries(one, 20, Guest("201", src=ATTACKER, port=7000)) == 0


@pytest.mark.parametrize("header", ["Authorization", "Proxy-Authorization"])
def test_each_account_in_one_request_that_proves_nothing_is_charged(header: str) -> None:
    one = guessing()
    reached = sum(several(one, Guest(f"90{n}", src=ATTACKER), ["201"], header, "elsewhere") for n in range(50))
    assert reached == 10
    assert stray(one, 20, Guest("201", src="203.0.113.67")) == 0


def test_names_beside_another_are_names_that_a_source_tries() -> None:
    one = guessing()
    guest, reached = Guest("900", src=ATTACKER), 0
    for number in range(50):
        reached += several(one, guest, [str(1000 + number)], "Authorization", own_nonce(one, guest))
    assert reached <= 6


def test_no_name_hides_behind_the_probe_of_another() -> None:
    """Somebody who has an account is cut for it on purpose: what he may try now and then is his own password."""
    one = guessing()
    own = Guest("777", src=ATTACKER)
    assert one.register(own).reached
    own.port = 6000
    tries(one, 12, own)
    reached = 0
    for _ in range(200):
        one.now += 60
        reached += several(one, own, ["201"], "Authorization", own_nonce(one, own))
    assert reached <= 20 + 20 * 200 // 1440  # the day's budget, and what of it fills up meanwhile


# --- success after failures ---------------------------------------------------------------------------------------------------


def test_a_success_after_many_failures_is_worth_an_alert_and_passes() -> None:
    one = guessing()
    tries(one, 6)
    made = one.register(Guest(src=ATTACKER))
    assert made.answer is not None
    assert made.answer.verdict is Verdict.ACCEPT
    (alert,) = made.answer.alerts
    assert (alert.rule, alert.scope) == (SUCCESS, None)
    assert alert.evidence == {"failures": 6}


def test_somebody_who_mistypes_is_not() -> None:
    one = guessing()
    tries(one, 3)
    made = one.register(Guest(src=ATTACKER))
    assert made.answer is not None
    assert made.answer.alerts == ()


# --- offices ------------------------------------------------------------------------------------------------------------------


def test_an_office_has_room_in_proportion_to_its_good_registrations() -> None:
    nat = "198.51.100.9"

    def wrong_ones(phones: int) -> int:
        one = guessing(source_names=WIDE)
        for number in range(phones):
            assert one.register(Guest(str(300 + number), src=nat, port=4000 + number)).reached
        return sum(one.register(Guest(str(900 + n), src=nat, port=9000), right=False).reached for n in range(300))

    none, some, many = wrong_ones(0), wrong_ones(12), wrong_ones(40)
    assert none == 30
    assert none < some < many


def test_one_wrong_phone_costs_its_neighbours_nothing() -> None:
    one = guessing()
    nat = "198.51.100.9"
    good = [Guest(str(300 + number), src=nat, port=4000 + number) for number in range(20)]
    for guest in good:
        assert one.register(guest).reached
    bad = Guest("300", src=nat, port=7000)
    for _ in range(60):
        one.register(bad, right=False)
        one.now += 30
        assert all(one.register(guest).reached for guest in good[1:])
    scopes = {held.scope for _, held in one.engine.ledger.cuts(one.ts)}
    assert scopes == {list(Scope).index(Scope.ACCOUNT)}


def test_an_office_is_not_cut_for_a_few_new_phones_with_wrong_passwords() -> None:
    """The sensor has just begun: most of the office is in, some are refused, and the rest is still to come."""
    one = guessing()
    assert all(one.register(Guest(str(500 + place), src=OFFICE, port=4000 + place)).reached for place in range(10))
    tried = [one.register(Guest(str(600 + place), src=OFFICE, port=4100 + place), right=False) for place in range(9)]
    assert [made.reached for made in tried] == [True] * 6 + [False] * 3
    assert not any(cut for made in tried for decision in made.decisions for cut in decision.cuts)
    one.now += 900
    assert one.register(Guest("700", src=OFFICE, port=4200)).reached


def test_a_source_that_is_refused_more_than_it_has_accounts_is_cut() -> None:
    one = guessing()
    one.register(Guest("500", src=OFFICE))
    for place in range(9):
        one.register(Guest(str(600 + place), src=OFFICE, port=4100 + place), right=False)
    assert [cut.scope for _, cut in one.engine.ledger.cuts(one.ts)] == [SCOPES.index(Scope.SOURCE)]
    assert one.register(Guest("500", src=OFFICE)).reached  # who is known from there goes on


def test_its_state_is_bounded() -> None:
    detector = Guessing(GuessingSettings(entries=64))
    one = site(detector)
    for number in range(500):
        one.register(Guest(str(number), src=f"198.51.{number // 200}.{number % 200 + 1}"), right=False)
    assert all(table.entries <= table.capacity for table in detector.tables())
    assert detector.pairs.fill == 64
