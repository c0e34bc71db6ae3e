import pytest

from sipsensor.fastpath.tables import RateTable, Records, SeenTable, keyed_hash
from sipsensor.model import NANOSECONDS as S
from tests.support.keys import one_set
from tests.support.siphash import keyed

SEED = bytes(range(16))


# --- keys ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 15, 16, 17, 255, 256, 1000])
def test_keys_are_those_of_an_independent_implementation(size: int) -> None:
    data = bytes(number * 7 & 255 for number in range(size))
    assert keyed_hash(SEED, data) == keyed(SEED, data)


def test_keys_depend_on_the_seed_and_on_each_byte() -> None:
    keys = {keyed_hash(SEED, data) for data in (b"", b"\0", b"\0\0", b"a", b"a\0", b"b", b"ab")}
    assert len(keys) == 7
    assert keyed_hash(SEED, b"a") != keyed_hash(bytes(16), b"a")


def test_a_seed_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16"):
        keyed_hash(b"short", b"")


# --- leaky buckets ---------------------------------------------------------------------------------------------------------------------


def test_exactly_as_many_as_the_limit_says_pass_at_once() -> None:
    table = RateTable(64, [(10, 60)])
    assert [table.charge(1, 5 * S) for _ in range(12)] == [0] * 10 + [1, 1]
    assert table.level(1, 5 * S) == 10


def test_what_leaks_out_makes_room() -> None:
    table = RateTable(64, [(10, 60)])
    for _ in range(10):
        table.charge(1, 0)
    assert table.charge(1, 6 * S - 1) == 1
    assert table.charge(1, 6 * S) == 0
    assert table.charge(1, 6 * S) == 1
    assert table.level(1, 36 * S) == 5
    assert table.level(1, 3600 * S) == 0


def test_an_overflowing_unit_is_not_poured_in() -> None:
    table = RateTable(64, [(1, 10)])
    table.charge(1, 0)
    for second in range(9):
        assert table.charge(1, second * S) == 1
    assert table.charge(1, 10 * S) == 0


def test_each_limit_has_a_bit_and_a_bucket_of_its_own() -> None:
    table = RateTable(64, [(2, 1), (3, 100)])
    assert [table.charge(7, 0) for _ in range(4)] == [0, 0, 1, 3]
    assert table.level(7, 0, 0) == 2
    assert table.level(7, 0, 1) == 3
    assert table.charge(7, 1 * S) == 2


def test_a_refund_takes_one_unit_out_and_not_more_than_there_is() -> None:
    table = RateTable(64, [(2, 10)])
    table.charge(1, 0)
    table.charge(1, 0)
    table.refund(1, 0)
    assert table.level(1, 0) == 1
    assert table.charge(1, 0) == 0
    for _ in range(10):
        table.refund(1, 0)
    assert table.level(1, 0) == 0
    assert [table.charge(1, 0) for _ in range(3)] == [0, 0, 1]
    table.refund(99, 0)
    assert table.fill == 1


def test_keys_do_not_share_a_bucket() -> None:
    table = RateTable(64, [(1, 10)])
    assert [table.charge(key, 0) for key in (1, 2, 1 << 63, 1, 2)] == [0, 0, 0, 1, 1]


def test_no_key_is_never_counted() -> None:
    table = RateTable(64, [(1, 10)])
    assert [table.charge(0, 0) for _ in range(5)] == [0] * 5
    assert (table.fill, table.level(0, 0)) == (0, 0)


def test_a_time_that_went_back_to_another_file_starts_anew() -> None:
    table = RateTable(64, [(2, 10)])
    for _ in range(3):
        table.charge(1, 3600 * S)
    assert [table.charge(1, 5 * S) for _ in range(3)] == [0, 0, 1]


