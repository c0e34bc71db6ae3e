"""Which elements the kernel's sets should hold, by what the ledger, the standings and the operator's orders say."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sipsensor.decide import ledger
from sipsensor.fastpath import tables
from sipsensor.model import NANOSECONDS, Scope, Standing
from sipsensor.track import standing

_SHORTEST = NANOSECONDS
"""What runs out sooner is not worth a place."""
_SOURCE = ledger.SCOPES.index(Scope.SOURCE)
_IPV4 = bytes(10) + b"\xff\xff"


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Element(NamedTuple):
    """One element of one set."""

    set: str
    text: str
    """As nft reads it."""


class Desired:
    """The state as it was told, and the elements that follow from it. ``spared`` is never blocked.

    ``told`` takes an entry of a kept table (``until`` 0: it is gone); ``elements`` gives each element and until when (ns).
    """

    def __init__(self, spared: tables.Networks) -> None:
        self.spared = spared
        self.bans: dict[str, int] = {}
        """The operator's, by network, until (ns)."""
        self._cuts: dict[int, ledger.Held] = {}
        self._trusted: dict[int, tuple[int, standing.Held]] = {}

    def told(self, table: str, key: int, until: int, numbers: tuple[int, ...]) -> None:
        """One entry as it is now. Those of other tables, or of another width, say nothing to the kernel."""
        if table == "ledger":
            self._cuts.pop(key, None)
            if until and len(numbers) == len(ledger.Held._fields):
                held = ledger.Held(*numbers)
                if held.kernel and held.scope == _SOURCE:
                    self._cuts[key] = held
        elif table == "standing":
            self._trusted.pop(key, None)
            if until and len(numbers) == len(standing.Held._fields):
                found = standing.Held(*numbers)
                if found.standing == Standing.TRUSTED and not found.behind:
                    self._trusted[key] = (until, found)

    def elements(self, now: int, *, block: bool) -> Mapping[Element, int]:
        """What should be held, and until when. ``block`` False: nobody is blocked."""
        self._expire(now)
        found: dict[Element, int] = {}
        for element, until in self._all(now, block=block):
            if until - now >= _SHORTEST:
                found[element] = max(until, found.get(element, 0))
        return found

    def _all(self, now: int, *, block: bool) -> Iterator[tuple[Element, int]]:
        for until, held in self._trusted.values():
            address, version = _address(held.address)
            yield Element(f"trusted{version}", f"{address} . {held.port}"), until
            yield Element(f"trusted_hosts{version}", str(address)), until
        if not block:
            return
        banned = self._banned(now)
        for network, until in banned.items():
            yield _blocked(network), until
        for cut in self._cuts.values():
            if not self.spared.contains(cut.address):
                address, version = _address(cut.address)
                source = ipaddress.ip_network((address, 32 if version == 4 else 64), strict=False)  # noqa: PLR2004
                if not any(_covers(network, source) for network in banned):
                    yield _blocked(source), cut.until

    def _banned(self, now: int) -> dict[Network, int]:
        """The operator's bans that hold, without those inside another one: an interval set takes no two that overlap.

        A ban over somebody who is never blocked is left to the ledger.
        """
        spared = [ipaddress.ip_network(text, strict=False) for text in self.spared.texts]
        found: dict[Network, int] = {}
        holding = [
            (ipaddress.ip_network(text, strict=False), until) for text, until in self.bans.items() if until > now
        ]
        for network, until in sorted(holding, key=lambda one: one[0].prefixlen):
            inside = any(_covers(wide, network) for wide in found)
            if not inside and not any(_covers(network, one) or _covers(one, network) for one in spared):
                found[network] = until
        return found

    def _expire(self, now: int) -> None:
        for key in [key for key, held in self._cuts.items() if held.until <= now]:
            del self._cuts[key]
        for key in [key for key, (until, _) in self._trusted.items() if until <= now]:
            del self._trusted[key]


def _address(packed: bytes) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    if packed.startswith(_IPV4):
        return ipaddress.IPv4Address(packed[12:]), 4
    return ipaddress.IPv6Address(packed), 6


def _covers(wide: Network, narrow: Network) -> bool:
    return wide.version == narrow.version and narrow.subnet_of(wide)  # type: ignore[arg-type]


def _blocked(network: Network) -> Element:
    if network.prefixlen == network.max_prefixlen:
        return Element(f"blocked{network.version}", str(network.network_address))
    return Element(f"blocked_networks{network.version}", str(network))
