"""What outlasts a packet, as events: cuts and their end, who became trusted, the mode. Each may be an order, and then says whose.

Accounts are written as the sender wrote them, escaped; passwords never.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from sipsensor.decide.ledger import ORDER
from sipsensor.export.events.build import Event, timestamp
from sipsensor.export.events.text import shown, without_secrets
from sipsensor.model import Cut, Decision, Grant, Mode, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sipsensor.fastpath import examine

_BITS4, _BITS6 = 24, 48
"""Of the networks that are cut as a whole."""
_ALL_BITS, _SUBNET_BITS = 128, 64


class By(NamedTuple):
    """Who gave an order, as the kernel says it."""

    uid: int
    pid: int


def address_text(address: bytes) -> str:
    """16 bytes as text; ::ffff:a.b.c.d is written as IPv4."""
    wide = IPv6Address(address)
    return str(wide.ipv4_mapped or wide)


def network_text(address: bytes, scope: Scope) -> str:
    """What a cut of that scope covers: the address, an IPv6 source's /64, or the network."""
    wide = IPv6Address(address)
    if wide.ipv4_mapped is not None:
        return _network(str(wide.ipv4_mapped), int(wide.ipv4_mapped), 32, _BITS4 if scope is Scope.NETWORK else 32)
    return _network(str(wide), int(wide), _ALL_BITS, _BITS6 if scope is Scope.NETWORK else _SUBNET_BITS)


def _network(text: str, number: int, bits: int, kept: int) -> str:
    if bits == kept:
        return text
    base = number >> (bits - kept) << (bits - kept)
    return f"{IPv6Address(base) if bits == _ALL_BITS else IPv4Address(base)}/{kept}"


def lasting(examined: examine.Examined, decision: Decision, mode: Mode) -> Iterator[tuple[str, Event]]:
    """The events of one packet beside those of ``build``, each with what its volume is counted by."""
    for cut in decision.cuts:
        yield f"cut {cut.rule.slug}", _numbered(cut_event(cut, mode), examined)
    for cut in decision.uncuts:
        yield f"uncut {cut.rule.slug}", _numbered(uncut_event(cut, cut.until, "accepted"), examined)
    for grant in decision.grants:
        yield "standing", _numbered(grant_event(grant, examined.ts), examined)


def cut_event(cut: Cut, mode: Mode) -> Event:
    """Something is cut from now on."""
    event = _head("cut", cut.since, address_text(cut.address))
    event["cut"] = {
        **_cut(cut.scope, network_text(cut.address, cut.scope), cut.account, cut.rule.slug, cut.until),
        "times": cut.times,
        "action": "blocked" if mode is Mode.ENFORCE else "allowed",
    }
    return event


def uncut_event(cut: Cut, now: int, why: str, by: By | None = None) -> Event:
    """A cut ended before its time: ``why`` is "accepted" (by the PBX) or "order"."""
    event = _head("uncut", now, address_text(cut.address))
    network = network_text(cut.address, cut.scope)
    event["uncut"] = {
        **_cut(cut.scope, network, cut.account, cut.rule.slug, cut.until),
        "from": timestamp(cut.since),
        "why": why,
    }
    return _signed(event, by)


def ban_event(network: str, mode: Mode, now: int, until: int, by: By) -> Event:
    """The operator banned a network, or one address."""
    event = _head("cut", now, network.partition("/")[0])
    action = "blocked" if mode is Mode.ENFORCE else "allowed"
    event["cut"] = {**_cut(_scope(network), network, None, ORDER.slug, until), "times": 1, "action": action}
    return _signed(event, by)


def unban_event(network: str, now: int, until: int, by: By) -> Event:
    """The operator took his ban back."""
    event = _head("uncut", now, network.partition("/")[0])
    event["uncut"] = {**_cut(_scope(network), network, None, ORDER.slug, until), "from": None, "why": "order"}
    return _signed(event, by)


def grant_event(grant: Grant, now: int) -> Event:
    """Somebody became trusted because the PBX accepted him."""
    event = _head("standing", now, address_text(grant.address))
    event["src_port"] = grant.port
    event["standing"] = {
        "standing": grant.standing.name.lower(),
        "network": address_text(grant.address),
        "until": timestamp(grant.until),
        "why": "accepted",
    }
    return event


def trust_event(network: str, standing: str, now: int, until: int, by: By) -> Event:
    """The operator trusts a network until then, or does no longer (``standing`` is "stranger")."""
    event = _head("standing", now, network.partition("/")[0])
    event["standing"] = {"standing": standing, "network": network, "until": timestamp(until), "why": "order"}
    return _signed(event, by)


def mode_event(mode: Mode, now: int, why: str, until: int | None = None, by: By | None = None) -> Event:
    """The sensor acts from now on, or only reports: ``why`` in words; ``until`` when that reverts by itself."""
    event: Event = {"timestamp": timestamp(now), "event_type": "mode"}
    event["mode"] = {"mode": mode.value, "why": shown(why), "until": None if until is None else timestamp(until)}
    return _signed(event, by)


def _head(event_type: str, now: int, address: str) -> Event:
    return {"timestamp": timestamp(now), "event_type": event_type, "src_ip": address}


def _cut(scope: Scope, network: str, account: bytes | None, rule: str, until: int) -> Event:
    name = None if account is None else shown(without_secrets(account))
    return {"scope": str(scope), "network": network, "account": name, "rule": rule, "until": timestamp(until)}


def _scope(network: str) -> Scope:
    return Scope.NETWORK if "/" in network else Scope.SOURCE


def _numbered(event: Event, examined: examine.Examined) -> Event:
    if examined.number:
        event["pcap_cnt"] = examined.number
    return event


def _signed(event: Event, by: By | None) -> Event:
    if by is not None:
        event["sipsensor"] = {"by": by._asdict()}
    return event
