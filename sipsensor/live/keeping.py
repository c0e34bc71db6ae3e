"""The keeper's half of what outlives a sensor: it writes the database, and brings the kernel's sets to what the state says.

All of it may wait for a disk or a tool; no packet waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

from sipsensor.config.settings import Enforcer, QueueRules, Settings
from sipsensor.enforce.rules import RulesError
from sipsensor.enforce.rules.generation import generation
from sipsensor.enforce.rules.table import TABLE
from sipsensor.enforce.rules.tools import asked, run
from sipsensor.enforce.sets import SETS, Desired, KernelSets
from sipsensor.live.link import LinkEnd
from sipsensor.live.memory import Facts
from sipsensor.live.names import Trunks
from sipsensor.model import Mode
from sipsensor.store import Change, Order, Store, StoreError

RETRY = 30.0
"""Seconds between two tries to open the database."""
EXPIRE = 3600.0
UNWRITTEN_MOST = 262_144
"""Changes kept for a database that cannot be written; the oldest go first."""
STAY_WITHIN = 0.5
"""Seconds that one look may take for the kernel's sets."""


def _change(script: str) -> str | None:
    return run(["nft", "-f", "-"], script)


def _listing(name: str) -> str | None:
    return asked(["nft", "-j", "list", "set", "inet", TABLE, name])


