"""What a clock that was ahead wrote, as the next sensor takes it."""

from __future__ import annotations

import pytest

from sipsensor.decide.ledger import Held, Ladder, Ledger
from sipsensor.live.believed import believed
from sipsensor.model import NANOSECONDS

SECOND = NANOSECONDS
DAY = 86400 * SECOND
NOW = 1_700_000_000 * SECOND
YEARS = 1000 * DAY


def ledger() -> Ledger:
    return Ledger({}, Ladder())


def cut(since: int, until: int) -> Held:
    return Held(2, 5005, since, until, 1, since, 0, 0, 0, 0, 0, 1)


def read(held: Held) -> tuple[int, Held]:
    made = ledger()
    _, until, _, numbers = believed("ledger", (7, held.until + made.ladder.memory * SECOND, 0, held), made, NOW)
    return until, Held(*numbers)


def test_a_cut_of_the_future_begins_now_and_lasts_as_long_as_it_did() -> None:
    ahead = NOW + YEARS
    until, held = read(cut(ahead, ahead + 600 * SECOND))
    assert (held.since, held.probed, held.until) == (NOW, NOW, NOW + 600 * SECOND)
    assert until == held.until + 30 * DAY
    _, long = read(cut(ahead, ahead + YEARS))
    assert long.until == NOW + 7 * DAY


def test_what_began_before_and_ends_too_late_ends_sooner() -> None:
    _, held = read(cut(NOW - 5 * SECOND, NOW + YEARS))
    assert (held.since, held.until) == (NOW - 5 * SECOND, NOW + 7 * DAY)


def test_what_is_right_or_over_stays_as_it_was() -> None:
    for held in (cut(NOW - 5 * SECOND, NOW + 595 * SECOND), cut(NOW - DAY, NOW - DAY + 600 * SECOND)):
        assert read(held) == (held.until + 30 * DAY, held)


@pytest.mark.parametrize(
    ("table", "longest"),
    [
        ("spared", 3600 * SECOND),
        ("standing", 7 * DAY),
        ("known_accounts", 14 * DAY),
        ("account_sources", 14 * DAY),
        ("source_accounts", 14 * DAY),
    ],
)
def test_nothing_lasts_longer_than_if_it_were_written_now(table: str, longest: int) -> None:
    numbers = (3,)
    assert believed(table, (7, NOW + YEARS, 2, numbers), ledger(), NOW) == (7, NOW + longest, 2, numbers)
    assert believed(table, (7, NOW + 5, 2, numbers), ledger(), NOW) == (7, NOW + 5, 2, numbers)


def test_who_was_spared_in_the_future_was_spared_now() -> None:
    assert believed("spared", (7, NOW + YEARS, 0, (NOW + YEARS,)), ledger(), NOW)[3] == (NOW,)
