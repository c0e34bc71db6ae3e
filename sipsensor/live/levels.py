"""How much of their budgets an address or an account has used, by what each budget is called in the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sipsensor.detect.base import Detector
from sipsensor.detect.enumeration import Enumeration
from sipsensor.detect.flood import Flood
from sipsensor.detect.guessing import Guessing
from sipsensor.detect.handshakes import Handshakes
from sipsensor.fastpath import tables
from sipsensor.live.targets import AddressKeys
from sipsensor.model import Limit


class Level(NamedTuple):
    """One budget."""

    budget: str
    used: float
    limit: int
    seconds: int

    def as_object(self) -> dict[str, Any]:
        """As JSON can write it."""
        return {**self._asdict(), "used": round(self.used, 1)}


def of_address(
    detectors: Iterable[Detector], keys: AddressKeys, ports: Sequence[int], accounts: int, now: int
) -> Iterator[Level]:
    """Those of one source. ``ports``: keys of its ports that are known; ``accounts``: how many were accepted from there."""
    for each in detectors:
        if isinstance(each, Guessing):
            setting = each.settings
            times = min(1 + accounts // setting.office, setting.office_ceiling)
            buckets = [keys.source ^ bucket for bucket in range(times)]
            yield _level("guessing.source", each.sources, buckets, setting.source, now)
            yield _level("guessing.source_names", each.names, [keys.source], setting.source_names, now)
            yield _level("guessing.network", each.networks, [keys.network], setting.network, now)
        elif isinstance(each, Enumeration):
            yield _level("enumeration.sender", each.senders, (keys.source, *ports), each.settings.sender, now)
        elif isinstance(each, Handshakes):
            yield _level("handshakes.sender", each.senders, (keys.source, *ports), each.settings.sender, now)
        elif isinstance(each, Flood):
            yield _level("flood.register_source", each.registers, [keys.source], each.settings.register_source, now)
            yield _level("flood.invite_source", each.invites, [keys.source], each.settings.invite_source, now)
            yield _level("flood.source", each.any, [keys.source], each.settings.source, now)


def of_account(detectors: Iterable[Detector], account: int, now: int) -> Iterator[Level]:
    """Those of one account, all sources together."""
    for each in detectors:
        if isinstance(each, Guessing):
            setting = each.settings
            yield _level("guessing.account_everywhere", each.accounts, [account], setting.account_everywhere, now)
            yield _level("guessing.unproven", each.unproven, [account], setting.unproven, now)


def _level(budget: str, table: tables.RateTable, keys: Iterable[int], limit: Limit, now: int) -> Level:
    return Level(budget, max(table.level(key, now) for key in keys), limit.count, limit.seconds)
