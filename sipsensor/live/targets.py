"""What an order is about: an address, a network, an account; and whom no order may ban.

``Keys`` makes of it the keys under which the engine keeps what it knows: an empty datagram from that address is examined as any other.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Mapping
from typing import NamedTuple

from sipsensor.config.settings import seconds_of
from sipsensor.fastpath import examine, ranges

TEXT_MOST = 256
SECONDS_MOST = 366 * 86400
_RAW = 101
_HEX = re.compile(r"[0-9a-f]{16}")
_IPV6_SOURCE = 64

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressKeys(NamedTuple):
    """One address as the engine counts it."""

    source: int
    address: int
    network: int
    """Its IPv4 /24 or IPv6 /48."""


class Keys:
    """Keys under the engine's seed. Not thread-safe: an examiner is one thread's, so ask between packets."""

    def __init__(self, examiner: examine.Examiner) -> None:
        self._examiner = examiner

    def of(self, address: bytes) -> AddressKeys:
        """Of 16 bytes of address."""
        seen = self._from(address, 0)
        outgoing = False
        return AddressKeys(seen.network_key(outgoing), seen.address_key(outgoing), seen.prefix_key(outgoing, 3, 6))

    def port(self, address: bytes, port: int) -> int:
        """Of an address and its port."""
        return self._from(address, port).port_key(False)  # noqa: FBT003 - a compiled function's flag

    def account(self, name: str) -> int:
        """Of an account's name; 16 hexadecimal digits are a key that ``bans`` shows in place of a name it does not know."""
        if _HEX.fullmatch(name):
            return int(name, 16)
        return self._from(bytes(16), 0).key(name.encode("utf-8", "surrogateescape").lower())

    def _from(self, address: bytes, port: int) -> examine.Examined:
        udp = struct.pack(">HHHH", port, 5060, 8, 0)
        if address.startswith(bytes(10) + b"\xff\xff"):
            head = struct.pack(">BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0) + address[12:] + bytes(4)
        else:
            head = struct.pack(">IHBB", 6 << 28, 8, 17, 64) + address + bytes(16)
        return self._examiner.examine_raw(head + udp, _RAW, 0)


class Target(NamedTuple):
    """An address or a network that somebody named."""

    network: Network

    @property
    def is_address(self) -> bool:
        """It names one address."""
        return self.network.num_addresses == 1

    @property
    def source(self) -> Target:
        """What counts as one source: the /64 of an IPv6 address."""
        if self.network.version == 6 and self.is_address:  # noqa: PLR2004
            return Target(self.network.supernet(new_prefix=_IPV6_SOURCE))
        return self

    @property
    def text(self) -> str:
        """As it is shown: an address without the bits behind it."""
        return str(self.network.network_address) if self.is_address else str(self.network)

    @property
    def packed(self) -> bytes:
        """Its first address as 16 bytes."""
        packed = self.network.network_address.packed
        return packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed  # noqa: PLR2004

    @property
    def table(self) -> ranges.Networks:
        """For look-ups of addresses as 16 bytes."""
        return ranges.Networks([str(self.network)])

    def inside(self, other: Network) -> bool:
        """Whether all of it is in the other network."""
        return self.network.version == other.version and self.network.subnet_of(other)  # type: ignore[arg-type]

    def overlaps(self, other: Network) -> bool:
        """Whether they have an address in common."""
        return self.network.version == other.version and self.network.overlaps(other)


def target(text: str) -> Target:
    """What a text names. Raises ValueError with the remedy for text that is neither address nor network."""
    try:
        found = ipaddress.ip_network(text.replace("%", " "), strict=False)  # a zone is nothing that a packet has
    except ValueError:
        raise ValueError(f'{text!r} is no address or network; write "203.0.113.9" or "203.0.113.0/24"') from None
    first = ipaddress.ip_interface(text).ip
    if first != found.network_address:
        raise ValueError(f'{text!r} has bits behind its network; write "{found}"')
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if mapped is not None and found.prefixlen >= 96:  # noqa: PLR2004
        found = ipaddress.ip_network(f"{mapped}/{found.prefixlen - 96}")
    return Target(found)


def is_address(text: str) -> bool:
    """Whether it is one address, and no network or name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def network(text: str) -> Network:
    """A text that is known to be a network."""
    return ipaddress.ip_network(text)


def word(arguments: Mapping[str, object], name: str) -> str:
    """A text among the arguments of a request. Raises ValueError."""
    found = arguments.get(name)
    if not isinstance(found, str) or not found or len(found) > TEXT_MOST:
        raise ValueError(f"{name}: is missing, empty or longer than {TEXT_MOST} characters; see the command's --help")
    return found


def flag(arguments: Mapping[str, object], name: str) -> bool:
    """A switch among the arguments, off by default. Raises ValueError."""
    found = arguments.get(name, False)
    if not isinstance(found, bool):
        raise ValueError(f"{name}: is neither true nor false")  # noqa: TRY004 - it came from outside
    return found


def span(arguments: Mapping[str, object], name: str, default: int | None) -> int | None:
    """A duration among the arguments, in seconds. Raises ValueError."""
    found = arguments.get(name)
    if found is None:
        return default
    try:
        seconds = seconds_of(found)
    except ValueError:
        seconds = None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= SECONDS_MOST:
        raise ValueError(f'{name}: is no time between 1 s and 366 d; write "90s", "15m", "12h" or "7d"')
    return seconds
