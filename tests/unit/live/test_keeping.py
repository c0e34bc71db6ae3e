"""Both halves together: what a sensor knew is what the next one begins with, and what the kernel's sets hold."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from sipsensor.app import build_engine
from sipsensor.config.load import defaults
from sipsensor.config.settings import BanSettings, Enforcer, Settings, StateSettings, TrustSettings
from sipsensor.decide import ledger
from sipsensor.enforce.sets import Element, KernelSets
from sipsensor.engine import Engine
from sipsensor.live import clock, names
from sipsensor.live import keeping as keepings
from sipsensor.live.keeping import Keeping
from sipsensor.live.link import Link
from sipsensor.live.memory import Facts, Memory, seed_of
from sipsensor.model import NANOSECONDS, Mode, Standing
from sipsensor.store import Change, Store, StoreError
from sipsensor.track import standing
from tests.support.disks import SmallDisk, small_disk
from tests.support.packets import wide

HOUR = 3600 * NANOSECONDS
CUT, PHONE = "203.0.113.9", "198.51.100.7"


def words(address: str) -> tuple[int, int]:
    packed = wide(address)
    return int.from_bytes(packed[:8], "big"), int.from_bytes(packed[8:], "big")


def fall_of(machine: Machine) -> tuple[int, str] | None:
    return machine.memory.fell


class Machine:
    """The live processes' two halves, in one process. ``restart`` makes a new sensor, as after a crash."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = settings
        self.scripts: list[str] = []
        self.complaint: str | None = None
        self.said: list[str] = []
        self.generation = 1
        monkeypatch.setattr(keepings, "_change", self.nft)
        monkeypatch.setattr(keepings, "_listing", lambda _name: None)
        monkeypatch.setattr(keepings, "generation", lambda: self.generation)
        self.link = Link()
        self.keeping = Keeping(settings, self.link.keeper, self.said.append)
        monkeypatch.setattr(names, "addresses_of", lambda _: [])
        self.stop = threading.Event()
        self.stop.set()  # a thread that looks names up ends at once
        self.keeping.start(self.stop)
        self.restart()

    def nft(self, script: str) -> str | None:
        self.scripts.append(script)
        self.generation += self.complaint is None
        return self.complaint

    def restart(self) -> None:
        self.seed = seed_of(self.settings, self.said.append)
        self.engine: Engine = build_engine(self.settings, seed=self.seed)
        self.memory = Memory(self.settings, self.engine, self.link.sensor, nullcontext, self.said.append)
        self.memory.load(self.seed)

    def look(self, times: int = 8) -> None:
        """Several looks of both: the sensor tells a table at each."""
        for _ in range(times):
            self.memory.look()
            self.keeping.look()

    def know(self) -> None:
        """A cut, and somebody trusted."""
        now = time.time_ns()
        held = ledger.Held(2, 5005, now, now + HOUR, 1, now, 0, 0, 0, *words(CUT), 1)
        self.engine.ledger.table.put(11, now, now + 2 * HOUR, held)
        trusted = standing.Held(Standing.TRUSTED, 7, 8, *words(PHONE), 5062, 0)
        self.engine.tracker.standings.accept(22, 33, trusted, 44, now, now + HOUR)

    @property
    def elements(self) -> set[Element]:
        return set(self.keeping.sets.held)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(defaults(), mode=Mode.ENFORCE, state=StateSettings(str(tmp_path / "state.db")))


@pytest.fixture
def machine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(settings, monkeypatch)


def test_the_next_sensor_begins_with_what_the_last_one_knew(machine: Machine) -> None:
    machine.know()
    machine.engine.ledger.ban("192.0.2.0/24", time.time_ns() + HOUR)
    machine.engine.policy.trust.trust("198.51.100.9/32", time.time_ns() + HOUR)
    machine.look()
    before = machine.engine
    machine.restart()
    now = time.time_ns()
    assert machine.engine is not before
    tables = {**before.ledger.kept(), **before.tracker.standings.kept()}
    after = {**machine.engine.ledger.kept(), **machine.engine.tracker.standings.kept()}
    assert {name: sorted(table.entries(now)) for name, table in after.items()} == {
        name: sorted(table.entries(now)) for name, table in tables.items()
    }
    assert sum(len(table.entries(now)) for table in after.values()) > 4
    assert machine.engine.ledger.orders == before.ledger.orders != {}
    assert machine.engine.policy.trust.orders == before.policy.trust.orders != {}
    assert machine.said == []


