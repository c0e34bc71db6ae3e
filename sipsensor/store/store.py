"""The tables, the orders and the history in the database, as the sensor has them."""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sipsensor.decide.ledger import Held
from sipsensor.model import NANOSECONDS
from sipsensor.store.database import StoreError, UnwritableError, failed, opened, readable

SEED_BYTES = 16
LEDGER = "ledger"
"""The table whose entries make the history."""
_SIGNED = 1 << 63
_WORD = 1 << 64

Entry = tuple[int, int, int, tuple[int, ...]]
"""Key, time until which it holds (ns), rank, numbers: as ``fastpath.tables.Records`` has them."""


class Change(NamedTuple):
    """One entry of a table as it is now; ``until`` 0 for one that is gone."""

    table: str
    key: int
    until: int
    rank: int
    numbers: tuple[int, ...]


class Order(NamedTuple):
    """What the operator said of a network, and until when (ns)."""

    kind: str
    """``ban`` or ``trust``."""
    network: str
    until: int


class Past(NamedTuple):
    """One cut of the last weeks. Times in ns."""

    since: int
    until: int
    scope: int
    rule: int
    times: int
    address: bytes
    account: int


class Store:
    """The database at ``path``. Cuts that are over stay in its history for ``history`` seconds.

    A new one gets ``seed`` as its key. ``at_least_read``: where it cannot be written it is read all the same; writing raises then.
    Raises StoreError where it cannot be used. ``notice`` is a line for the operator: a damaged one was set aside, or it can only be read.
    """

    def __init__(
        self, path: str | Path, history: int = 28 * 86400, seed: bytes | None = None, *, at_least_read: bool = False
    ) -> None:
        self.path = Path(path)
        self._history = history * NANOSECONDS
        try:
            self._connection, self.notice = opened(self.path)
            self.seed = self._seed(seed or os.urandom(SEED_BYTES))
        except UnwritableError as error:
            found = readable(self.path) if at_least_read else None
            if found is None:
                raise
            self._connection, self.notice = found, f"{error}; what it holds is read"
            self.seed = self._seed(None)

    def entries(self, table: str, now: int) -> list[Entry]:
        """What a table held when it was written last, without what ran out. Raises StoreError."""
        with self._told():
            rows = self._connection.execute(
                "SELECT key, until, rank, numbers FROM entries WHERE name = ? AND until > ?", (table, now)
            ).fetchall()
        return [(key % _WORD, until, rank, _unpacked(numbers)) for key, until, rank, numbers in rows]

    def write(self, changes: Sequence[Change], now: int, *, anew: bool = False) -> None:
        """All of it, or nothing: one transaction. ``anew``: in place of every entry before. Raises StoreError."""
        with self._transaction():
            if anew:
                self._connection.execute("DELETE FROM entries")
            for change in changes:
                key = _signed(change.key)
                if not change.until:
                    self._connection.execute("DELETE FROM entries WHERE name = ? AND key = ?", (change.table, key))
                    if change.table == LEDGER:
                        self._connection.execute(
                            "UPDATE history SET until = ? WHERE key = ? AND until > ?", (now, key, now)
                        )
                    continue
                self._connection.execute(
                    "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)",
                    (change.table, key, change.until, change.rank, _packed(change.numbers)),
                )
                if change.table == LEDGER and len(change.numbers) == len(Held._fields):
                    self._remember(key, Held(*change.numbers))

    def orders(self, now: int) -> list[Order]:
        """The operator's orders that still hold, none for longer than it was given for: a clock may have been ahead. Raises StoreError."""
        with self._told():
            rows = self._connection.execute(
                "SELECT kind, network, min(until, ?1 + until - since) FROM orders WHERE until > ?1", (now,)
            ).fetchall()
        return [Order(*row) for row in rows]

    def keep_orders(self, orders: Sequence[Order], now: int) -> None:
        """These orders, in place of those before; what is new was given ``now``. Raises StoreError."""
        with self._transaction():
            before = {
                Order(*row[:3]): row[3]
                for row in self._connection.execute("SELECT kind, network, until, since FROM orders")
            }
            self._connection.execute("DELETE FROM orders")
            self._connection.executemany(
                "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)",
                [(*order, min(before.get(order, now), order.until)) for order in orders],
            )

    def fall(self) -> tuple[int, str] | None:
        """When (ns) and why the safety net fell; None where it did not, or somebody ordered to go on since. Raises StoreError."""
        at, _, why = (self._fact("fall") or b"").decode(errors="replace").partition(" ")
        return (int(at), why) if at.isdecimal() else None

    def keep_fall(self, fall: tuple[int, str] | None) -> None:
        """It fell, or nothing of the kind is left. Raises StoreError."""
        with self._transaction():
            if fall is None:
                self._connection.execute("DELETE FROM facts WHERE name = 'fall'")
            else:
                value = f"{fall[0]} {fall[1]}".encode()
                self._connection.execute("INSERT OR REPLACE INTO facts VALUES ('fall', ?)", (value,))

    def history(self, most: int = 1000) -> list[Past]:
        """The cuts of the last weeks, the newest first. Raises StoreError."""
        with self._told():
            rows = self._connection.execute(
                "SELECT since, until, scope, rule, times, address, account FROM history ORDER BY since DESC LIMIT ?",
                (most,),
            ).fetchall()
        return [Past._make((*row[:6], row[6] % _WORD)) for row in rows]

    def expire(self, now: int) -> None:
        """Free what ran out, and history that is too old. Raises StoreError."""
        with self._transaction():
            self._connection.execute("DELETE FROM entries WHERE until <= ?", (now,))
            self._connection.execute("DELETE FROM orders WHERE until <= ?", (now,))
            self._connection.execute("DELETE FROM history WHERE until <= ?", (now - self._history,))

    def close(self) -> None:
        """Give the file back; a second call is harmless."""
        self._connection.close()

    def _fact(self, name: str) -> bytes | None:
        with self._told():
            row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row and isinstance(row[0], bytes) else None

    def _seed(self, new: bytes | None) -> bytes:
        """The key of the hashes: without it no key in here means anything. ``new`` is that of one that has none yet."""
        seed = self._fact("seed")
        if seed is None and new is not None:
            with self._transaction():
                self._connection.execute("INSERT OR IGNORE INTO facts VALUES ('seed', ?)", (new,))
            seed = self._fact("seed")
        if seed is None or len(seed) != SEED_BYTES:
            raise StoreError(f"state.database: {self.path}: its key is damaged; move the file away")
        return seed

    def _remember(self, key: int, held: Held) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (key, held.since, held.until, held.scope, held.rule, held.times, held.address, _signed(held.account)),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError, struct.error) as error:
            raise failed(self.path, error) from None


def _signed(number: int) -> int:
    """SQLite's integers have a sign."""
    return number - _WORD if number >= _SIGNED else number


def _packed(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def _unpacked(blob: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(blob) // 8}Q", blob[: len(blob) // 8 * 8])
