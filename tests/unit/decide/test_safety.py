from sipsensor.decide.safety import LOOK, Net, Safety
from sipsensor.model import NANOSECONDS, Mode, Standing, Verdict
from sipsensor.track.standing import Held, Standings
from tests.support.site import Guest, Site, site

S = NANOSECONDS


def net(phones: int, *, share: int = 30, least: int = 5, until: int = 10**6) -> Safety:
    """So many are registered until then."""
    standings = Standings()
    for number in range(1, phones + 1):
        standings.trust(number, Held(Standing.TRUSTED, 1000 + number, 0, 0, 0, 5060, 0), 0, until * S)
    return Safety(standings, Net(share, least, 900))


def lose(safety: Safety, *phones: int) -> None:
    """They are gone as if their registrations had run out."""
    for number in phones:
        safety.standings.table.forget(number)


def goodbye(safety: Safety, *phones: int, now: int = 0) -> None:
    for number in phones:
        safety.standings.withdraw(number, now)


def test_it_falls_when_known_phones_vanish_after_a_cut_and_says_why_once() -> None:
    safety = net(20)
    safety.begin(100 * S)
    assert safety.tick(101 * S) == ""
    lose(safety, *range(1, 7))
    assert safety.tick(150 * S) == "6 of 20 registered phones are gone since something was cut"
    assert safety.tripped
    assert safety.tick(200 * S) == ""


def test_a_phone_that_moved_to_another_port_is_not_missed() -> None:
    safety = net(20)
    safety.begin(100 * S)
    lose(safety, *range(1, 20))
    for number in range(1, 20):
        safety.standings.trust(
            100 + number, Held(Standing.TRUSTED, 1000 + number, 0, 0, 0, 5061, 0), 100 * S, 10**6 * S
        )
    assert safety.tick(150 * S) == ""


def test_one_account_on_many_ports_is_one() -> None:
    safety = net(20)
    for port in range(32):
        safety.standings.trust(500 + port, Held(Standing.TRUSTED, 9, 0, 0, 0, port, 0), 0, 10**6 * S)
    safety.begin(100 * S)
    lose(safety, *range(500, 532))
    assert safety.tick(150 * S) == ""


def test_not_without_a_cut_before() -> None:
    safety = net(20)
    lose(safety, *range(1, 21))
    assert safety.tick(100 * S) == ""
    assert not safety.tripped


def test_not_long_after_it() -> None:
    safety = net(20)
    safety.begin(100 * S)
    safety.tick(101 * S)
    lose(safety, *range(1, 21))
    assert safety.tick(1000 * S) == ""


def test_not_below_the_share_and_not_below_the_number() -> None:
    safety = net(20)
    safety.begin(0)
    lose(safety, *range(1, 6))
    assert safety.tick(10 * S) == ""  # 5 of 20 are less than 30 percent
    small = net(8)
    small.begin(0)
    lose(small, *range(1, 5))
    assert small.tick(10 * S) == ""  # 4 are less than 5


def test_not_when_they_say_goodbye() -> None:
    safety = net(20)
    safety.begin(0)
    goodbye(safety, *range(1, 15))
    assert safety.tick(10 * S) == ""
    lose(safety, 15)
    assert safety.tick(30 * S) == ""


def test_goodbyes_before_the_cut_and_of_nobody_excuse_nothing() -> None:
    safety = net(40)
    goodbye(safety, *range(1, 21))
    goodbye(safety, *range(100, 200))
    safety.begin(0)
    lose(safety, *range(21, 31))
    goodbye(safety, *range(21, 31))
    assert safety.tick(10 * S)


def test_who_comes_back_or_comes_anew_makes_up_for_it() -> None:
    safety = net(20)
    safety.begin(0)
    lose(safety, *range(1, 11))
    for number in range(500, 510):
        safety.standings.trust(number, Held(Standing.TRUSTED, 1000 + number, 0, 0, 0, 5060, 0), 0, 10**6 * S)
    assert safety.tick(10 * S) == ""


def test_it_looks_every_ten_seconds() -> None:
    safety = net(20)
    safety.begin(0)
    safety.tick(1 * S)
    lose(safety, *range(1, 21))
    assert safety.tick(1 * S + LOOK - 1) == ""
    assert safety.tick(1 * S + LOOK)


def test_it_can_be_switched_off() -> None:
    safety = net(20, share=0)
    safety.begin(0)
    lose(safety, *range(1, 21))
    assert safety.tick(10 * S) == ""


def test_the_operator_starts_it_anew() -> None:
    safety = net(20)
    safety.begin(0)
    lose(safety, *range(1, 11))
    assert safety.tick(10 * S)
    safety.reset(20 * S)
    assert safety.tripped == ""
    safety.begin(30 * S)
    assert safety.tick(60 * S) == ""


def phones(one: Site, count: int, expires: int = 60) -> list[Guest]:
    guests = [Guest(str(300 + number), src=f"198.51.100.{number + 1}") for number in range(count)]
    for guest in guests:
        assert one.register(guest, expires=expires).reached
    return guests


def test_the_engine_falls_back_to_observe_when_a_cut_takes_the_phones_away() -> None:
    one = site(net=Net(30, 5, 900))
    phones(one, 20)
    for _ in range(15):
        one.register(Guest("666", src="198.51.100.1"), right=False)
    one.engine.tick(one.ts)
    assert one.engine.policy.effect(Verdict.DROP) is Verdict.DROP
    one.now += 100  # nobody renewed
    one.engine.tick(one.ts)
    assert one.engine.policy.mode is Mode.OBSERVE
    assert one.engine.safety.tripped == "20 of 20 registered phones are gone since something was cut"
    assert one.register(Guest("666", src="198.51.100.1"), right=False).reached


def test_and_does_not_when_they_renew() -> None:
    one = site(net=Net(30, 5, 900))
    guests = phones(one, 20)
    for _ in range(20):
        one.register(Guest("666"), right=False)
        one.now += 30
        for guest in guests:
            assert one.register(guest, expires=60).reached
        one.engine.tick(one.ts)
    assert one.engine.policy.mode is Mode.ENFORCE


def test_whoever_is_cut_where_no_phone_is_opens_nothing() -> None:
    one = site(net=Net(30, 5, 900))
    phones(one, 20)
    for _ in range(15):
        one.register(Guest("666"), right=False)
    one.engine.tick(one.ts)
    one.now += 100  # they went home
    one.register(Guest("666"), right=False)
    one.engine.tick(one.ts)
    assert one.engine.policy.mode is Mode.ENFORCE


def test_what_is_compared_with_ages() -> None:
    safety = net(20)
    for minute in range(0, 90, 10):
        safety.begin(minute * 60 * S)
        safety.tick(minute * 60 * S)
        if minute == 60:
            lose(safety, *range(1, 6))  # the first shift, and after it the second
    lose(safety, 6)
    assert safety.tick(91 * 60 * S) == ""
    lose(safety, *range(7, 12))
    assert safety.tick(92 * 60 * S)