def test_what_ends_is_forgotten_everywhere(machine: Machine) -> None:
    machine.know()
    machine.look()
    assert Element("blocked4", CUT) in machine.elements
    machine.engine.ledger.table.forget(11)
    machine.look(2)
    assert Element("blocked4", CUT) not in machine.elements
    machine.restart()
    assert list(machine.engine.ledger.cuts(time.time_ns())) == []


def test_the_kernel_holds_who_is_cut_and_who_is_trusted(machine: Machine) -> None:
    machine.know()
    machine.look()
    assert machine.elements == {
        Element("blocked4", CUT),
        Element("trusted4", f"{PHONE} . 5062"),
        Element("trusted_hosts4", PHONE),
    }
    assert machine.memory.facts == Facts(1, 2, 0, 0, "")


def test_a_new_keeper_is_told_all(machine: Machine) -> None:
    machine.know()
    machine.look()
    machine.keeping = Keeping(machine.settings, machine.link.keeper, machine.said.append)
    machine.keeping.start(machine.stop)
    machine.look()
    assert Element("blocked4", CUT) in machine.elements
    assert len(machine.elements) == 3


def test_after_new_rules_the_sets_are_filled_again(machine: Machine) -> None:
    machine.know()
    machine.look()
    machine.scripts.clear()
    machine.keeping.look()
    assert machine.scripts == []
    machine.keeping.look(anew=True)
    assert CUT in "".join(machine.scripts)
    assert PHONE in "".join(machine.scripts)


def test_in_observe_mode_nobody_is_blocked(machine: Machine) -> None:
    machine.know()
    machine.look()
    machine.engine.policy.mode = Mode.OBSERVE
    machine.look(2)
    assert Element("blocked4", CUT) not in machine.elements
    assert Element("trusted_hosts4", PHONE) in machine.elements
    machine.engine.policy.mode = Mode.ENFORCE
    machine.look(2)
    assert Element("blocked4", CUT) in machine.elements


def test_a_dry_run_touches_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(replace(settings, bans=BanSettings(Enforcer.DRY_RUN)), monkeypatch)
    machine.know()
    machine.look()
    assert machine.scripts == []
    assert machine.keeping.sets.changes == 3


def test_a_kernel_that_refuses_is_said_once_and_told(machine: Machine) -> None:
    machine.complaint = "Error: the set is full"
    machine.know()
    machine.look()
    assert machine.said == ["the kernel's sets: Error: the set is full; the sensor itself drops what is cut"]
    assert machine.memory.facts.enforcement_errors == 3
    assert machine.memory.facts.last_error == "Error: the set is full"
    assert machine.engine.ledger.table.get(11, time.time_ns()) is not None


def test_a_database_that_goes_is_said_and_nothing_else_happens(machine: Machine, tmp_path: Path) -> None:
    machine.know()
    machine.look()
    store = machine.keeping._store
    assert store is not None
    store._connection.close()
    machine.engine.ledger.table.forget(11)
    machine.look(2)
    assert len(machine.said) == 1
    assert machine.said[0].startswith(f"state.database: {tmp_path}/state.db: ")
    assert machine.memory.facts.store_errors == 1
    assert Element("blocked4", CUT) not in machine.elements
    machine.keeping._due = 0
    machine.look(2)
    assert Store(tmp_path / "state.db").entries("ledger", time.time_ns()) == []