def test_a_time_that_went_back_a_little_forgives_nothing() -> None:
    table = RateTable(64, [(2, 10)])
    table.charge(1, 10 * S)
    assert [table.charge(1, 10 * S - 1000) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(
    "limits", [[], [(0, 1)], [(1, 0)], [(1 << 31, 1)], [(1, 1 << 31)], [(-1, 1)], [(1, 1)] * 5, [(2**31 - 1, 1)]]
)
def test_limits_out_of_range_are_refused(limits: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="limit"):
        RateTable(64, limits)


@pytest.mark.parametrize("capacity", [0, 7, -1, (1 << 26) + 1])
def test_capacities_out_of_range_are_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="entries"):
        RateTable(capacity, [(1, 1)])
    with pytest.raises(ValueError, match="entries"):
        SeenTable(capacity, 1)


def test_asking_for_a_limit_that_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        RateTable(64, [(1, 1)]).level(1, 0, 1)


def test_the_largest_limits_do_not_overflow() -> None:
    table = RateTable(8, [(2**31 - 1, 2**31 - 1), (1, 2**31 - 1)])
    now = 2**32 * S
    assert [table.charge(1, now) for _ in range(2)] == [0, 2]


# --- what was seen ---------------------------------------------------------------------------------------------------------------------


def test_sights_are_counted_until_the_life_of_the_first_is_over() -> None:
    table = SeenTable(64, 32)
    assert [table.touch(9, second * S) for second in (0, 1, 5, 32)] == [0, 1, 2, 3]
    assert [table.touch(9, 32 * S + 1), table.touch(9, 33 * S)] == [0, 1]


def test_a_sight_long_before_is_another() -> None:
    table = SeenTable(64, 32)
    assert [table.touch(9, second * S) for second in (1000, 999, 900, 901)] == [0, 1, 0, 1]


def test_what_has_no_key_was_never_seen() -> None:
    table = SeenTable(64, 32)
    assert [table.touch(0, 0) for _ in range(3)] == [0, 0, 0]
    assert table.fill == 0


def test_sights_are_bounded_too() -> None:
    table = SeenTable(8, 32)
    for key in range(1, 1000):
        table.touch(key, 0)
    assert (table.fill, table.evictions) == (8, 991)
    table.clear()
    assert (table.fill, table.touch(999, 0)) == (0, 0)


def test_a_life_has_at_least_a_second() -> None:
    with pytest.raises(ValueError, match="second"):
        SeenTable(8, 0)


# --- records -----------------------------------------------------------------------------------------------------------------


def test_a_sight_can_be_looked_up_and_forgotten() -> None:
    table = SeenTable(64, 32)
    table.touch(9, 0)
    assert [table.seen(9, 0), table.seen(9, 0), table.seen(8, 0), table.seen(0, 0)] == [1, 1, 0, 0]
    assert table.seen(9, 32 * S) == 1
    assert table.seen(9, 32 * S + 1) == 0
    table.forget(9)
    table.forget(9)
    table.forget(0)
    assert (table.seen(9, 0), table.fill) == (0, 0)


def test_a_record_is_held_until_its_time() -> None:
    table = Records(64, 3)
    assert table.put(7, 0, 10 * S, (1, 2, (1 << 64) - 1))
    assert table.get(7, 10 * S - 1) == (1, 2, (1 << 64) - 1)
    assert table.until(7, 0) == 10 * S
    assert (table.get(8, 0), table.until(8, 0)) == (None, 0)
    assert table.get(7, 10 * S) is None
    assert (table.until(7, 0), table.fill) == (0, 0)


def test_a_record_is_written_over() -> None:
    table = Records(64, 1)
    table.put(7, 0, 10 * S, (1,))
    table.put(7, 0, 20 * S, (2,))
    assert (table.get(7, 15 * S), table.fill) == ((2,), 1)


def test_what_has_no_key_or_another_width_is_not_kept() -> None:
    table = Records(64, 2)
    assert not table.put(0, 0, S, (1, 2))
    assert not table.put(7, 0, S, (1,))
    assert not table.put(7, 0, S, (1, 2, 3))
    assert (table.fill, table.get(0, 0)) == (0, None)


