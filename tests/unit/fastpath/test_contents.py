from __future__ import annotations

from sipsensor.fastpath.contents import contents
from sipsensor.fastpath.tables import RateTable, Records, SeenTable
from sipsensor.model import NANOSECONDS

NOW = 1000 * NANOSECONDS


def test_records_with_their_times_and_ranks() -> None:
    table = Records(8, 2)
    table.put(5, NOW, NOW + 10, (7, 8), rank=3)
    table.put(6, NOW, NOW + 20, (2**64 - 1, 0))
    assert contents(table, NOW) == [(5, 3, (NOW + 10, 7, 8)), (6, 0, (NOW + 20, 2**64 - 1, 0))]
    assert contents(table, NOW + 10) == [(6, 0, (NOW + 20, 2**64 - 1, 0))]
    assert contents(table, NOW + 20) == []


def test_buckets_by_the_time_until_they_are_empty() -> None:
    table = RateTable(8, [(2, 10), (100, 100)])
    table.charge(9, NOW, rank=1)
    table.charge(9, NOW, rank=1)
    assert contents(table, NOW) == [(9, 1, (10 * NANOSECONDS, 2 * NANOSECONDS))]
    assert contents(table, NOW + 3 * NANOSECONDS) == [(9, 1, (7 * NANOSECONDS, 0))]


def test_what_was_seen_and_how_often() -> None:
    table = SeenTable(8, 32)
    table.touch(4, NOW)
    table.touch(4, NOW + 5)
    table.touch(3, NOW + 6)
    assert contents(table, NOW + 7) == [(4, 0, (NOW, 2)), (3, 0, (NOW + 6, 1))]
    assert contents(table, NOW + 33 * NANOSECONDS) == []


def test_the_longest_untouched_of_a_set_comes_first_and_looking_touches_nothing() -> None:
    table = Records(8, 1)
    for key in (1, 2, 3):
        table.put_one(key, NOW, NOW + 100, key)
    assert table.holds(1, NOW)
    order = [entry[0] for entry in contents(table, NOW)]
    assert order == [2, 3, 1]
    assert [entry[0] for entry in contents(table, NOW)] == order


def test_what_was_forgotten_is_not_there() -> None:
    table = SeenTable(8, 32)
    table.touch(4, NOW)
    table.forget(4)
    assert contents(table, NOW) == []
    table.touch(4, NOW)
    table.clear()
    assert contents(table, NOW) == []
