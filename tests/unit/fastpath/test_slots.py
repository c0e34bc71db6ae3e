"""Who has room in a bounded table, and who makes it: asked of tables that hold something."""

import pytest

from sipsensor.fastpath.tables import RateTable, Records, SeenTable
from tests.support.keys import one_set


def test_a_table_never_holds_more_than_it_has_room_for() -> None:
    table = RateTable(64, [(1, 10)])
    for key in range(1, 10_000):
        table.charge(key, 0)
    assert (table.capacity, table.fill) == (64, 64)
    assert table.evictions == 9_999 - 64


def test_of_a_full_set_the_longest_untouched_goes() -> None:
    table = RateTable(64, [(1, 10)])
    keys = one_set(9)
    for key in keys[:8]:
        table.charge(key, 0)
    table.charge(keys[0], 0)
    table.charge(keys[8], 0)
    assert [key for key in keys if table.level(key, 0) == 0] == [keys[1]]


def test_a_new_key_of_an_evicted_one_starts_empty() -> None:
    table = RateTable(64, [(1, 10)])
    keys = one_set(9)
    for key in keys:
        table.charge(key, 0)
    assert table.charge(keys[0], 0) == 0


def test_a_flood_of_low_rank_pushes_nobody_of_higher_rank_out() -> None:
    table = RateTable(64, [(1, 10)])
    keys = one_set(100)
    table.charge(keys[0], 0, 1)
    for key in keys[1:]:
        table.charge(key, 0, 0)
    assert table.charge(keys[0], 0, 1) == 1


def test_where_everybody_outranks_it_a_key_is_not_kept() -> None:
    table = RateTable(64, [(1, 10)])
    keys = one_set(9)
    for key in keys[:8]:
        table.charge(key, 0, 2)
    assert [table.charge(keys[8], 0, 1) for _ in range(3)] == [0, 0, 0]
    assert table.evictions == 0
    assert all(table.level(key, 0) == 1 for key in keys[:8])


def test_clear_forgets_everything() -> None:
    table = RateTable(64, [(1, 10)])
    table.charge(1, 0)
    table.clear()
    assert (table.fill, table.level(1, 0), table.charge(1, 0)) == (0, 0, 0)


@pytest.mark.parametrize("table", [RateTable(8, [(1, 1)]), SeenTable(8, 1), Records(8, 1)])
def test_an_empty_table_finds_nothing(table: RateTable | SeenTable | Records) -> None:
    assert (table.fill, table.capacity, table.evictions) == (0, 8, 0)
