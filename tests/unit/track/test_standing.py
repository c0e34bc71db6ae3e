from sipsensor.fastpath import pair_key
from sipsensor.model import NANOSECONDS, Standing
from sipsensor.track.standing import (
    KNOWN_SECONDS,
    PORTS_PER_ACCOUNT,
    PROVEN_SECONDS,
    SOURCES_PER_ACCOUNT,
    Held,
    Standings,
)

HOUR = 3600 * NANOSECONDS
DAY = 24 * HOUR


def held(standing: Standing = Standing.TRUSTED, account: int = 201, name: int = 0) -> Held:
    return Held(standing, account, name, 0, 0xFFFFCB007109, 5060, 0)


def accept(one: Standings, port: int, source: int, account: int = 201, *, until: int = HOUR) -> bool:
    return one.accept(port, source, held(account=account), 7, 0, until)


def test_nobody_is_known_at_first() -> None:
    one = Standings()
    assert (one.of(1, 0), one.held(1, 0), one.knows(201, 5, 0)) == (Standing.STRANGER, None, False)
    assert (one.is_account(201, 0), one.accounts_at(5, 0), one.trusted(0)) == (False, 0, 0)


def test_who_is_accepted_is_trusted_there_until_then_and_known_for_weeks() -> None:
    one = Standings()
    assert accept(one, 1, 5)
    assert one.of(1, HOUR - 1) is Standing.TRUSTED
    assert one.of(1, HOUR) is Standing.STRANGER
    assert one.of(2, 0) is Standing.STRANGER
    assert one.known_call(201, 5, KNOWN_SECONDS * NANOSECONDS - 1) == 7
    assert not one.knows(201, 5, KNOWN_SECONDS * NANOSECONDS)
    assert (one.knows(201, 6, 0), one.knows(202, 5, 0)) == (False, False)
    assert (one.is_account(201, 0), one.accounts_at(5, 0)) == (True, 1)


def test_the_proven_are_forgotten_after_an_hour_and_never_take_the_place_of_the_trusted() -> None:
    one = Standings()
    one.prove(1, held(Standing.PROVEN, 0), 0)
    assert one.of(1, PROVEN_SECONDS * NANOSECONDS - 1) is Standing.PROVEN
    assert one.of(1, PROVEN_SECONDS * NANOSECONDS) is Standing.STRANGER
    accept(one, 1, 5, until=DAY)
    one.prove(1, held(Standing.PROVEN, 0), 0)
    assert one.of(1, 2 * HOUR) is Standing.TRUSTED


def test_an_account_has_ten_sources_and_no_more() -> None:
    one = Standings()
    found = [accept(one, 100 + source, source) for source in range(1, SOURCES_PER_ACCOUNT + 3)]
    assert found == [True] * SOURCES_PER_ACCOUNT + [False] * 2
    assert one.of(100 + SOURCES_PER_ACCOUNT + 1, 0) is Standing.STRANGER
    assert not one.knows(201, SOURCES_PER_ACCOUNT + 1, 0)
    assert accept(one, 500, 1)  # one of the ten comes from another port
    assert (one.sources_of(201, 0), one.sources_of(202, 0)) == (SOURCES_PER_ACCOUNT, 0)


def test_a_source_where_an_account_has_not_been_for_weeks_makes_room_for_another() -> None:
    """A phone whose address changes every day, beside one of the same account that stays."""
    one = Standings()
    places = []
    for day in range(100):
        now = day * DAY
        assert one.accept(1, 5, held(), 7, now, now + DAY)
        one.accept(2, 1000 + day, held(), 7, now, now + DAY)
        places.append(one.known_call(201, 1000 + day, now) == 7)
        known = [place for place in (5, *range(1000, 1100)) if one.knows(201, place, now)]
        assert len(known) <= SOURCES_PER_ACCOUNT
    assert sum(places) >= 60
    assert any(places[-14:])


def test_an_account_has_so_many_ports_an_hour() -> None:
    one = Standings()
    found = [accept(one, 1000 + port, 5) for port in range(PORTS_PER_ACCOUNT + 5)]
    assert found == [True] * PORTS_PER_ACCOUNT + [False] * 5
    assert accept(one, 1000, 5)  # who is trusted there renews
    assert accept(one, 2000, 6, account=202)  # others do not pay for it


def test_an_office_has_as_many_accounts_as_were_accepted_from_it() -> None:
    one = Standings()
    for account in range(300, 320):
        accept(one, account, 5, account)
        accept(one, account, 5, account)
    assert one.accounts_at(5, 0) == 20


def test_the_name_of_an_aor_is_known_as_well_as_that_of_its_credentials() -> None:
    one = Standings()
    assert one.accept(1, 5, held(account=201, name=900), 7, 0, HOUR)
    assert one.is_account(201, 0)
    assert one.is_account(900, 0)
    assert one.known_call(900, 5, 0) == 7


def test_who_goes_is_gone_and_only_those_who_were_there_count_as_withdrawn() -> None:
    one = Standings()
    accept(one, 1, 5)
    one.withdraw(1, 0)
    one.withdraw(1, 0)
    one.withdraw(99, 0)
    assert (one.of(1, 0), one.withdrawn) == (Standing.STRANGER, 1)
    assert one.known_call(201, 5, 0) == 7


def test_a_provider_is_trusted_for_all() -> None:
    one = Standings()
    assert one.trust(1, held(account=0), 0, HOUR)
    found = one.held(1, 0)
    assert found is not None
    assert (found.standing, found.account) == (Standing.TRUSTED, 0)


def test_no_flood_of_the_proven_pushes_out_the_trusted() -> None:
    one = Standings(capacity=64)
    for number in range(1, 33):
        assert one.trust(number, held(), 0, DAY)
    for number in range(1000, 11_000):
        one.prove(number, held(Standing.PROVEN, 0), 0)
    assert all(one.of(number, 0) is Standing.TRUSTED for number in range(1, 33))
    assert one.trusted(0) == 32


def test_what_outlives_a_restart_has_names_and_tells_its_changes() -> None:
    one = Standings()
    accept(one, 1, 5)
    assert list(one.kept()) == ["standing", "known_accounts", "account_sources", "source_accounts"]
    assert [table.name for table in one.tables()] == list(one.kept())
    changed = {name: [entry[0] for entry in table.changes()] for name, table in one.kept().items()}
    assert changed == {
        "standing": [1],
        "known_accounts": [pair_key(201, 5)],
        "account_sources": [201],
        "source_accounts": [5],
    }


def test_a_pair_has_a_key_of_its_own() -> None:
    assert len({pair_key(account, source) for account in range(50) for source in range(50)}) > 2495
    assert pair_key(0, 0) == 1