class Keeping:
    """What the sensor tells, written down and made real. ``say`` gets lines for the operator."""

    def __init__(self, settings: Settings, end: LinkEnd, say: Callable[[str], None]) -> None:
        network, trust = settings.network, settings.trust
        self.trunks = Trunks(trust.trunks)
        self.trusts: tuple[str, ...] = ()
        """Networks that the operator trusts by order."""
        self.sets = KernelSets(TABLE, _change if settings.bans.enforcer is Enforcer.NFTABLES else None)
        self._settings = settings
        self._end = end
        self._say = say
        self._spared = (*trust.allowlist, *network.protected, *network.public, *network.proxies)
        self._desired = Desired()
        self._generation: int | None = None
        self._mode = Mode.OBSERVE  # until the sensor says in which it is
        self._ahead = 0
        self._store: Store | None = None
        self._seed = b""
        """What the sensor's keys are made with: they mean nothing in a database with another."""
        self._store_errors = 0
        self._last_error = self._complaint = self._unwritable = ""
        self._complained: set[str] = set()
        self._due = self._expire_due = 0.0
        self._unwritten: dict[tuple[str, int], Change] = {}
        self._orders: list[Order] | None = None
        self._fell: tuple[tuple[int, str] | None] | None = None
        """What is still to be written of the safety net's fall."""
        self._told: tuple[object, ...] = ()
        self._resynced = False

    @property
    def trusted(self) -> tuple[str, ...]:
        """Networks that belong into the trusted queue besides the allowlist: trunks, and whom the operator trusts."""
        return (*self.trunks.networks, *self.trusts)

    def start(self, stop: threading.Event) -> None:
        """Begin: names are looked up, and the sensor is asked for all that it has."""
        self.trunks.start(stop)
        if self._settings.queue.rules is QueueRules.NONE and _listing(SETS[0]) is None:
            self.sets = KernelSets(TABLE, None)
            self._say(f"the rules are yours and have no table inet {TABLE}: the sensor alone drops what is cut")
        elif self.sets.is_dry:
            self._say(
                "bans.enforcer is dry-run: the kernel's sets stay as they are; the sensor alone drops what is cut"
            )
        self._resynced = self._end.send({"resync": True})

    def look(self, *, anew: bool = False) -> int:
        """Hear what changed, write it, make it real. Returns how often that changed the ruleset.

        ``anew``: the kernel's rules were put back, and their sets may be empty.
        """
        before = self.sets.batches
        if not self._resynced:
            self._resynced = self._end.send({"resync": True})
        for message in self._end.received():
            with suppress(TypeError, ValueError, KeyError):  # of a sensor of another version
                self._hear(message)
        self._write()
        self._make_real(anew=anew)
        self._tell()
        return self.sets.batches - before

    def close(self) -> None:
        """Write what came last, and give the database back."""
        for message in self._end.received():
            with suppress(TypeError, ValueError, KeyError):
                self._hear(message)
        self._write()
        if self._store is not None:
            self._store.close()
            self._store = None
        if self.sets.is_dry and self.sets.changes:
            self._say(f"the kernel's sets: {self.sets.changes} changes would have been made")

    # --- inside

    def _hear(self, message: dict[str, Any]) -> None:
        for table, key, until, rank, numbers in message.get("changes", ()):
            change = Change(str(table), int(key), int(until), int(rank), tuple(map(int, numbers)))
            self._unwritten[change.table, change.key] = change
            self._desired.told(change.table, change.key, change.until, change.numbers)
        if "orders" in message:
            self._orders = [
                Order(str(kind), str(ip_network(network)), int(until)) for kind, network, until in message["orders"]
            ]
            self._desired.bans = {order.network: order.until for order in self._orders if order.kind == "ban"}
            self.trusts = tuple(order.network for order in self._orders if order.kind == "trust")
        if "mode" in message:
            self._mode = Mode(message["mode"])
            self._seed = bytes.fromhex(message.get("seed", ""))
        if "fell" in message:
            at, why = message["fell"]
            self._fell = ((int(at), str(why)) if why else None,)
        if "ahead" in message:
            self._ahead = int(message["ahead"])
            self._generation = None  # what the sets hold was reckoned by another clock

    def _now(self) -> int:
        """By the clock of the sensor: all that it tells goes by it."""
        return time.time_ns() + self._ahead

    def _write(self) -> None:
        if not self._settings.state.database:
            self._unwritten.clear()
            return
        while len(self._unwritten) > UNWRITTEN_MOST:
            del self._unwritten[next(iter(self._unwritten))]
        store = self._opened() if self._seed else None
        if store is None:
            return
        now = self._now()
        try:
            if self._unwritten:
                store.write(list(self._unwritten.values()), now)
                self._unwritten.clear()
            if self._orders is not None:
                store.keep_orders(self._orders, now)
                self._orders = None
            if self._fell is not None:
                store.keep_fall(*self._fell)
                self._fell = None
            if time.monotonic() >= self._expire_due:
                self._expire_due = time.monotonic() + EXPIRE
                store.expire(now)
            if self._unwritable:
                self._say(f"state.database: {store.path}: is written again")
                self._last_error = "" if self._last_error == self._unwritable else self._last_error
                self._unwritable = ""
                self._complained.clear()
                self._resynced = False  # it may be another, and lack what the one before had
        except StoreError as error:
            self._failed(error)

    def _opened(self) -> Store | None:
        if self._store is None and time.monotonic() >= self._due:
            try:
                self._store = self._open()
            except StoreError as error:
                self._failed(error)
        return self._store

    def _open(self) -> Store:
        """Raises StoreError, also for a database that is not the sensor's: what it says means nothing there."""
        path = self._settings.state.database
        store = Store(path, self._settings.state.history, self._seed)
        if store.notice:
            self._say(store.notice)
        if store.seed != self._seed:
            store.close()
            raise StoreError(f"state.database: {path}: is of another sensor; the next start goes on with it")
        return store

    def _failed(self, error: StoreError) -> None:
        """Each kind is said when it begins, and tried again: nothing that came meanwhile is lost as long as there is room."""
        self._store_errors += 1
        if str(error) not in self._complained:
            self._complained.add(str(error))
            self._say(f"{error}; what lasts is kept in memory meanwhile")
        self._unwritable = self._last_error = str(error)
        self._due = time.monotonic() + RETRY
        if self._store is not None:
            self._store.close()
            self._store = None

    def _make_real(self, *, anew: bool) -> None:
        self._desired.spare((*self._spared, *self.trunks.networks, *self.trusts))
        began, now = time.monotonic(), self._now()
        wanted = self._desired.elements(now, block=self._mode is Mode.ENFORCE)
        errors, batches = self.sets.errors, self.sets.batches
        try:
            before = generation()
            if anew or before != self._generation:  # somebody else changed the ruleset
                self.sets.read(_listing, now)
            while not self.sets.apply(wanted, now) and time.monotonic() - began < STAY_WITHIN:
                pass
            self._generation = before if before is None else before + self.sets.batches - batches
        except RulesError as error:  # a tool hangs: once in a look is enough
            self._generation = None
            self.sets.errors += 1
            self.sets.complaint = str(error)
        if self.sets.errors > errors and self.sets.complaint != self._complaint:
            self._complaint = self._last_error = self.sets.complaint
            self._say(f"the kernel's sets: {self._complaint}; the sensor itself drops what is cut")

    def _tell(self) -> None:
        held = () if self.sets.is_dry else self.sets.held
        blocked = sum(element.set.startswith("blocked") for element in held)
        facts = Facts(blocked, len(held) - blocked, self.sets.errors, self._store_errors, self._last_error)
        if facts != self._told and self._end.send({"facts": [*facts[:-1], facts.last_error[:500]]}):
            self._told = facts
        trunks = self.trunks.networks
        if trunks != self._trunks_told and self._end.send({"trunks": list(trunks)}):
            self._trunks_told = trunks

    _trunks_told: tuple[str, ...] = ()
