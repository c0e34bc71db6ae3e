"""Who the remote end of a packet is, as keys: the address it comes from or goes to, or the client behind a proxy (DESIGN 6).

An SBC, proxy or balancer in front carries everybody behind one address. There the client is the first Via that the proxy wrote into: the
second from the top in a request and in its answers, with ``received`` and ``rport`` as the proxy saw him (RFC 3261 18.2.1, RFC 3581 4).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from sipsensor.fastpath import names

if TYPE_CHECKING:
    from sipsensor.fastpath import examine, tables

_VIA = names.FIELDS["via"]
_SIP_PORT = 5060
_DEPTH_MOST = 8
"""Proxies one behind the other."""


class End(NamedTuple):
    """The remote end: keyed hashes, and what they are of."""

    port: int
    """Of its address and port."""
    source: int
    """Of what counts as one source: an IPv4 address, the /64 of an IPv6 one."""
    address: int
    """Of its whole address."""
    text: tuple[bytes, int]
    """The address as 16 bytes, and the port."""
    behind: bool
    """It is behind one of the proxies."""


class Ends:
    """Knows the proxies."""

    def __init__(self, proxies: tables.Networks | None = None) -> None:
        self.proxies = proxies

    def of(self, examined: examine.Examined, outgoing: bool) -> End:  # noqa: FBT001 - as the compiled functions below
        """The remote end of a packet that goes out, or of one that came in."""
        if self.proxies:
            inside = examined.dst_in(self.proxies) if outgoing else examined.src_in(self.proxies)
            client = self._client(examined, self.proxies) if inside else None
            if client is not None:
                return client
        return End(
            examined.port_key(outgoing),
            examined.network_key(outgoing),
            examined.address_key(outgoing),
            examined.remote(outgoing),
            False,  # noqa: FBT003
        )

    @staticmethod
    def _client(examined: examine.Examined, proxies: tables.Networks) -> End | None:
        for via in _vias(examined)[1:_DEPTH_MOST]:
            found = _sent_from(via)
            if found is None:
                return None
            packed, port = found
            if proxies.contains(packed):
                continue
            network = packed if packed.startswith(b"\0" * 10 + b"\xff\xff") else packed[:8]
            return End(
                examined.key(packed + port.to_bytes(2, "big")),
                examined.key(network),
                examined.key(packed),
                found,
                True,  # noqa: FBT003
            )
        return None


def _vias(examined: examine.Examined) -> list[bytes]:
    """Each Via, from the top; several may stand in one line (RFC 3261 7.3.1)."""
    return [via for line in examined.occurrences(_VIA) for via in line.split(b",")]


def _sent_from(via: bytes) -> tuple[bytes, int] | None:
    """Address and port that a Via says the proxy got the message from; None where it names no address."""
    sent, *parameters = (part.strip() for part in via.split(b";"))
    named = {name.strip().lower(): value.strip() for name, _, value in (part.partition(b"=") for part in parameters)}
    host = sent.split()[-1] if sent.split() else b""
    host, port = _host_and_port(host)
    host = named.get(b"received", host).strip(b"[]")
    port = named.get(b"rport", b"") or port
    try:
        address = ipaddress.ip_address(host.decode("ascii", "replace"))
    except ValueError:
        return None
    wide = address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed  # noqa: PLR2004
    number = int(port) if port.isdigit() and len(port) < 6 else _SIP_PORT  # noqa: PLR2004
    return wide, number & 0xFFFF


def _host_and_port(sent_by: bytes) -> tuple[bytes, bytes]:
    if sent_by.startswith(b"["):
        host, _, rest = sent_by.partition(b"]")
        return host, rest.lstrip(b":")
    host, _, port = sent_by.partition(b":")
    return host, port
