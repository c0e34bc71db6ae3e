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

from sipsensor.fastpath import examine, names, ranges

_VIA = names.FIELDS["via"]
_SIP_PORT = 5060
_IPV4 = 4
_DEPTH_MOST = 8
"""Proxies one behind the other."""
_PARAMETERS_MOST = 32
"""Of one Via: with more it is nobody's, for reading thousands takes longer than all else that a message costs."""
_RESPONSE = examine.CONTENT_RESPONSE
_AMBIGUOUS = 1 << names.ANOMALIES["ambiguous-line-ends"]
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_UNCLEAR = re.compile(rb'["()\r\n\0]')
"""What is left of a Via without its quoted strings and may be read in two ways: an open quote, a comment (RFC 2543), a line end."""


class End:
    """The remote end of a packet: keyed hashes, and what they are of."""

    __slots__ = ("_examined", "_outgoing", "_text", "address", "behind", "carrier", "port", "source")

    def __init__(self, examined: examine.Examined, outgoing: bool) -> None:  # noqa: FBT001 - as the compiled functions below
        self.begin(examined, outgoing)

    def begin(self, examined: examine.Examined, outgoing: bool) -> None:  # noqa: FBT001
        """Be the end of that packet, as its addresses have it."""
        self._examined = examined
        self._outgoing = outgoing
        self._text: tuple[bytes, int] | None = None
        self.port = examined.port_key(outgoing)
        """Of its address and port."""
        self.source = examined.network_key(outgoing)
        """Of what counts as one source: an IPv4 address, the /64 of an IPv6 one."""
        self.address = self.source if examined.version == _IPV4 else examined.address_key(outgoing)
        """Of its whole address."""
        self.behind = False
        """It is behind one of the proxies."""
        self.carrier = False
        """It is one of the proxies, or somebody behind it who cannot be told from others: no cut of it is right."""

    @property
    def text(self) -> tuple[bytes, int]:
        """The address as 16 bytes, and the port."""
        if self._text is None:
            self._text = self._examined.remote(self._outgoing)
        return self._text

    def half(self, start: int) -> int:
        """Eight bytes of that address, from the first (0) or the middle (8), as a number."""
        if self._text is not None:
            return int.from_bytes(self._text[0][start : start + 8], "big")
        return self._examined.remote_half(self._outgoing, start)

    def number(self) -> int:
        """That port."""
        return self._text[1] if self._text is not None else self._examined.remote_port(self._outgoing)

    def is_client(self, text: tuple[bytes, int]) -> None:
        """It is that address and port, behind a proxy."""
        packed, port = text
        examined = self._examined
        self._text, self.behind = text, True
        self.port = examined.key(packed + port.to_bytes(2, "big"))
        self.source = examined.key(packed if packed.startswith(b"\0" * 10 + b"\xff\xff") else packed[:8])
        self.address = examined.key(packed)

    def is_anybody(self) -> None:
        """It is whoever behind that proxy cannot be told apart: none of them is the proxy itself, whatever that was accepted for."""
        self.behind = self.carrier = True
        self.port = self.source = self.address = self._examined.key(b"behind " + self.text[0])


class Ends:
    """Knows the proxies."""

    def __init__(self, proxies: ranges.Networks | None = None) -> None:
        self.proxies = proxies or ranges.Networks()

    def of(self, examined: examine.Examined, outgoing: bool) -> End:  # noqa: FBT001 - as the compiled functions
        """The remote end of a packet that goes out, or of one that came in."""
        end = End.__new__(End)
        end.begin(examined, outgoing)
        if self.proxies.count and (examined.dst_in(self.proxies) if outgoing else examined.src_in(self.proxies)):
            self._through(examined, outgoing, end)
        return end

    def _through(self, examined: examine.Examined, outgoing: bool, end: End) -> None:  # noqa: FBT001
        """The client behind a proxy: of a request that came in, and of an answer that goes out. All else is between us and the proxy."""
        below: tuple[bytes, int] | tuple[()] | None = ()
        if (examined.content == _RESPONSE) == outgoing:
            below = _below(examined, self.proxies)
        if below:
            end.is_client(below)
        elif below is None:
            end.is_anybody()
        else:
            end.carrier = True


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