@pytest.mark.parametrize("width", [0, -1, 17])
def test_a_record_has_one_to_sixteen_numbers(width: int) -> None:
    with pytest.raises(ValueError, match="numbers"):
        Records(64, width)


def test_a_record_can_be_forgotten() -> None:
    table = Records(64, 1)
    table.put(7, 0, S, (1,))
    table.forget(7)
    table.forget(7)
    assert (table.get(7, 0), table.fill) == (None, 0)


def test_no_flood_of_low_rank_pushes_out_a_record_of_higher_rank() -> None:
    table = Records(64, 1)
    keys = one_set(1000)
    for key in keys[:8]:
        assert table.put(key, 0, S, (1,), 2)
    assert not any(table.put(key, 0, S, (1,), 1) for key in keys[8:])
    assert table.count(0, 2) == 8
    assert table.evictions == 0


def test_what_ran_out_makes_room_whatever_its_rank() -> None:
    table = Records(64, 1)
    keys = one_set(9)
    for key in keys[:8]:
        table.put(key, 0, S, (1,), 2)
    assert table.put(keys[8], S, 2 * S, (5,), 0)
    assert table.get(keys[8], S) == (5,)
    assert table.fill == 8


def test_records_are_listed_and_counted_by_rank() -> None:
    table = Records(64, 1)
    for number in range(1, 6):
        table.put(number, 0, number * S, (number * 10,), number)
    assert sorted(table.entries(2 * S)) == [(3, 3 * S, 3, (30,)), (4, 4 * S, 4, (40,)), (5, 5 * S, 5, (50,))]
    assert [table.count(0, rank) for rank in (0, 1, 3, 5, 6)] == [5, 5, 3, 1, 0]
    assert table.count(4 * S, 0) == 1


def test_changes_are_told_once_by_key() -> None:
    table = Records(64, 1, kept=True)
    table.put(1, 0, 10 * S, (1,))
    table.put(1, 0, 20 * S, (2,), 1)
    table.put(2, 0, 20 * S, (3,))
    table.put(3, 0, 20 * S, (4,))
    table.forget(2)
    assert sorted(table.changes()) == [(1, 20 * S, 1, (2,)), (2, 0, 0, ()), (3, 20 * S, 0, (4,))]
    assert table.changes() == []
    table.forget(99)
    assert table.changes() == []


def test_who_had_to_make_room_is_told_as_gone() -> None:
    table = Records(64, 1, kept=True)
    keys = one_set(9)
    for key in keys[:8]:
        table.put(key, 0, 10 * S, (1,))
    table.changes()
    table.put(keys[8], 0, 10 * S, (1,))
    assert sorted(table.changes()) == sorted([(keys[0], 0, 0, ()), (keys[8], 10 * S, 0, (1,))])


def test_where_nobody_asks_nothing_is_kept_for_him() -> None:
    table = Records(64, 1)
    table.put(1, 0, S, (1,))
    assert table.changes() == []


def test_records_are_cleared() -> None:
    table = Records(64, 1, kept=True)
    table.put(1, 0, S, (1,))
    table.changes()
    table.clear()
    assert (table.get(1, 0), table.fill) == (None, 0)


# --- records without tuples ----------------------------------------------------------------------------------------------------


def test_what_is_kept_number_by_number_is_what_put_keeps() -> None:
    one, other = Records(64, 3, kept=True), Records(64, 3, kept=True)
    place = one.keep(7, 0, 100, 2)
    for index, number in enumerate((11, 22, 33)):
        one.fill_in(place, index, number)
    other.put(7, 0, 100, (11, 22, 33), 2)
    assert one.entries(50) == other.entries(50)
    assert one.changes() == other.changes()
    assert [one.number(one.find(7, 50), index) for index in range(3)] == [11, 22, 33]
    assert (one.first(7, 50), one.holds(7, 50)) == (11, True)
    assert (one.find(7, 100), one.first(7, 100, 5), one.holds(7, 100)) == (-1, 5, False)


