"""``sipsensor why``: what the sensor knows of an address or an account, why it does what it does, and how to undo it."""

from __future__ import annotations

import base64
import os
from typing import Any

from sipsensor.control.server import Peer
from sipsensor.decide.ledger import SCOPES, Held
from sipsensor.export.events.build import evidence
from sipsensor.export.events.lasting import address_text, network_text
from sipsensor.export.events.text import shown
from sipsensor.export.evidence import Kept, Trail, capture
from sipsensor.export.recording import FILE_HEADER
from sipsensor.export.redact import is_piece, without_credentials
from sipsensor.live import commanded, levels, targets
from sipsensor.live.commanded import Answer, Arguments, Commanded
from sipsensor.live.targets import Keys, Target
from sipsensor.model import Scope, Standing
from sipsensor.track.standing import Held as Stands

LISTED_MOST = 100
"""Cuts, and likewise ports, in one answer."""
CAPTURE_MOST = 512 * 1024
"""Bytes of packets in one answer: the newest."""


class Why:
    """Answers for one sensor."""

    def __init__(self, sensor: Commanded, clock: commanded.Clock = commanded.now) -> None:
        self._sensor = sensor
        self._clock = clock
        self._keys = Keys(sensor.engine.examiner)

    def why(self, arguments: Arguments, peer: Peer) -> Answer:
        """Everything about ``about``. ``packets``: its last packets too, redacted unless ``credentials``, which root alone may have."""
        about = targets.word(arguments, "about")
        packets, credentials = targets.flag(arguments, "packets"), targets.flag(arguments, "credentials")
        if credentials and peer.uid not in {0, os.geteuid()}:
            raise ValueError("credentials are shown to root alone; leave --credentials out")
        now = self._clock()
        # These walk whole tables, in one piece each; no packet has to wait for the rest of it.
        entries = list(self._sensor.engine.ledger.table.entries(now))
        held = [Held(*numbers) for _, _, _, numbers in entries]
        if targets.is_address(about):
            answer = self._address(targets.target(about), held, now)
            if packets:
                answer["pcap"] = self._capture(targets.target(about), now, redact=not credentials)
            return answer
        if "/" in about:
            raise ValueError(f"{about!r} is a network; name one address of it, or an account")
        if packets:
            raise ValueError("packets are kept by address; name the address, which sipsensor why ACCOUNT tells")
        return self._account(about, held, now)

    # --- an address

    def _address(self, named: Target, held: list[Held], now: int) -> dict[str, Any]:
        engine, kept = self._sensor.engine, self._sensor.outlets.evidence
        aim = named.source
        table = aim.table
        ports = [one for _, one in engine.tracker.standings.all(now) if table.contains(one.address)]
        with self._sensor.between_packets():
            keys = self._keys.of(named.packed)
            accounts = engine.tracker.standings.accounts_at(keys.source, now)
            trail = kept.trail(keys.source, now)
            known = [
                *(trail.ports if trail else ()),
                *(self._keys.port(one.address, one.port) for one in ports[:LISTED_MOST]),
            ]
            used = [each.as_object() for each in levels.of_address(engine.detectors, keys, known, accounts, now)]
            cuts = [self._cut(one) for one in held if self._concerns(one, aim)]
            spared = engine.ledger.spared.until(keys.source, now)
            points = max((engine.scores.points(key, now) for key in known), default=0.0)
            orders = self._orders(aim)
        in_force = [cut for cut in cuts if cut["until"] > commanded.seconds(now)]
        return {
            "address": named.text,
            "source": aim.text,
            "mode": engine.policy.mode.value,
            "standing": [self._standing(one) for one in ports[:LISTED_MOST]],
            "best_standing": Standing(max((one.standing for one in ports), default=0)).name.lower(),
            "known_accounts": accounts,
            **self._exempt(aim),
            "orders": orders,
            "cuts": in_force[:LISTED_MOST],
            "offences": [cut for cut in cuts if cut not in in_force][:LISTED_MOST],
            "spared_until": commanded.seconds(spared) if spared else None,
            "score": round(points, 1),
            "budgets": used,
            **_said(trail),
            "until": max((cut["until"] for cut in (*in_force, *orders["bans"])), default=None),
            "undo": _undo(aim, in_force, orders),
        }

    def _concerns(self, held: Held, aim: Target) -> bool:
        scope = SCOPES[held.scope]
        network = targets.network(network_text(held.address, scope))
        return aim.inside(network) or (scope is not Scope.NETWORK and aim.overlaps(network))

    def _exempt(self, aim: Target) -> dict[str, bool]:
        """Whether the configuration exempts it."""
        trust, proxies = self._sensor.engine.policy.trust, self._sensor.engine.tracker.ends.proxies
        return {
            "allowlisted": trust.allowlist.contains(aim.packed),
            "trunk": trust.trunks.contains(aim.packed),
            "proxy": proxies.contains(aim.packed),
        }

    def _orders(self, aim: Target) -> dict[str, list[dict[str, Any]]]:
        """Orders that cover it."""
        engine = self._sensor.engine
        found = {"bans": engine.ledger.orders, "trusted": engine.policy.trust.orders}
        return {
            what: [
                {"network": Target(network).text, "until": commanded.seconds(until)}
                for text, until in orders.items()
                if aim.overlaps(network := targets.network(text))
            ]
            for what, orders in found.items()
        }

    def _standing(self, held: Stands) -> dict[str, Any]:
        kept = self._sensor.outlets.evidence
        return {
            "address": address_text(held.address),
            "port": held.port,
            "standing": Standing(held.standing).name.lower(),
            "account": commanded.account_text(held.account, kept) if held.account else None,
        }

    def _cut(self, held: Held) -> dict[str, Any]:
        return commanded.describe(held, self._sensor.engine.ledger, self._sensor.outlets.evidence)

    def _capture(self, named: Target, now: int, *, redact: bool) -> str:
        """A capture file in base64: the newest packets that fit."""
        with self._sensor.between_packets():
            kept = list(self._sensor.outlets.evidence.packets(self._keys.of(named.packed).source, now))
        chosen: list[Kept] = []
        room = CAPTURE_MOST
        for packet in reversed(kept):
            room -= len(packet.data) + 100
            if room < 0:
                break
            chosen.insert(0, _redacted(packet) if redact else packet)
        return base64.b64encode(FILE_HEADER + capture(chosen)).decode()

    # --- an account

    def _account(self, name: str, held: list[Held], now: int) -> dict[str, Any]:
        engine, kept = self._sensor.engine, self._sensor.outlets.evidence
        standings = engine.tracker.standings
        all_ports = list(standings.all(now))
        with self._sensor.between_packets():
            key = self._keys.account(name)
            known, sources = standings.is_account(key, now), standings.sources_of(key, now)
            used = [each.as_object() for each in levels.of_account(engine.detectors, key, now)]
            cuts = [self._cut(one) for one in held if one.account == key]
        in_force = [cut for cut in cuts if cut["until"] > commanded.seconds(now)]
        return {
            "account": shown(kept.name(key) or name),
            "key": f"{key:016x}",
            "mode": engine.policy.mode.value,
            "known": known,
            "sources": sources,
            "registered": [self._standing(one) for _, one in all_ports if key in {one.account, one.name}][:LISTED_MOST],
            "cuts": in_force[:LISTED_MOST],
            "offences": [cut for cut in cuts if cut not in in_force][:LISTED_MOST],
            "budgets": used,
            "until": max((cut["until"] for cut in in_force), default=None),
            "undo": list(dict.fromkeys(f"sipsensor unban {cut['address']}" for cut in in_force)),
        }


