import pytest

from sipsensor.decide.ledger import MANY, ORDER, SCOPES, Held, Ladder, Ledger
from sipsensor.detect.guessing import Guessing, GuessingSettings
from sipsensor.fastpath.ranges import Networks
from sipsensor.fastpath.tables import keyed_hash
from sipsensor.model import NANOSECONDS, Cut, Limit, Reason, Scope, Verdict
from tests.support.packets import message, wide
from tests.support.scanning import SEED
from tests.support.site import Guest, Site, site

ATTACKER = "203.0.113.66"
TARGET = Guest(src=ATTACKER)
HOUR = 3600
WIDE = Limit(10_000, 1)


def watched(ladder: Ladder | None = None, **options: object) -> Site:
    """A site that guesses at passwords are cut at, and nothing else."""
    return site(Guessing(GuessingSettings(account_sustained=WIDE)), ladder=ladder, **options)


def guess(one: Site, count: int = 1, guest: Guest = TARGET, *, every: float = 0) -> int:
    """How many wrong guesses reach the PBX."""
    reached = 0
    for _ in range(count):
        reached += one.register(guest, right=False).reached
        one.now += every
    return reached


def spray(one: Site, src: str = ATTACKER, count: int = 12) -> list[Cut]:
    """A source that guesses at many names: the cuts that come of it."""
    made = [one.register(Guest(str(700 + number), src=src), right=False) for number in range(count)]
    return [cut for each in made for decision in each.decisions for cut in decision.cuts]


def cuts(one: Site, *, over: bool = False) -> list[Held]:
    return [held for _, held in one.engine.ledger.cuts(one.ts, over=over)]


def only(one: Site) -> Held:
    (held,) = cuts(one, over=True)
    return held


def source_of(address: bytes) -> int:
    """The source's key of an address, as the fast path makes it."""
    return keyed_hash(SEED, address if address.startswith(b"\0" * 10 + b"\xff\xff") else address[:8])


# --- the ladder ---------------------------------------------------------------------------------------------------------------


def test_each_cut_is_longer_up_to_the_longest() -> None:
    ladder = Ladder(first=600, factor=4, longest=7 * 86400)
    assert [ladder.seconds(times) for times in range(7)] == [600, 2400, 9600, 38400, 153600, 604800, 604800]
    assert ladder.seconds(10**6) == 604800
    assert Ladder(first=60, factor=1).seconds(5) == 60


def test_the_kinds_of_cuts_are_numbered_as_they_are_kept() -> None:
    assert SCOPES == (Scope.FLOW, Scope.ACCOUNT, Scope.SOURCE, Scope.NETWORK)


def test_a_cut_is_told_once_with_what_it_covers_and_until_when() -> None:
    one = watched()
    found = [decision for _ in range(14) for decision in one.register(TARGET, right=False).decisions]
    (cut,) = [cut for decision in found for cut in decision.cuts]
    assert (cut.scope, cut.account, cut.times) == (Scope.ACCOUNT, b"201", 1)
    assert cut.address == wide(ATTACKER)
    assert (cut.since, cut.until) == (one.ts, one.ts + 600 * NANOSECONDS)
    assert not cut.rule.spoofable


def test_it_is_in_force_until_its_time_and_remembered_after() -> None:
    one = watched()
    guess(one, 11)
    one.now += 599
    assert len(cuts(one)) == 1
    one.now += 1
    assert cuts(one) == []
    assert only(one).times == 1


# --- an account's cut goes on while he goes on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 10, 60, 300, 599])
def test_no_pace_of_trying_wins_a_guess_while_a_cut_is_in_force(every: int) -> None:
    one = watched()
    assert guess(one, 11) == 10
    assert guess(one, 200, every=every) == 0


def test_tries_that_anybody_could_have_sent_do_not_make_it_longer() -> None:
    one = watched()
    guess(one, 11)
    until = only(one).until
    one.now += 300
    for _ in range(50):
        decision, _ = one.ask(TARGET, nonce="elsewhere")
        assert decision.verdict is Verdict.DROP
    assert only(one).until == until
    guess(one, 1)
    assert only(one).until > until


def test_who_comes_back_after_it_has_one_guess_and_then_the_next_longer_cut() -> None:
    one = watched()
    guess(one, 11)
    one.now += 601
    assert guess(one, 10) == 1
    assert only(one).times == 2
    assert only(one).until == one.ts + 2400 * NANOSECONDS
    one.now += 2401
    assert guess(one, 10) == 1
    assert only(one).times == 3


def test_an_offence_is_forgotten_after_its_memory() -> None:
    one = watched(Ladder(memory=86_400))
    guess(one, 11)
    one.now += 600 + 86_400
    assert cuts(one, over=True) == []
    assert guess(one, 20) == 10


