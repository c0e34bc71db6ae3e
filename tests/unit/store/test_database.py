from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipsensor.store import Change, Store, StoreError
from sipsensor.store.database import opened
from tests.support.disks import SmallDisk, small_disk

NOW = 1_700_000_000 * 10**9
DAY = 86400 * 10**9
ONE = Change("known", 1, NOW + DAY, 0, (1,))
MANY = [Change("known", key, NOW + DAY, 0, tuple(range(12))) for key in range(2, 3000)]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_and_its_journals_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "state.db"
    store = Store(path)
    store.write([Change("known", 1, 5, 0, (1,))], 0)
    found = {file.name: mode(file) for file in path.parent.iterdir()}
    assert found == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
    assert mode(path.parent) == 0o700
    store.close()


def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch(0o644)
    Store(path).close()
    assert mode(path) == 0o600


def test_a_damaged_one_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path)
    store.write([Change("known", key, 5, 0, (1,)) for key in range(5000)], 0)
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    again = Store(path)
    assert "was damaged and is set aside as state.db.corrupt-" in again.notice
    assert again.entries("known", 0) == []
    assert len(list(tmp_path.glob("state.db.corrupt-*"))) == 1
    again.close()


def test_a_truncated_one_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path)
    store.write([Change("known", key, 5, 0, (1,)) for key in range(5000)], 0)
    store.close()
    path.write_bytes(path.read_bytes()[:5000])
    again = Store(path)
    assert "set aside" in again.notice
    again.close()


@pytest.mark.parametrize("content", [b"root:x:0:0:root:/root:/bin/bash\n", b"\x00" * 100])
def test_what_is_no_database_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "passwd"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"state\.database: .*passwd: is no SQLite database; move it away"):
        Store(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE things (name TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        Store(path)
    assert path.read_bytes() == before


def test_another_versions_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    Store(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StoreError, match="has version 99"):
        Store(path)


def test_a_place_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "state.db", tmp_path):
        with pytest.raises(StoreError) as raised:
            opened(path)
        assert str(raised.value).startswith(f"state.database: {path}: ")
        assert "\n" not in str(raised.value)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "state.db").symlink_to(tmp_path / "target")
    with pytest.raises(StoreError):
        Store(tmp_path / "state.db")


# --- a disk that is full, or that may only be read ---------------------------------------------------------------------------


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
