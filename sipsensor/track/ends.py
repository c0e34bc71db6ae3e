"""Who the remote end of a packet is, as keys: the address it comes from or goes to, or the client behind a proxy (DESIGN 6).

An SBC, proxy or balancer in front carries everybody behind one address. There the client is the first Via that the proxy wrote into: the
second from the top in a request and in its answers, with ``received`` and ``rport`` as the proxy saw him (RFC 3261 18.2.1, RFC 3581 4).
Further ones of the proxies may stand in between; all below is the client's own writing, and so may be much of that Via itself: what is in
quotes is no parameter, and where several ``received`` or ``rport`` differ, nobody knows which is the proxy's (Kamailio's is the first,
others' the last). Who cannot be told shares one identity with all such others behind that proxy, and is cut no more than the proxy itself.

Only a proxy that writes ``received`` whenever the client wrote one, as Kamailio and OpenSIPS do, shows who each client is.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

from sipsensor.fastpath import examine, names

if TYPE_CHECKING:
    from sipsensor.fastpath import ranges

_VIA = names.FIELDS["via"]
_SIP_PORT = 5060
_DEPTH_MOST = 8
"""Proxies one behind the other."""
_PARAMETERS_MOST = 32
"""Of one Via: with more it is nobody's, for reading thousands takes longer than all else that a message costs."""
_RESPONSE = examine.CONTENT_RESPONSE
_AMBIGUOUS = 1 << names.ANOMALIES["ambiguous-line-ends"]
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_UNCLEAR = re.compile(rb'["()\r\n\0]')
"""What is left of a Via without its quoted strings and may be read in two ways: an open quote, a comment (RFC 2543), a line end."""


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
    carrier: bool = False
    """It is one of the proxies, or somebody behind it who cannot be told from others: no cut of it is right."""


class Ends:
    """Knows the proxies."""

    def __init__(self, proxies: ranges.Networks | None = None) -> None:
        self.proxies = proxies

    def of(self, examined: examine.Examined, outgoing: bool) -> End:  # noqa: FBT001 - as the compiled functions below
        """The remote end of a packet that goes out, or of one that came in."""
        if self.proxies and (examined.dst_in(self.proxies) if outgoing else examined.src_in(self.proxies)):
            return self._through(examined, outgoing, self.proxies)
        return End(
            examined.port_key(outgoing),
            examined.network_key(outgoing),
            examined.address_key(outgoing),
            examined.remote(outgoing),
            False,  # noqa: FBT003
        )

    def _through(self, examined: examine.Examined, outgoing: bool, proxies: ranges.Networks) -> End:  # noqa: FBT001
        """The client behind a proxy: of a request that came in, and of an answer that goes out. All else is between us and the proxy."""
        text = examined.remote(outgoing)
        if (examined.content == _RESPONSE) == outgoing:
            below = _below(examined, proxies)
            if below:
                return _client(examined, below)
            if below is None:
                return _unknown(examined, text)
        return End(
            examined.port_key(outgoing),
            examined.network_key(outgoing),
            examined.address_key(outgoing),
            text,
            behind=False,
            carrier=True,
        )


def _client(examined: examine.Examined, text: tuple[bytes, int]) -> End:
    packed, port = text
    network = packed if packed.startswith(b"\0" * 10 + b"\xff\xff") else packed[:8]
    return End(
        examined.key(packed + port.to_bytes(2, "big")),
        examined.key(network),
        examined.key(packed),
        text,
        behind=True,
    )


def _unknown(examined: examine.Examined, text: tuple[bytes, int]) -> End:
    """All clients of that proxy who cannot be told apart: none of them is the proxy itself, whatever that was accepted for."""
    key = examined.key(b"behind " + text[0])
    return End(key, key, key, text, behind=True, carrier=True)


def _below(examined: examine.Examined, proxies: ranges.Networks) -> tuple[bytes, int] | tuple[()] | None:
    """Address and port in the first Via below those of proxies: empty where there is none, None where it cannot be told."""
    if examined.anomalies & _AMBIGUOUS:
        return None
    vias = _vias(examined)
    if vias is None:
        return None
    for via in vias[1:_DEPTH_MOST]:
        found = _sent_from(via)
        if found is None or not proxies.contains(found[0]):
            return found
    return () if len(vias) <= _DEPTH_MOST else None


def _vias(examined: examine.Examined) -> list[bytes] | None:
    """Each Via without its quoted strings, from the top; several may stand in one line (RFC 3261 7.3.1). None for what may be read in
    two ways, down to where it does not matter.
    """
    found: list[bytes] = []
    for line in examined.occurrences(_VIA)[: _DEPTH_MOST + 1]:
        plain = _QUOTED.sub(b"", line) if b'"' in line else line
        if _UNCLEAR.search(plain):
            return None
        found += plain.split(b",")
    return found


def _sent_from(via: bytes) -> tuple[bytes, int] | None:
    """Address and port that a Via says the proxy got the message from; None where it names no address, or several."""
    sent, *parameters = (part.strip() for part in via.split(b";", _PARAMETERS_MOST))
    if len(parameters) == _PARAMETERS_MOST:
        return None
    named: dict[bytes, bytes] = {}
    for name, _, value in (part.partition(b"=") for part in parameters):
        key = name.strip().lower()
        if named.setdefault(key, value.strip().lower()) != value.strip().lower() and key in {b"received", b"rport"}:
            return None
    host, port = _host_and_port(sent.split()[-1] if sent.split() else b"")
    host = named.get(b"received", host).strip(b"[]")
    port = named.get(b"rport", b"") or port
    try:
        address = ipaddress.ip_address(host.decode("ascii", "replace"))
    except ValueError:
        return None
    wide = address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed  # noqa: PLR2004
    number = int(port) if port.isdigit() and len(port) < 6 else _SIP_PORT  # noqa: PLR2004
    return wide, number if number < 1 << 16 else _SIP_PORT


def _host_and_port(sent_by: bytes) -> tuple[bytes, bytes]:
    if sent_by.startswith(b"["):
        host, _, rest = sent_by.partition(b"]")
        return host, rest.lstrip(b":")
    host, _, port = sent_by.partition(b":")
    return host, port