def test_the_right_password_on_parole_is_the_end_of_it() -> None:
    one = watched()
    guess(one, 11)
    one.now += 700
    assert one.register(TARGET).code == 200
    assert cuts(one, over=True) == []


def test_an_acceptance_that_looked_at_no_password_is_not() -> None:
    """A call that the PBX takes without a question, with credentials in it: the offence is remembered."""
    one = watched()
    assert guess(one, 12) == 10
    one.now += 700
    _, number = one.ask(TARGET)
    one.answer(TARGET, number, 401, nonce="own")
    decision, number = one.ask(TARGET, "INVITE", nonce="own", extra=())
    assert not decision.effect
    one.answer(TARGET, number, 200, "INVITE")
    assert guess(one, 50) == 0
    assert only(one).times == 2


# --- probes -------------------------------------------------------------------------------------------------------------------


def misconfigured(ladder: Ladder | None = None) -> Site:
    """A phone that was accepted before has a wrong password now, and is cut."""
    one = watched(ladder)
    assert one.register(Guest(src=ATTACKER, port=7000)).reached
    one.now += 100
    assert guess(one, 20) == 10
    return one


def test_an_account_that_was_accepted_from_there_has_a_probe_now_and_then() -> None:
    one = misconfigured()
    one.now += 29
    assert guess(one, 3) == 0
    one.now += 1
    assert guess(one, 3) == 1
    one.now += 54
    assert guess(one, 3) == 0
    one.now += 1
    assert guess(one, 3) == 1


def test_a_corrected_password_works_within_a_minute_even_after_an_hour() -> None:
    one = misconfigured()
    reached = guess(one, 360, every=10)
    assert reached <= HOUR // 50
    codes = []
    for _ in range(6):
        codes.append(one.register(TARGET).code)
        one.now += 10
    assert 200 in codes
    assert cuts(one, over=True) == []
    assert all(one.register(TARGET).reached for _ in range(20))


def test_one_never_accepted_from_there_has_none() -> None:
    one = watched()
    assert one.register(Guest(src="192.0.2.77")).reached
    guess(one, 11)
    assert guess(one, 100, every=60) == 0


def test_tries_in_his_name_use_up_no_probe() -> None:
    one = misconfigured()
    one.now += 31
    for _ in range(100):
        one.ask(TARGET, nonce="elsewhere")
    assert one.register(TARGET).code == 200


# --- sources and networks -------------------------------------------------------------------------------------------------------


def test_a_sources_cut_covers_whatever_it_asks() -> None:
    one = watched()
    (cut,) = spray(one)
    assert (cut.scope, cut.account, cut.address) == (Scope.SOURCE, None, wide(ATTACKER))
    for method in ("REGISTER", "INVITE", "OPTIONS", "ACK", "BYE"):
        decision, _ = one.ask(Guest("1", src=ATTACKER, port=9), method)
        assert (decision.verdict, decision.reason) == (Verdict.DROP, Reason.BANNED)
    assert one.ask(Guest("1", src="203.0.113.67"))[0].verdict is Verdict.ACCEPT


def test_its_answers_and_what_goes_to_it_pass() -> None:
    one = watched()
    spray(one)
    _, number = one.ask(Guest("1", src="203.0.113.67"))
    assert one.answer(Guest("1", src=ATTACKER), number, 401, nonce="n").verdict is Verdict.ACCEPT


def test_known_phones_behind_it_go_on() -> None:
    one = watched()
    phone = Guest("300", src=ATTACKER, port=7000)
    assert one.register(phone).reached
    spray(one)
    assert any(held.scope == SCOPES.index(Scope.SOURCE) for held in cuts(one))
    assert one.register(phone).reached
    assert one.ask(phone, "INVITE")[0].verdict is Verdict.ACCEPT


def test_the_kernel_is_told_only_of_sources_where_nobody_was_ever_accepted() -> None:
    one = watched()
    spray(one)
    assert only(one).kernel == 1
    assert only(one).address == wide(ATTACKER)
    other = watched()
    assert other.register(Guest("300", src=ATTACKER)).reached
    spray(other)
    assert only(other).kernel == 0
    account = watched()
    guess(account, 11)
    assert only(account).kernel == 0


def test_an_offender_has_one_guess_whatever_he_tries() -> None:
    one = watched()
    spray(one)
    one.now += 601
    assert sum(one.register(Guest(str(800 + n), src=ATTACKER), right=False).reached for n in range(30)) == 1
    (held,) = [held for held in cuts(one) if held.scope == SCOPES.index(Scope.SOURCE)]
    assert held.times == 2


