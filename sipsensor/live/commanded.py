"""What orders need of a live sensor, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sipsensor.config.settings import Settings
from sipsensor.control.server import Peer
from sipsensor.decide.ledger import SCOPES, Held, Ledger
from sipsensor.engine import Engine
from sipsensor.export.events.build import Event
from sipsensor.export.events.lasting import By, address_text, network_text
from sipsensor.export.evidence import Evidence
from sipsensor.live import clock
from sipsensor.live.page import Page
from sipsensor.model import NANOSECONDS

Arguments = Mapping[str, object]
Answer = Mapping[str, object]
Clock = Callable[[], int]
"""Nanoseconds since the epoch, as packets have them."""
now: Clock = clock.now


class Events(Protocol):
    """The event log."""

    def write(self, event: Event) -> None:
        """One event as a line."""
        ...


class CommandedOutlets(Protocol):
    """Where orders are told."""

    @property
    def evidence(self) -> Evidence:
        """What is remembered of sources."""

    @property
    def events(self) -> Events | None:
        """The event log."""


class Commanded(Protocol):
    """A live sensor that takes orders."""

    settings: Settings
    page: Page

    @property
    def protected(self) -> Sequence[str]:
        """The networks it protects."""

    @property
    def engine(self) -> Engine:
        """The engine."""

    @property
    def outlets(self) -> CommandedOutlets:
        """Events, evidence, lines for the operator."""

    def between_packets(self) -> AbstractContextManager[object]:
        """While it is entered no packet is judged. To be held for moments: packets wait."""
        ...

    def say(self, line: str) -> None:
        """A line for the operator, in the log and in ``status``."""
        ...


def tell(sensor: Commanded, *events: Event) -> None:
    """Write events of orders; all of them, whatever the volume."""
    log = sensor.outlets.events
    if log is not None:
        for event in events:
            log.write(event)


def by(peer: Peer) -> By:
    """Who asks, as events say it."""
    return By(peer.uid, peer.pid)


def seconds(moment: int) -> float:
    """A moment of packets' time as seconds since the epoch, by the machine's clock."""
    return (moment - clock.ahead()) / NANOSECONDS


def describe(held: Held, ledger: Ledger, evidence: Evidence) -> dict[str, Any]:
    """One cut, as JSON can write it. Times in seconds since the epoch."""
    scope = SCOPES[held.scope]
    rule = ledger.rules.get(held.rule)
    return {
        "scope": scope.value,
        "address": address_text(held.address),
        "network": network_text(held.address, scope),
        "account": account_text(held.account, evidence) if held.account else None,
        "rule": rule.slug if rule else "",
        "since": seconds(held.since),
        "until": seconds(held.until),
        "times": held.times,
        "kernel_may_drop": bool(held.kernel),
    }


def account_text(account: int, evidence: Evidence) -> str:
    """An account's name where it is remembered, else its key as 16 hexadecimal digits."""
    return evidence.name(account) or f"{account:016x}"