def test_what_is_drafted_is_what_put_keeps() -> None:
    table, other = Records(64, 2, kept=True), Records(64, 2, kept=True)
    table.draft(0, 11)
    table.draft(1, 12)
    table.draft(2, 13)
    assert table.put_drafted(5, 0, 9 * S, 1)
    assert other.put(5, 0, 9 * S, (11, 12), 1)
    assert table.entries(0) == other.entries(0) == table.changes()


def test_one_number_is_put_as_a_tuple_of_one() -> None:
    one = Records(64, 1)
    assert one.put_one(7, 0, 100, 42)
    assert one.get(7, 0) == (42,)
    assert not one.put_one(0, 0, 100, 42)
    assert one.keep(0, 0, 100) == -1


def test_a_place_that_is_none_holds_nothing_and_takes_nothing() -> None:
    one = Records(8, 2)
    place = one.keep(7, 0, 100)
    for wrong in (-1, 8, 1 << 30):
        one.fill_in(wrong, 0, 5)
        assert one.number(wrong, 0) == 0
    one.fill_in(place, 2, 5)
    one.fill_in(place, -1, 5)
    assert one.number(place, 2) == one.number(place, -1) == 0
    assert one.get(7, 0) == (0, 0)


def test_who_is_outranked_by_all_is_not_kept_and_who_goes_is_told() -> None:
    one = Records(8, 1, kept=True)
    for key in range(1, 9):
        one.put_one(key << 40, 0, 100, key, 2)
    one.changes()
    assert not one.put_one(99 << 40, 0, 100, 1, 1)
    assert one.put_one(98 << 40, 0, 100, 1, 2)
    assert {key >> 40 for key, until, *_ in one.changes() if not until} == {1}
    assert one.evictions == 1


def test_a_place_whose_time_ran_out_is_taken_before_anybody_goes() -> None:
    one = Records(8, 1)
    for key in range(1, 9):
        one.put_one(key << 40, 0, 10 if key == 5 else 100, key)
    assert one.put_one(99 << 40, 50, 100, 1)
    assert one.evictions == 0
    assert not one.holds(5 << 40, 0)


def test_a_renewal_is_told_once_a_quarter_of_its_time_is_gone() -> None:
    """A phone that registers every minute for an hour is no news every minute; what others have lasts for 45 minutes at least."""
    one = Records(64, 2, kept=True)
    hour, told = 3600 * S, []
    for minute in range(60):
        now = minute * 60 * S
        one.put(7, now, now + hour, (1, 2), 2)
        told += [(minute, until) for _, until, *_ in one.changes()]
        assert told[-1][1] - now >= hour * 3 // 4 - S
    assert [minute for minute, _ in told] == [0, 16, 32, 48]


@pytest.mark.parametrize(
    ("until", "numbers", "rank"), [(100, (1, 3), 2), (100, (1, 2), 1), (99, (1, 2), 2), (200, (1, 2), 2)]
)
def test_what_is_no_mere_renewal_is_told_at_once(until: int, numbers: tuple[int, int], rank: int) -> None:
    one = Records(64, 2, kept=True)
    one.put(7, 0, 100, (1, 2), 2)
    one.changes()
    one.put(7, 1, 100, (1, 2), 2)
    assert one.changes() == []
    one.put(7, 1, until, numbers, rank)
    assert one.changes() == [(7, until, rank, numbers)]


def test_what_ran_out_and_comes_back_is_told() -> None:
    one = Records(64, 1, kept=True)
    one.put_one(7, 0, 100, 1)
    one.changes()
    one.put_one(7, 100, 101, 1)
    assert one.changes() == [(7, 101, 0, (1,))]
