"""Trunks that are named and not numbered: what their names stand for, looked up again and again beside everything else."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence

from sipsensor.app import is_network

EVERY = 300.0
"""Seconds between two look-ups."""
ADDRESSES_MOST = 64
"""Of one name; more is no provider."""

Lookup = Callable[[str], Sequence[str]]


def addresses_of(name: str) -> list[str]:
    """What the resolver says, which may take its time. Raises OSError."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return sorted({str(entry[4][0]).partition("%")[0] for entry in found})[:ADDRESSES_MOST]


class Trunks:
    """The networks that ``texts`` stand for. A thread looks names up; the last good answer of each stays."""

    def __init__(self, texts: Sequence[str], lookup: Lookup = addresses_of) -> None:
        self.fixed = tuple(text for text in texts if is_network(text))
        self.unknown: tuple[str, ...] = ()
        """Names for which there was never an answer."""
        self._names = tuple(text for text in texts if not is_network(text))
        self._lookup = lookup
        self._known: dict[str, tuple[str, ...]] = {}

    def start(self, stop: threading.Event) -> None:
        """Look names up in a thread of its own until ``stop`` is set; nothing is done where there are none."""
        if self._names:
            threading.Thread(target=self._run, args=(stop,), name="trunks", daemon=True).start()

    @property
    def networks(self) -> tuple[str, ...]:
        """All of them, as far as is known."""
        found = {address for addresses in list(self._known.values()) for address in addresses}
        return (*self.fixed, *sorted(found - set(self.fixed)))

    def look_up(self) -> None:
        """Each name once."""
        for name in self._names:
            try:
                found = [text for text in self._lookup(name) if _is_somebody(text)]
            except (OSError, UnicodeError):
                continue
            if found:
                self._known[name] = tuple(found)
        self.unknown = tuple(name for name in self._names if name not in self._known)

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.look_up()
            stop.wait(EVERY)


def _is_somebody(text: str) -> bool:
    """An address that one host on the network can have: a name that stands for another must not make strangers trusted."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_multicast or address.is_loopback)
