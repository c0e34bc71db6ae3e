"""Which elements the kernel's sets should hold, by what the ledger, the standings and the operator's orders say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import NamedTuple

from sipsensor.decide import ledger
from sipsensor.model import NANOSECONDS, Scope, Standing
from sipsensor.track import standing

_SHORTEST = NANOSECONDS
"""What runs out sooner is not worth a place."""
_SOURCE = ledger.SCOPES.index(Scope.SOURCE)
_SOURCE6 = 64
"""What counts as one source of IPv6 (DESIGN 6)."""

Network = IPv4Network | IPv6Network


class Element(NamedTuple):
    """One element of one set."""

    set: str
    text: str
    """As nft reads and lists it."""


class _Cut(NamedTuple):
    network: Network
    element: Element
    until: int
    spared: bool


class Desired:
    """The state as it was told, and the elements that follow from it. Networks of ``spare`` are never blocked, nor what holds one of them.

    ``told`` takes an entry of a kept table (``until`` 0: it is gone); ``elements`` gives each element and until when (ns).
    """

    def __init__(self) -> None:
        self.bans: dict[str, int] = {}
        """The operator's, by network, until (ns)."""
        self._spared_texts: tuple[str, ...] = ()
        self._spared: tuple[Network, ...] = ()
        self._cuts: dict[int, _Cut] = {}
        self._trusted: dict[int, tuple[int, Network, tuple[Element, Element]]] = {}
        self._changes = self._due = 0
        self._asked: tuple[object, ...] = ()
        self._found: Mapping[Element, int] = {}

    def spare(self, networks: Sequence[str]) -> None:
        """Whom nothing ever blocks. Raises ValueError for text that is no network."""
        if self._spared_texts != tuple(networks):
            self._spared = tuple(ip_network(text, strict=False) for text in networks)
            self._spared_texts = tuple(networks)
            self._cuts = {key: cut._replace(spared=self._is_spared(cut.network)) for key, cut in self._cuts.items()}
            self._changes += 1

    def told(self, table: str, key: int, until: int, numbers: tuple[int, ...]) -> None:
        """One entry as it is now. Those of other tables, or of another width, say nothing to the kernel."""
        self._changes += 1
        if table == "ledger":
            self._cuts.pop(key, None)
            if until and len(numbers) == len(ledger.Held._fields):
                held = ledger.Held(*numbers)
                if held.kernel and held.scope == _SOURCE:
                    network = _source(held.address)
                    self._cuts[key] = _Cut(network, _blocked(network), held.until, self._is_spared(network))
        elif table == "standing":
            self._trusted.pop(key, None)
            if until and len(numbers) == standing.HELD_WIDTH:
                found = standing.Held(*numbers)
                if found.standing == Standing.TRUSTED and not found.behind:
                    self._trusted[key] = until, ip_network(_address(found.address)), _trusted(found)

    def elements(self, now: int, *, block: bool) -> Mapping[Element, int]:
        """What should be held, and until when: the very same mapping as before while nothing of it changed. ``block`` False: nobody is
        blocked.
        """
        asked = (self._changes, block, tuple(self.bans.items()))
        if asked != self._asked or now >= self._due:
            self._asked = asked
            self._expire(now)
            found = {
                element: until for element, until in self._all(now, block=block).items() if until - now >= _SHORTEST
            }
            ends = (*found.values(), *(until + _SHORTEST - 1 for until in self.bans.values() if until > now))
            self._due = min(ends, default=now + _SHORTEST) - _SHORTEST + 1
            self._found = found
        return self._found

    # --- inside

    def _all(self, now: int, *, block: bool) -> dict[Element, int]:
        parsed = ((ip_network(text, strict=False), until) for text, until in self.bans.items()) if block else ()
        banned = {network: until for network, until in parsed if until > now}
        found = self._blocked(banned) if block else {}
        lengths = {(network.version, network.prefixlen) for network in banned}
        for until, network, elements in self._trusted.values():
            # The trusted are looked up first: whom the operator banned would keep his place in their queue.
            if network in banned or any(around in banned for around in _around(network, lengths)):
                continue
            for element in elements:  # a host has as many ports as phones
                found[element] = max(until, found.get(element, 0))
        return found

    def _blocked(self, banned: Mapping[Network, int]) -> dict[Element, int]:
        """No network inside another: a set of intervals takes none that overlap."""
        bans = {network: until for network, until in banned.items() if not self._is_spared(network)}
        lengths = {(network.version, network.prefixlen) for network in bans}
        found = {
            cut.element: cut.until
            for cut in self._cuts.values()
            if not cut.spared and not any(around in bans for around in _around(cut.network, lengths))
        }
        for network, until in bans.items():
            if not any(around in bans for around in _around(network, lengths)):
                element = _blocked(network)
                found[element] = max(until, found.get(element, 0))
        return found

    def _is_spared(self, network: Network) -> bool:
        return any(spared.version == network.version and spared.overlaps(network) for spared in self._spared)

    def _expire(self, now: int) -> None:
        for key in [key for key, cut in self._cuts.items() if cut.until <= now]:
            del self._cuts[key]
        for key in [key for key, (until, *_) in self._trusted.items() if until <= now]:
            del self._trusted[key]


def _around(network: Network, lengths: Iterable[tuple[int, int]]) -> Iterator[Network]:
    """The networks of these lengths that this one lies in."""
    for version, length in lengths:
        if version == network.version and length < network.prefixlen:
            yield network.supernet(new_prefix=length)


def _address(packed: bytes) -> IPv4Address | IPv6Address:
    return IPv4Address(packed[12:]) if packed.startswith(ledger.IPV4) else IPv6Address(packed)


def _source(packed: bytes) -> Network:
    address = _address(packed)
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network((address, _SOURCE6), strict=False)


def _trusted(held: standing.Held) -> tuple[Element, Element]:
    """Whoever adds to the trusted adds to the trusted hosts: later fragments show no port."""
    address = _address(held.address)
    return (
        Element(f"trusted{address.version}", f"{address} . {held.port}"),
        Element(f"trusted_hosts{address.version}", str(address)),
    )


def _is_single(network: Network) -> bool:
    return network.prefixlen == network.max_prefixlen


def _blocked(network: Network) -> Element:
    if _is_single(network):
        return Element(f"blocked{network.version}", str(network.network_address))
    return Element(f"blocked_networks{network.version}", str(network))