def test_many_cut_sources_of_one_network_are_its_cut() -> None:
    one = watched(Ladder(network=8))
    found = [cut for number in range(9) for cut in spray(one, f"203.0.113.{number + 1}")]
    (network,) = [cut for cut in found if cut.scope is Scope.NETWORK]
    assert network.rule is MANY
    assert len([cut for cut in found if cut.scope is Scope.SOURCE]) == 9
    assert one.ask(Guest("1", src="203.0.113.200"))[0].reason is Reason.BANNED
    assert one.ask(Guest("1", src="203.0.114.1"))[0].verdict is Verdict.ACCEPT


def test_an_ipv6_network_is_its_48() -> None:
    one = watched(Ladder(network=3))
    for number in range(4):
        spray(one, f"2001:db8:9:{number}00::1")
    assert one.ask(Guest("1", src="2001:db8:9:ffff::1"))[0].reason is Reason.BANNED
    assert one.ask(Guest("1", src="2001:db8:a::1"))[0].verdict is Verdict.ACCEPT


def test_one_customer_does_not_get_the_48_of_all_the_others_cut() -> None:
    one = watched(Ladder(network=3))
    for number in range(40):
        assert [cut.scope for cut in spray(one, f"2001:db8:9:1{number:02}::1")] == [Scope.SOURCE]
        one.now += 70  # the network has a budget of tries, too
    assert one.ask(Guest("1", src="2001:db8:9:ffff::1"))[0].verdict is Verdict.ACCEPT


def test_a_few_who_are_cut_again_and_again_do_not_get_their_neighbours_cut() -> None:
    one = watched(Ladder(first=60, factor=1, network=8))
    found = []
    for _ in range(20):
        found += [cut for number in range(8) for cut in spray(one, f"203.0.113.{number + 1}")]
        one.now += 61
    assert len(found) > 50
    assert {cut.scope for cut in found} == {Scope.SOURCE}
    assert one.ask(Guest("1", src="203.0.113.200"))[0].verdict is Verdict.ACCEPT


def test_whom_the_operator_lets_in_is_in_while_his_network_stays_cut() -> None:
    one = watched(Ladder(network=3))
    for number in range(4):
        spray(one, f"203.0.113.{number + 1}")
    guest, neighbour = Guest("1", src="203.0.113.200"), Guest("1", src="203.0.113.201")
    one.engine.ledger.spare(source_of(wide(guest.src)), one.ts)
    assert one.register(guest).code == 200
    assert one.ask(neighbour)[0].reason is Reason.BANNED
    assert [held.kernel for held in cuts(one) if held.scope == SCOPES.index(Scope.NETWORK)] == [0]
    one.now += one.engine.ledger.ladder.grace
    assert one.ask(Guest("2", src=guest.src))[0].verdict is Verdict.ACCEPT


def test_what_it_takes_to_get_a_network_cut() -> None:
    """The figures of docs/threat-model.md: nine addresses that receive, seven wrong passwords from each."""
    one = watched()
    tries = 0
    for number in range(9):
        for name in range(30):
            made = one.register(Guest(str(700 + name), src=f"203.0.113.{number + 1}"), right=False)
            tries += 1
            if any(decision.cuts for decision in made.decisions):
                break
    assert tries == 63
    assert one.ask(Guest("1", src="203.0.113.200"))[0].reason is Reason.BANNED


def test_forging_gets_no_network_cut() -> None:
    """A nonce that went elsewhere, in the name of each address of a network."""
    one = watched()
    for number in range(1, 255):
        for name in range(10):
            one.ask(Guest(str(700 + name), src=f"203.0.113.{number}"), nonce="elsewhere")
    assert cuts(one) == []


def test_who_is_behind_a_proxy_is_cut_and_never_the_proxy() -> None:
    proxy = "192.0.2.20"
    one = watched(proxies=[proxy])

    def through(client: str, name: str, number: int, nonce: str = "") -> Verdict:
        via = f"SIP/2.0/UDP {proxy};branch=z9hG4bKp{number}\r\nVia: SIP/2.0/UDP {client}:5060;branch=z9hG4bKc{number}"
        return one.ask(Guest(name, src=proxy), number=number, nonce=nonce, via=via)[0].verdict

    def answered(client: str, name: str, number: int) -> None:
        via = f"SIP/2.0/UDP {proxy};branch=z9hG4bKp{number}\r\nVia: SIP/2.0/UDP {client}:5060;branch=z9hG4bKc{number}"
        head = {**Guest(name, src=proxy).head("REGISTER", number, "pbx", via)}
        text = message(change=head, extra=[("WWW-Authenticate", f'Digest realm="x", nonce="n{number}"')])
        one.inside(b"SIP/2.0 401 x\r\n" + text.split(b"\r\n", 1)[1], proxy)

    for number in range(10, 60, 2):
        name = str(700 + number)
        if through(ATTACKER, name, number) is Verdict.ACCEPT:
            answered(ATTACKER, name, number)
            if through(ATTACKER, name, number + 1, f"n{number}") is Verdict.ACCEPT:
                answered(ATTACKER, name, number + 1)
    assert only(one).address == wide(ATTACKER)
    assert only(one).kernel == 0
    assert through(ATTACKER, "1", 900) is Verdict.DROP
    assert through("203.0.113.67", "1", 901) is Verdict.ACCEPT


