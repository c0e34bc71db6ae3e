from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipsensor.decide.ledger import Held
from sipsensor.fastpath import tables
from sipsensor.store import Change, Order, Past, Store, StoreError

DAY = 86400 * 10**9
NOW = 1_700_000_000 * 10**9
ADDRESS = bytes(10) + b"\xff\xff\xcb\x00\x71\x09"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "state.db", history=2 * 86400)
    yield made
    made.close()


def held(*, since: int = NOW, until: int = NOW + DAY, times: int = 1) -> Held:
    high, low = int.from_bytes(ADDRESS[:8], "big"), int.from_bytes(ADDRESS[8:], "big")
    return Held(2, 5005, since, until, times, since, 0, 0, (1 << 64) - 3, high, low, 1)


def test_entries_come_back_as_they_were(store: Store, tmp_path: Path) -> None:
    table = tables.Records(64, 2, kept=True)
    most = (1 << 64) - 1
    for key in (1, 1 << 63, most):
        table.put(key, NOW, NOW + DAY, (key, most), 2)
    store.write([Change("known", *entry) for entry in table.changes()], NOW)
    store.close()
    again = Store(tmp_path / "state.db")
    assert sorted(again.entries("known", NOW)) == sorted(table.entries(NOW))
    assert again.entries("standing", NOW) == []
    assert again.seed == store.seed
    again.close()


def test_what_is_gone_or_ran_out_does_not_come_back(store: Store) -> None:
    store.write([Change("known", 1, NOW + DAY, 0, (1,)), Change("known", 2, NOW + 5, 0, (2,))], NOW)
    store.write([Change("known", 1, 0, 0, ())], NOW)
    assert store.entries("known", NOW) == [(2, NOW + 5, 0, (2,))]
    assert store.entries("known", NOW + 5) == []
    store.expire(NOW + 5)
    assert store.entries("known", 0) == []


def test_a_batch_is_written_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(StoreError, match=r"state\.database"):
        store.write([Change("known", 1, NOW + DAY, 0, (1,)), Change("known", 2, NOW + DAY, 0, (-1,))], NOW)
    assert store.entries("known", NOW) == []
    store.write([Change("known", 3, NOW + DAY, 0, (1,))], NOW)
    assert len(store.entries("known", NOW)) == 1


def test_each_cut_is_in_the_history_once_however_long_it_grows(store: Store) -> None:
    store.write([Change("ledger", 7, NOW + 9 * DAY, 0, held())], NOW)
    store.write([Change("ledger", 7, NOW + 9 * DAY, 0, held(until=NOW + 2 * DAY))], NOW)
    later = NOW + 3 * DAY
    store.write([Change("ledger", 7, NOW + 9 * DAY, 0, held(since=later, until=later + DAY, times=2))], NOW)
    assert store.history() == [
        Past(later, later + DAY, 2, 5005, 2, ADDRESS, (1 << 64) - 3),
        Past(NOW, NOW + 2 * DAY, 2, 5005, 1, ADDRESS, (1 << 64) - 3),
    ]


def test_a_cut_that_was_lifted_ends_in_the_history_then(store: Store) -> None:
    store.write([Change("ledger", 7, NOW + 9 * DAY, 0, held())], NOW)
    store.write([Change("ledger", 7, 0, 0, ())], NOW + 5)
    assert [past.until for past in store.history()] == [NOW + 5]
    store.expire(NOW + 2 * DAY)
    assert len(store.history()) == 1
    store.expire(NOW + 2 * DAY + 5)
    assert store.history() == []


def test_orders(store: Store) -> None:
    ban, trust = Order("ban", "203.0.113.0/24", NOW + DAY), Order("trust", "192.0.2.1/32", NOW + 5)
    store.keep_orders([ban, trust], NOW)
    longer = ban._replace(until=NOW + 2 * DAY)
    store.keep_orders([longer, trust], NOW + 1)
    assert sorted(store.orders(NOW + 1)) == [longer, trust]
    assert store.orders(NOW + 5) == [longer]
    store.keep_orders([trust], NOW + 1)
    assert store.orders(NOW + 1) == [trust]


def test_orders_of_a_clock_that_was_ahead_last_as_long_as_they_were_given_for(store: Store) -> None:
    later = NOW + 300 * DAY
    ban = Order("ban", "203.0.113.0/24", later + DAY)
    store.keep_orders([ban], later)
    store.keep_orders([ban], later + DAY // 2)  # the same order is no new one
    assert store.orders(NOW) == [ban._replace(until=NOW + DAY)]
    assert store.orders(later + DAY // 2) == [ban]


def test_seeds_differ(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "1.db"), Store(tmp_path / "2.db")
    assert first.seed != second.seed
    assert len(first.seed) == 16
    first.close()
    second.close()


def test_one_may_read_while_another_writes(store: Store) -> None:
    reader = Store(store.path)
    store.write([Change("known", 1, NOW + DAY, 0, (1,))], NOW)
    assert len(reader.entries("known", NOW)) == 1
    reader.close()


def test_a_full_disk_is_said_and_what_was_there_stays(store: Store) -> None:
    store.write([Change("known", 1, NOW + DAY, 0, (1,))], NOW)
    connection = store._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        store.write([Change("known", key, NOW + DAY, 0, tuple(range(12))) for key in range(2, 5000)], NOW)
    assert store.entries("known", NOW) == [(1, NOW + DAY, 0, (1,))]


def test_no_account_is_readable_in_it(store: Store) -> None:
    store.write([Change("ledger", 7, NOW + 9 * DAY, 0, held())], NOW)
    columns = [row for name in ("entries", "history", "orders", "facts") for row in columns_of(store, name)]
    assert {kind for _, kind in columns} <= {"TEXT", "INTEGER", "BLOB"}
    texts = [name for name, kind in columns if kind == "TEXT"]
    assert sorted(texts) == ["kind", "name", "name", "network"]


def columns_of(store: Store, table: str) -> list[tuple[str, str]]:
    return [(row[1], row[2]) for row in store._connection.execute(f"PRAGMA table_info({table})")]


def test_a_locked_one_is_no_reason_to_set_it_aside(store: Store) -> None:
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked"):
        store.write([Change("known", 1, NOW + DAY, 0, (1,))], NOW)
    other.execute("ROLLBACK")
    other.close()
    store.write([Change("known", 1, NOW + DAY, 0, (1,))], NOW)
    assert not list(store.path.parent.glob("*corrupt*"))


def test_who_only_reads_does_not_wait_for_who_writes(store: Store) -> None:
    store.write([Change("known", 1, NOW + DAY, 0, (1,))], NOW)
    store._connection.execute("BEGIN IMMEDIATE")
    reader = Store(store.path)
    assert len(reader.entries("known", NOW)) == 1
    reader.close()
    store._connection.execute("ROLLBACK")


@pytest.mark.parametrize("damaged", ["text", 5, b"short"])
def test_a_key_that_is_none_is_damage(store: Store, damaged: object) -> None:
    store._connection.execute("UPDATE facts SET value = ? WHERE name = 'seed'", (damaged,))
    with pytest.raises(StoreError, match="its key is damaged"):
        Store(store.path)


def test_a_fall_of_the_safety_net_is_kept_until_it_is_taken_back(store: Store) -> None:
    assert store.fall() is None
    store.keep_fall((NOW, "9 of 10 are gone"))
    store.keep_fall((NOW + 5, "5 of 6 are gone \u2014"))
    assert store.fall() == (NOW + 5, "5 of 6 are gone \u2014")
    store.keep_fall(None)
    assert store.fall() is None