def _said(trail: Trail | None) -> dict[str, Any]:
    """Rules that fired, the last one first."""
    lines = [] if trail is None else list(reversed(trail.lines.values()))
    return {
        "dropped": trail.dropped if trail else 0,
        "packets": len(trail.packets) if trail else 0,
        "said": [
            {
                "rule": line.rule,
                "reason": line.reason.value,
                "alerts": line.alerts,
                "dropped": line.dropped,
                "first": commanded.seconds(line.first),
                "last": commanded.seconds(line.last),
                "evidence": {shown(key): evidence(value) for key, value in line.evidence.items()},
            }
            for line in lines
        ],
    }


def _undo(aim: Target, in_force: list[dict[str, Any]], orders: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The commands that let it in again, or take the trust back."""
    commands = [f"sipsensor unban {order['network']}" for order in orders["bans"]]
    commands += [f"sipsensor unban {cut['network']}" for cut in in_force if cut["scope"] == Scope.NETWORK]
    if any(cut["scope"] != Scope.NETWORK for cut in in_force):
        commands.append(f"sipsensor unban {aim.text}")
    commands += [f"sipsensor untrust {order['network']}" for order in orders["trusted"]]
    return list(dict.fromkeys(commands))


def _redacted(packet: Kept) -> Kept:
    return packet._replace(data=without_credentials(packet.data, piece=is_piece(packet.data)))
