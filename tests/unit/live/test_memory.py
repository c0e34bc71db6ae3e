from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from sipsensor.app import build_engine
from sipsensor.config.load import defaults
from sipsensor.config.settings import Settings, StateSettings
from sipsensor.live import memory as memories
from sipsensor.live.link import Link
from sipsensor.live.memory import Memory, seed_of
from sipsensor.model import NANOSECONDS
from sipsensor.store import Change, Order, Store

HOUR = 3600 * NANOSECONDS


def settings_of(tmp_path: Path) -> Settings:
    return replace(defaults(), state=StateSettings(str(tmp_path / "state.db")))


def memory_of(settings: Settings, link: Link, said: list[str]) -> Memory:
    engine = build_engine(settings, seed=seed_of(settings, said.append))
    return Memory(settings, engine, link.sensor, nullcontext, said.append)


def test_the_seed_stays(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    seed = seed_of(settings, print)
    assert seed is not None
    assert len(seed) == 16
    assert seed_of(settings, print) == seed


def test_a_damaged_database_is_said(tmp_path: Path) -> None:
    settings, said = settings_of(tmp_path), list[str]()
    seed_of(settings, said.append)
    path = tmp_path / "state.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    assert seed_of(settings, said.append) is not None
    assert len(said) == 1
    assert "was damaged and is set aside" in said[0]


def test_what_does_not_fit_is_left_out(tmp_path: Path) -> None:
    settings, now = settings_of(tmp_path), time.time_ns()
    store = Store(settings.state.database)
    store.write(
        [
            Change("ledger", 1, now + HOUR, 0, (1, 2, 3)),
            Change("known_accounts", 2, now + HOUR, 2, (7,)),
            Change("another", 3, now + HOUR, 2, (7,)),
        ],
        now,
    )
    store.keep_orders([Order("ban", "nonsense", now + HOUR), Order("ban", "192.0.2.0/24", now + HOUR)], now)
    store.close()
    said: list[str] = []
    memory = memory_of(settings, Link(), said)
    memory.load(seed_of(settings, print))
    engine = memory._engine
    assert engine.ledger.table.fill == 0
    assert engine.tracker.standings.known.get(2, now) == (7,)
    assert list(engine.ledger.orders) == ["192.0.2.0/24"]
    assert said == ["state.database: 'nonsense' is no network; this order is left out"]


def test_without_a_keeper_what_changed_is_kept_once_for_each_key(tmp_path: Path) -> None:
    link = Link()
    memory = memory_of(settings_of(tmp_path), link, [])
    while link.sensor.send({"mode": "x" * 10_000}):
        pass
    now, table = time.time_ns(), memory._engine.tracker.standings.known
    for round_ in range(5):
        for key in range(1, 100):
            table.put(key, now, now + HOUR, (round_,), 2)
        memory.look()
    assert sum(map(len, memory._pending.values())) == 99
    assert len(list(link.keeper.received())) > 0
    memory.look()
    told = [change for message in link.keeper.received() for change in message.get("changes", ())]
    assert {change[1]: change[4] for change in told} == {key: [4] for key in range(1, 100)}


def test_more_than_there_is_room_for_is_told_anew(tmp_path: Path) -> None:
    link = Link()
    memory = memory_of(settings_of(tmp_path), link, [])
    before = memories.PENDING_MOST
    memories.PENDING_MOST = 50
    try:
        while link.sensor.send({"mode": "x" * 10_000}):
            pass
        now, table = time.time_ns(), memory._engine.tracker.standings.known
        for key in range(1, 100):
            table.put(key, now, now + HOUR, (1,), 2)
        memory.look()
        assert not any(memory._pending.values())
    finally:
        memories.PENDING_MOST = before
    list(link.keeper.received())
    told = []
    for _ in range(10):
        memory.look()
        told += [change for message in link.keeper.received() for change in message.get("changes", ())]
    assert {change[1] for change in told} == set(range(1, 100))


def test_what_came_last_is_written_at_the_end(tmp_path: Path) -> None:
    settings, link, now = settings_of(tmp_path), Link(), time.time_ns()
    first = memory_of(settings, link, [])
    first.load(seed_of(settings, print))
    engine = first._engine
    engine.ledger.spare(7, now)
    engine.ledger.ban("192.0.2.0/24", now + HOUR)
    first.close()
    said = list[str]()
    again = memory_of(settings, link, said)
    again.load(seed_of(settings, print))
    assert again._engine.ledger.spared.get(7, now) is not None
    assert list(again._engine.ledger.orders) == ["192.0.2.0/24"]
    again._engine.ledger.spared.forget(7)
    again._engine.ledger.withdraw("192.0.2.0/24")
    again.close()
    store = Store(settings.state.database)
    assert (store.entries("spared", now), store.orders(now)) == ([], [])
    store.close()


def test_what_could_not_be_read_is_not_written_over(tmp_path: Path) -> None:
    settings, now = settings_of(tmp_path), time.time_ns()
    store = Store(settings.state.database)
    store.write([Change("spared", 7, now + HOUR, 0, (now,))], now)
    other = memory_of(settings, Link(), [])
    other.load(bytes(16))
    other.close()
    assert len(store.entries("spared", now)) == 1
    store.close()


def test_a_fall_of_a_clock_that_was_ahead_was_now(tmp_path: Path) -> None:
    settings, now = settings_of(tmp_path), time.time_ns()
    store = Store(settings.state.database)
    store.keep_fall((now + 1000 * HOUR, "9 of 10 are gone"))
    store.close()
    memory = memory_of(settings, Link(), [])
    memory.load(seed_of(settings, print))
    assert memory.fell is not None
    assert memory.fell[0] <= time.time_ns()
    assert memory.fell[1] == "9 of 10 are gone"
