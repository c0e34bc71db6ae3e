from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from sipsensor.store import Change, Store, StoreError
from sipsensor.store.database import opened


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
