"""A database on a disk that is full, or that may not be written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sipsensor.store import Change, Store, StoreError
from tests.support.disks import SmallDisk, small_disk

NOW = 1_700_000_000 * 10**9
DAY = 86400 * 10**9
ONE = Change("known", 1, NOW + DAY, 0, (1,))
MANY = [Change("known", key, NOW + DAY, 0, tuple(range(12))) for key in range(2, 3000)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


def test_what_does_not_fit_is_said_and_fits_later(disk: SmallDisk) -> None:
    store = Store(disk.path / "state.db")
    store.write([ONE], NOW)
    disk.fill()
    with pytest.raises(StoreError, match="; make room there"):
        store.write(MANY, NOW)
    assert store.entries("known", NOW) == [ONE[1:]]
    disk.make_room()
    store.write(MANY[:50], NOW)
    assert len(store.entries("known", NOW)) == 51
    store.close()


def test_a_full_disk_does_not_make_it_damaged(disk: SmallDisk) -> None:
    store = Store(disk.path / "state.db")
    store.write([ONE], NOW)
    store.close()
    disk.fill()
    with pytest.raises(StoreError, match="; make room there"):
        Store(disk.path / "state.db")
    read = Store(disk.path / "state.db", at_least_read=True)
    assert (read.entries("known", NOW), read.seed) == ([ONE[1:]], store.seed)
    assert read.notice.endswith("; make room there, if the disk is sound; what it holds is read")
    with pytest.raises(StoreError, match="readonly"):
        read.write([ONE], NOW)
    read.close()
    disk.make_room()
    again = Store(disk.path / "state.db")
    assert (again.entries("known", NOW), again.seed, again.notice) == ([ONE[1:]], store.seed, "")
    again.close()
    assert [file.name for file in disk.path.iterdir()] == ["state.db"]


def test_a_disk_that_may_only_be_read_is_read(disk: SmallDisk) -> None:
    store = Store(disk.path / "state.db")
    store.write([ONE], NOW)
    store.close()
    disk.close()
    with pytest.raises(StoreError, match="Read-only file system; name a file that this user may write"):
        Store(disk.path / "state.db")
    read = Store(disk.path / "state.db", at_least_read=True)
    assert (read.entries("known", NOW), read.seed) == ([ONE[1:]], store.seed)
    read.close()
    disk.open()
    Store(disk.path / "state.db").close()


def test_there_is_nothing_to_read_in_one_that_could_not_be_made(disk: SmallDisk) -> None:
    disk.fill()
    for _ in range(2):
        with pytest.raises(StoreError, match="make room there"):
            Store(disk.path / "state.db", at_least_read=True)
    disk.make_room()
    store = Store(disk.path / "state.db", seed=bytes(range(16)))
    assert store.seed == bytes(range(16))
    store.close()


def test_a_journal_that_cannot_be_read_is_not_passed_over(disk: SmallDisk) -> None:
    """What it holds is newer than the file: without it a cut that was lifted would be back."""
    store = Store(disk.path / "state.db")
    store.write([ONE], NOW)
    journal = disk.path / "state.db-wal"
    kept = journal.read_bytes()
    store.close()
    journal.write_bytes(kept)
    disk.close()
    with pytest.raises(StoreError, match="Read-only file system"):
        Store(disk.path / "state.db", at_least_read=True)
