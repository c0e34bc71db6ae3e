"""The SQLite file itself: made, opened, set aside when it is none of ours or damaged. Mode 0600, its journal files too."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path

VERSION = 1
"""Of the tables' shape: ``PRAGMA user_version``."""
APPLICATION = 0x51F5E50
"""``PRAGMA application_id``: a file with another one is not ours."""
_MAGIC = b"SQLite format 3\0"
_MODE = 0o600
_PRIMARY = 0xFF
_BUSY = 2.0
"""Seconds that a reader may keep the writer waiting."""
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
    name TEXT NOT NULL, key INTEGER NOT NULL, until INTEGER NOT NULL, rank INTEGER NOT NULL, numbers BLOB NOT NULL,
    PRIMARY KEY (name, key)
) WITHOUT ROWID;
CREATE TABLE orders (
    kind TEXT NOT NULL, network TEXT NOT NULL, until INTEGER NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (kind, network)
) WITHOUT ROWID;
CREATE TABLE history (
    key INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, scope INTEGER NOT NULL, rule INTEGER NOT NULL,
    times INTEGER NOT NULL, address BLOB NOT NULL, account INTEGER NOT NULL,
    PRIMARY KEY (key, since)
) WITHOUT ROWID;
CREATE INDEX history_until ON history (until);
"""


class StoreError(Exception):
    """The database cannot be used; the text is one line with key, what is wrong and the remedy."""


class UnwritableError(StoreError):
    """The system does not let it be used: no room, no right, locked, a disk that fails."""


def opened(path: Path) -> tuple[sqlite3.Connection, str]:
    """The database at ``path``, made where there is none, and a line for the operator where one had to be set aside, else "".

    Raises StoreError for a place that cannot be written, and for a file that is not ours.
    """
    _prepare(path)
    with path.open("rb") as file:
        begins = file.read(len(_MAGIC))
    if begins not in {b"", _MAGIC}:
        raise StoreError(f"state.database: {path}: is no SQLite database; move it away, or name another file")
    try:
        return _connected(path), ""
    except sqlite3.OperationalError as error:  # locked, no room, no right: the file may be whole
        raise failed(path, error) from None
    except sqlite3.DatabaseError:
        pass
    kept = path.with_name(f"{path.name}.corrupt-{int(time.time())}")
    try:
        path.rename(kept)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        _prepare(path)
        return _connected(path), f"state.database: {path}: was damaged and is set aside as {kept.name}; begins anew"
    except (OSError, sqlite3.Error) as error:
        raise failed(path, error) from None


def readable(path: Path) -> sqlite3.Connection | None:
    """The database at ``path`` as it was written last, where nothing can be written: on a disk that is full or read-only.

    None where it cannot be read either: what is still in its journal SQLite reads with a file beside it only, and without that it would say
    what is no longer so.
    """
    journal = path.with_name(path.name + "-wal")
    with suppress(OSError, sqlite3.Error, StoreError):
        if not (journal.exists() and journal.stat().st_size):
            return _connected(path, f"{path.absolute().as_uri()}?mode=ro&immutable=1")
    return None


def failed(path: Path, error: BaseException) -> UnwritableError:
    """What went wrong with the file, in one line."""
    what = error.strerror if isinstance(error, OSError) and error.strerror else error
    remedy = 'name a file that this user may write, or "" to keep nothing'
    if _is_full(error):
        remedy = "make room there, if the disk is sound"
    return UnwritableError(f"state.database: {path}: {what}; {remedy}")


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    # Where there is no room for the file beside it, SQLite only says that input or output failed.
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def _prepare(path: Path) -> None:
    """An empty file with our mode where there is none: SQLite gives its journals the mode of the file."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    except OSError as error:
        raise failed(path, error) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"state.database: {path}: is no file; name another one")
        if stat.S_IMODE(found.st_mode) != _MODE:
            with suppress(PermissionError):
                os.fchmod(descriptor, _MODE)
    finally:
        os.close(descriptor)


def _connected(path: Path, uri: str = "") -> sqlite3.Connection:
    """``uri`` is for one that can only be read."""
    connection = sqlite3.connect(
        uri or path, timeout=_BUSY, isolation_level=None, check_same_thread=False, uri=bool(uri)
    )
    try:
        _settle(connection, path, write=not uri)
    except BaseException:
        connection.close()
        raise
    return connection


def _settle(connection: sqlite3.Connection, path: Path, *, write: bool) -> None:
    """Make the tables, or see that they are ours. Raises sqlite3.DatabaseError for a damaged file, StoreError for another's."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (made,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if made and application != APPLICATION:
        raise StoreError(f"state.database: {path}: is the database of another program; name another file")
    if made and version != VERSION:
        raise StoreError(
            f"state.database: {path}: has version {version}, and this sipsensor writes {VERSION}; move it away, or name another"
        )
    if write:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    if not made:
        if not write:
            raise StoreError(f"state.database: {path}: is empty")
        connection.executescript(
            f"BEGIN; {_SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
        )
    (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if sound != "ok":
        raise sqlite3.DatabaseError(sound)