def test_without_a_database_nothing_is_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(replace(settings, state=StateSettings("")), monkeypatch)
    assert machine.seed is None
    machine.know()
    machine.look()
    assert Element("blocked4", CUT) in machine.elements
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_cannot_be_had_costs_only_the_memory(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    machine = Machine(replace(settings, state=StateSettings(str(tmp_path / "file" / "state.db"))), monkeypatch)
    machine.know()
    machine.look()
    assert Element("blocked4", CUT) in machine.elements
    assert machine.said[0].endswith("; until then nothing outlives the sensor")
    (tmp_path / "file").unlink()
    machine.keeping._due = 0
    machine.look()
    assert machine.said[-1] == f"state.database: {tmp_path}/file/state.db: is written again"
    seed = machine.seed
    machine.engine.ledger.table.clear()
    machine.memory.load(seed)
    assert len(list(machine.engine.ledger.cuts(time.time_ns()))) == 1


def test_a_database_that_was_deleted_is_made_anew_with_all_that_is_known(machine: Machine, tmp_path: Path) -> None:
    machine.know()
    machine.look()
    machine.keeping._failed(StoreError("gone"))
    for file in tmp_path.iterdir():
        file.unlink()
    machine.keeping._due = 0
    machine.engine.ledger.spare(5, time.time_ns())
    machine.look()
    machine.look()
    assert machine.said[-1] == f"state.database: {tmp_path}/state.db: is written again"
    machine.restart()
    assert len(list(machine.engine.ledger.cuts(time.time_ns()))) == 1
    assert machine.engine.ledger.spared.get(5, time.time_ns()) is not None


def test_keys_are_not_written_into_another_database(machine: Machine, tmp_path: Path) -> None:
    machine.know()
    machine.look()
    machine.keeping._failed(StoreError("gone"))
    for file in tmp_path.iterdir():
        file.unlink()
    Store(tmp_path / "state.db").close()
    machine.keeping._due = 0
    machine.engine.ledger.spare(5, time.time_ns())
    machine.look()
    assert machine.said[-1].startswith(f"state.database: {tmp_path}/state.db: is of another sensor; ")
    machine.memory.close()
    assert Store(tmp_path / "state.db").entries("spared", time.time_ns()) == []
    assert Element("blocked4", CUT) in machine.elements


def test_keys_of_another_database_are_not_taken(machine: Machine, tmp_path: Path) -> None:
    machine.know()
    machine.look()
    machine.keeping.close()
    for file in tmp_path.iterdir():
        file.unlink()
    machine.memory.load(machine.seed)
    machine.engine.ledger.table.clear()
    machine.memory.load(machine.seed)
    assert list(machine.engine.ledger.cuts(time.time_ns())) == []


def test_trunks_and_whom_the_operator_trusts_take_the_trusted_queue(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(replace(settings, trust=TrustSettings(trunks=("192.0.2.0/28", CUT))), monkeypatch)
    machine.know()
    machine.engine.policy.trust.trust("198.51.100.9/32", time.time_ns() + HOUR)
    machine.look()
    assert machine.keeping.trusted == ("192.0.2.0/28", CUT, "198.51.100.9/32")
    assert Element("blocked4", CUT) not in machine.elements
    assert machine.engine.policy.trust.trunks.contains(wide("192.0.2.1"))


def test_names_of_trunks_reach_the_engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(replace(settings, trust=TrustSettings(trunks=("sip.example.net",))), monkeypatch)
    machine.keeping.trunks._known["sip.example.net"] = ("192.0.2.1",)
    machine.look()
    assert machine.engine.policy.trust.trunks.contains(wide("192.0.2.1"))


def test_the_sets_of_a_keeper_are_those_of_nft() -> None:
    assert isinstance(Keeping(defaults(), Link().keeper, print).sets, KernelSets)


def test_after_a_clock_that_was_ahead_nothing_lasts_for_years(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = 400 * 24 * HOUR
    with monkeypatch.context() as wrong:
        wrong.setattr(clock, "now", lambda: time.time_ns() + ahead)
        wrong.setattr(clock, "ahead", lambda: ahead)
        now = clock.now()
        held = ledger.Held(2, 5005, now, now + HOUR // 6, 1, now, 0, 0, 0, *words(CUT), 1)
        machine.engine.ledger.table.put(11, now, now + 2 * HOUR, held)
        trusted = standing.Held(Standing.TRUSTED, 7, 8, *words(PHONE), 5062, 0)
        machine.engine.tracker.standings.accept(22, 33, trusted, 44, now, now + HOUR)
        machine.engine.ledger.ban("192.0.2.0/24", now + HOUR)
        machine.look()
        # Set back while it runs: the kernel counts in seconds from now on.
        timeouts = sorted(int(text) for text in re.findall(r"timeout (\d+)s", "".join(machine.scripts)))
        assert len(timeouts) == 4
        assert 590 <= timeouts[0] <= 600
        assert 3590 <= timeouts[1] <= timeouts[-1] <= 3600
    machine.keeping.close()
    machine.restart()
    now = time.time_ns()
    [(_, found)] = machine.engine.ledger.cuts(now)
    assert found.since <= clock.now()
    assert now + HOUR // 7 < found.until <= time.time_ns() + HOUR // 6
    assert 0 < machine.engine.tracker.standings.table.until(22, now) - now <= 7 * 24 * HOUR
    [(network, until)] = machine.engine.ledger.orders.items()
    assert network == "192.0.2.0/24"
    assert now + HOUR // 2 < until <= time.time_ns() + HOUR


def test_a_clock_that_is_set_back_later_is_followed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.know()
    machine.look()
    machine.scripts.clear()
    back = 400 * 24 * HOUR
    real = time.time_ns
    monkeypatch.setattr(keepings.time, "time_ns", lambda: real() - back)  # type: ignore[attr-defined]
    assert clock.ahead() > back - HOUR
    machine.engine.ledger.ban("192.0.2.7/32", clock.now() + HOUR // 6)
    machine.look()
    assert len(machine.elements) == 4
    timeouts = [int(text) for text in re.findall(r"timeout (\d+)s", "".join(machine.scripts))]
    assert timeouts
    assert max(timeouts) <= 3600


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


def test_a_disk_that_fills_up_is_said_once_and_all_is_written_when_there_is_room(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, disk: SmallDisk
) -> None:
    machine = Machine(replace(settings, state=StateSettings(str(disk.path / "state.db"))), monkeypatch)
    machine.look()
    disk.fill()
    machine.know()
    now = time.time_ns()
    for key in range(1, 2000):
        machine.engine.ledger.spare(key, now)
    for _ in range(3):
        machine.keeping._due = 0
        machine.look()
    assert len(machine.said) == 1
    assert machine.said[0].startswith(f"state.database: {disk.path}/state.db: ")
    assert "make room" in machine.said[0]
    assert machine.memory.facts.store_errors >= 3
    assert Element("blocked4", CUT) in machine.elements
    disk.make_room()
    machine.keeping._due = 0
    machine.look(20)
    assert machine.said[1:] == [f"state.database: {disk.path}/state.db: is written again"]
    before = machine.engine.ledger
    machine.restart()
    assert sorted(machine.engine.ledger.spared.entries(now)) == sorted(before.spared.entries(now))
    assert len(list(machine.engine.ledger.cuts(now))) == 1


def test_a_sensor_that_starts_on_a_full_disk_knows_what_the_last_one_knew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, disk: SmallDisk
) -> None:
    machine = Machine(replace(settings, state=StateSettings(str(disk.path / "state.db"))), monkeypatch)
    machine.know()
    machine.look()
    machine.keeping.close()
    seed = machine.seed
    disk.fill()
    machine = Machine(machine.settings, monkeypatch)
    assert machine.seed == seed
    assert len(list(machine.engine.ledger.cuts(time.time_ns()))) == 1
    assert machine.said[0].endswith("make room there, if the disk is sound; what it holds is read")
    machine.look()
    assert Element("blocked4", CUT) in machine.elements
    disk.make_room()
    machine.keeping._due = 0
    machine.engine.ledger.spare(5, time.time_ns())
    machine.look()
    assert machine.said[-1].endswith("is written again")
    machine.restart()
    assert machine.engine.ledger.spared.get(5, time.time_ns()) is not None


def test_a_fall_of_the_safety_net_is_kept_until_somebody_orders_to_go_on(machine: Machine) -> None:
    before = clock.now()
    machine.engine.safety.tripped = "9 of 10 are gone"
    machine.look(2)
    machine.restart()
    assert machine.memory.fell is not None
    at, why = machine.memory.fell
    assert before <= at <= clock.now()
    assert why == "9 of 10 are gone"
    machine.engine.safety.tripped = why
    machine.look(2)
    assert machine.memory.fell == (at, why)  # it fell once, however often it is started again
    machine.memory.close()
    machine.restart()
    assert machine.memory.fell == (at, why)
    machine.look(2)  # who resumed did not take it up: it was too long ago
    machine.restart()
    assert fall_of(machine) is None


def test_a_new_keeper_blocks_nobody_before_it_knows_the_mode(machine: Machine) -> None:
    machine.know()
    machine.engine.policy.mode = Mode.OBSERVE
    machine.look()
    machine.keeping = Keeping(machine.settings, machine.link.keeper, machine.said.append)
    machine.keeping.start(machine.stop)
    machine.scripts.clear()
    machine.look()
    assert PHONE in "".join(machine.scripts)
    assert CUT not in "".join(machine.scripts)
    machine.keeping = Keeping(machine.settings, machine.link.keeper, machine.said.append)
    held = ledger.Held(2, 5005, time.time_ns(), time.time_ns() + HOUR, 1, 0, 0, 0, 0, *words(CUT), 1)
    machine.link.sensor.send({"changes": [Change("ledger", 11, time.time_ns() + HOUR, 0, held)]})
    machine.keeping.look()
    assert Element("blocked4", CUT) not in machine.elements
    machine.engine.policy.mode = Mode.ENFORCE
    machine.look()
    assert Element("blocked4", CUT) in machine.elements


def test_what_goes_wrong_with_the_disk_by_turns_is_said_once_each(machine: Machine) -> None:
    for _ in range(3):
        machine.keeping._failed(StoreError("full"))
        machine.keeping._failed(StoreError("cannot be read"))
    assert machine.said == [f"{what}; what lasts is kept in memory meanwhile" for what in ("full", "cannot be read")]
    machine.know()
    machine.keeping._due = 0
    machine.look()
    machine.keeping._failed(StoreError("full"))
    assert machine.said[-1] == "full; what lasts is kept in memory meanwhile"
