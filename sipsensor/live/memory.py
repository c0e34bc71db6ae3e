"""The sensor's half of what outlives it: the state that it begins with, and telling the keeper what changed since.

It reads the database before the first packet and never writes it. While packets come, the main thread takes what changed under the engine's
lock, and sends it from outside.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from itertools import islice
from typing import NamedTuple

from sipsensor.config.settings import Settings
from sipsensor.engine import Engine
from sipsensor.fastpath import ranges, tables
from sipsensor.live import clock
from sipsensor.live.believed import believed
from sipsensor.live.link import LinkEnd
from sipsensor.store import SEED_BYTES, Change, Order, Store, StoreError

BATCH = 150
"""Changes in one datagram."""
PENDING_MOST = 262_144
"""Changes that wait for a keeper. Above it they are forgotten, and all is told anew once he is back."""


class Facts(NamedTuple):
    """What the keeper says of the kernel and the database."""

    blocked: int = 0
    """Elements in the sets of blocked sources."""
    trusted: int = 0
    enforcement_errors: int = 0
    store_errors: int = 0
    last_error: str = ""


def seed_of(settings: Settings, say: Callable[[str], None]) -> bytes | None:
    """The key of the hashes of the database, or None where there is to be no database: then nothing outlives the sensor.

    Where it cannot be had now, it is made with this key as soon as it can.
    """
    if not settings.state.database:
        return None
    try:
        store = Store(settings.state.database, settings.state.history, at_least_read=True)
    except StoreError as error:
        say(f"{error}; until then nothing outlives the sensor")
        return os.urandom(SEED_BYTES)
    try:
        if store.notice:
            say(store.notice)
        return store.seed
    finally:
        store.close()


class Memory:
    """What the engine's tables, the operator's orders and the mode were, and what became of them."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        end: LinkEnd,
        between_packets: Callable[[], AbstractContextManager[object]],
        say: Callable[[str], None],
    ) -> None:
        self.facts = Facts()
        self._settings = settings
        self._engine = engine
        self._end = end
        self._between = between_packets
        self._say = say
        self._pending: dict[str, dict[int, Change]] = {name: {} for name in self._tables()}
        self._anew: list[str] = []
        self._orders: list[tuple[str, str, int]] | None = None
        self._mode = ""
        self._ahead = -1
        self.fell: tuple[int, str] | None = None
        """When (ns) and why the safety net fell, as long as nobody ordered to go on."""
        self._fell_told: object = _NOTHING
        self._seed = b""
        self._loaded = False

    def load(self, seed: bytes | None) -> None:
        """Fill the tables with what was written last. What ran out, or does not fit the tables of this version, is left out."""
        if seed is None:
            return
        self._seed = seed
        now = clock.now()
        try:
            store = Store(self._settings.state.database, self._settings.state.history, seed, at_least_read=True)
        except StoreError as error:
            self._say(str(error))
            return
        try:
            if store.seed == seed:  # else it was made anew meanwhile, and its keys are others
                self._fill(store, now)
                fell = store.fall()
                self.fell = (min(fell[0], now), fell[1]) if fell else None
                self._loaded = True
                for table in self._tables().values():
                    table.changes()  # the keeper is told all of it, table by table
        except StoreError as error:
            self._say(str(error))
        finally:
            store.close()
        self._anew = list(self._tables())

    def look(self) -> None:
        """Tell the keeper what changed, hear what he says."""
        for message in self._end.received():
            self._hear(message)
        self._collect()
        self._send()

    def close(self) -> None:
        """Write all of it: at the end the keeper goes first, and nobody is left to hear of the last changes.

        Where nothing could be read at the start, what is written stays as it is.
        """
        if not self._loaded:
            return
        now = clock.now()
        entries = [Change(name, *entry) for name, table in self._tables().items() for entry in table.entries(now)]
        try:
            store = Store(self._settings.state.database, self._settings.state.history, self._seed)
        except StoreError as error:
            self._say(str(error))
            return
        try:
            if store.seed != self._seed:
                return
            store.write(entries, now, anew=True)
            self._look_at_fall()
            store.keep_fall(self.fell)
            store.keep_orders([Order(*order) for order in self._standing_orders()], now)
        except StoreError as error:
            self._say(str(error))
        finally:
            store.close()

    # --- inside

    def _look_at_fall(self) -> None:
        why = self._engine.safety.tripped
        if why != (self.fell[1] if self.fell else ""):
            self.fell = (clock.now(), why) if why else None

    def _standing_orders(self) -> list[tuple[str, str, int]]:
        engine = self._engine
        return sorted(
            [("ban", *order) for order in engine.ledger.orders.items()]
            + [("trust", *order) for order in engine.policy.trust.orders.items()]
        )

    def _tables(self) -> Mapping[str, tables.Records]:
        """Cuts first: they are what waits least."""
        return {**self._engine.ledger.kept(), **self._engine.tracker.standings.kept()}

    def _fill(self, store: Store, now: int) -> None:
        for name, table in self._tables().items():
            for entry in store.entries(name, now):
                key, until, rank, numbers = believed(name, entry, self._engine.ledger, now)
                table.put(key, now, until, numbers, rank)
        for order in store.orders(now):
            held = self._engine.ledger.ban if order.kind == "ban" else self._engine.policy.trust.trust
            try:
                held(order.network, order.until)
            except ValueError:
                self._say(f"state.database: {order.network!r} is no network; this order is left out")

    def _hear(self, message: Mapping[str, object]) -> None:
        if message.get("resync"):
            self._anew = list(self._tables())
            self._orders, self._mode, self._ahead, self._fell_told = None, "", -1, _NOTHING
        trunks = message.get("trunks")
        if isinstance(trunks, list):
            networks = ranges.Networks(trunks)
            with self._between():
                self._engine.policy.trust.trunks = networks
        facts = message.get("facts")
        if isinstance(facts, list):
            self.facts = Facts(*facts)

    def _collect(self) -> None:
        """Under the engine's lock, so only as much as has to be: one whole table at a look, and what changed in all."""
        now = clock.now()
        with self._between():
            found = [(name, table.changes()) for name, table in self._tables().items()]
            if self._anew:
                name = self._anew.pop(0)
                found.append((name, self._tables()[name].entries(now)))
        for name, entries in found:
            self._pending[name].update((entry[0], Change(name, *entry)) for entry in entries)
        if sum(map(len, self._pending.values())) > PENDING_MOST:
            for waiting in self._pending.values():
                waiting.clear()
            self._anew = list(self._tables())

    def _send(self) -> None:
        """First what all the rest is read by."""
        ahead = clock.ahead()
        if (self._ahead < 0 or abs(ahead - self._ahead) > clock.SLACK) and self._end.send({"ahead": ahead}):
            self._ahead = ahead
        mode = self._engine.policy.mode.value
        if mode != self._mode and self._end.send({"mode": mode, "seed": self._seed.hex()}):
            self._mode = mode
        self._look_at_fall()
        if self.fell != self._fell_told and self._end.send({"fell": self.fell or [0, ""]}):
            self._fell_told = self.fell
        for waiting in self._pending.values():
            while waiting:
                batch = [*islice(waiting.values(), BATCH)]
                if not self._end.send({"changes": batch}):
                    return
                for change in batch:
                    del waiting[change.key]
        orders = self._standing_orders()
        if orders != self._orders and self._end.send({"orders": orders[:_ORDERS_MOST]}):
            self._orders = orders


_NOTHING = object()
_ORDERS_MOST = 500
"""Orders that one datagram holds."""