# --- orders ---------------------------------------------------------------------------------------------------------------------


def test_the_operators_ban_covers_all_that_a_network_asks_even_of_the_known() -> None:
    one = watched()
    phone = Guest("300")
    assert one.register(phone).reached
    one.engine.ledger.ban("203.0.113.0/24", one.ts + HOUR * NANOSECONDS)
    decision, _ = one.ask(phone, "INVITE")
    assert (decision.verdict, decision.reason, decision.rule) == (Verdict.DROP, Reason.BANNED, ORDER)
    assert one.ask(Guest(src="198.51.100.1"))[0].verdict is Verdict.ACCEPT
    one.now += HOUR
    one.engine.tick(one.ts)
    assert one.ask(phone, "INVITE")[0].verdict is Verdict.ACCEPT


def test_a_ban_is_withdrawn_alone() -> None:
    one = watched()
    ledger = one.engine.ledger
    ledger.ban("203.0.113.0/24", 10**19)
    ledger.ban("2001:db8::/32", 10**19)
    assert ledger.withdraw("203.0.113.0/24")
    assert not ledger.withdraw("203.0.113.0/24")
    assert one.ask(Guest())[0].verdict is Verdict.ACCEPT
    assert one.ask(Guest(src="2001:db8:9::9"))[0].verdict is Verdict.DROP


def test_a_text_that_is_no_network_is_refused_and_changes_nothing() -> None:
    ledger = Ledger({})
    with pytest.raises(ValueError, match="nonsense"):
        ledger.ban("nonsense", 1)
    assert ledger.orders == {}


def lift(one: Site, network: str) -> list[Held]:
    ledger, networks = one.engine.ledger, Networks([network])
    return ledger.lift(
        [key for key, held in ledger.cuts(one.ts, over=True) if held.lies_in(networks)], source_of, one.ts
    )


def test_who_is_unbanned_is_in_at_once_and_not_cut_again_for_the_grace_time() -> None:
    one = watched()
    spray(one)
    (held,) = lift(one, ATTACKER)
    assert held.address == wide(ATTACKER)
    assert cuts(one, over=True) == []
    assert one.ask(Guest("1", src=ATTACKER))[0].verdict is Verdict.ACCEPT
    assert spray(one, count=40) == []
    one.now += HOUR
    assert spray(one, count=40) != []


def test_unbanning_forgets_the_ladder() -> None:
    one = watched(Ladder(grace=0))
    spray(one)
    lift(one, ATTACKER)
    one.now += 2 * HOUR
    (cut,) = spray(one, count=20)
    assert cut.times == 1


def test_a_wider_network_lifts_all_in_it_and_a_narrower_one_no_wider_cut() -> None:
    one = watched(Ladder(network=3))
    for number in range(4):
        spray(one, f"203.0.113.{number + 1}")
    assert len(cuts(one)) == 5
    assert [SCOPES[held.scope] for held in lift(one, "203.0.113.1/32")] == [Scope.SOURCE]
    assert len(lift(one, "203.0.112.0/22")) == 4
    assert cuts(one) == []


def test_nobody_else_is_lifted() -> None:
    one = watched()
    spray(one)
    assert lift(one, "203.0.113.67") == []
    assert len(cuts(one)) == 1


# --- what is kept ---------------------------------------------------------------------------------------------------------------


def test_a_ledger_that_is_filled_with_what_another_kept_cuts_the_same() -> None:
    one = watched()
    guess(one, 11)
    spray(one, "203.0.113.70")
    other = watched()
    for name, table in one.engine.ledger.kept().items():
        for key, until, rank, numbers in table.entries(one.ts):
            other.engine.ledger.kept()[name].put(key, one.ts, until, numbers, rank)
    assert other.register(TARGET, right=False).decisions[-1].reason is Reason.ACCOUNT
    assert other.ask(Guest("1", src="203.0.113.70"))[0].reason is Reason.BANNED
    other.now += 601
    assert guess(other, 20) == 1


def test_its_tables_are_named_and_bounded() -> None:
    assert [(table.name, table.entries) for table in Ledger({}, capacity=64).tables()] == [("ledger", 0), ("spared", 0)]
