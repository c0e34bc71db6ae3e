"""What the operator orders about addresses: ban and unban, trust and untrust, and the list of what is cut.

Each runs between two packets. An order is kept and told with the user who gave it. What would hit the operator himself is refused: his
allowlist, trunks, proxies and protected networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sipsensor.control.server import Command, Peer
from sipsensor.decide.ledger import ORDER, SCOPES, Held
from sipsensor.export.events import lasting
from sipsensor.live import commanded, targets
from sipsensor.live.commanded import Answer, Arguments, Commanded
from sipsensor.live.targets import Keys, Target
from sipsensor.model import NANOSECONDS, Cut, Scope

ORDERS_MOST = 250
"""Bans, and likewise networks trusted by order, at a time: all of them fit into one message to the keeper."""
LISTED_MOST = 2000
"""Cuts in one answer."""
BAN_SECONDS, TRUST_SECONDS = 3600, 7 * 86400
_WIDEST_BAN = {4: 8, 6: 19}
_WIDEST_TRUST = {4: 16, 6: 32}


class Orders:
    """The orders of one sensor. Each command raises ValueError for what it refuses: one line, with the remedy."""

    def __init__(self, sensor: Commanded, clock: commanded.Clock = commanded.now) -> None:
        self._sensor = sensor
        self._clock = clock
        self._keys = Keys(sensor.engine.examiner)

    def commands(self) -> dict[str, Command]:
        """By name."""
        return {
            "bans": self.bans,
            "ban": self.ban,
            "unban": self.unban,
            "trust": self.trust,
            "untrust": self.untrust,
        }

    def bans(self, arguments: Arguments, _peer: Peer) -> Answer:
        """What is cut; ``all``: also offences that are over and remembered."""
        whole = targets.flag(arguments, "all")
        engine, now, evidence = self._sensor.engine, self._clock(), self._sensor.outlets.evidence
        entries = engine.ledger.table.entries(now)
        held = [Held(*numbers) for _, _, _, numbers in entries if whole or numbers[3] > now]
        held.sort(key=lambda one: -one.since)
        cuts = []
        with self._sensor.between_packets():
            for one in held[:LISTED_MOST]:
                said = commanded.describe(one, engine.ledger, evidence)
                trail = evidence.trail(self._keys.of(one.address).source, now)
                cuts.append({**said, "in_force": one.until > now, "dropped": trail.dropped if trail else 0})
            orders, trusted = dict(engine.ledger.orders), dict(engine.policy.trust.orders)
        return {
            "mode": engine.policy.mode.value,
            "cuts": cuts,
            "left_out": max(0, len(held) - LISTED_MOST),
            "bans": [_order(network, until) for network, until in sorted(orders.items())],
            "trusted": [_order(network, until) for network, until in sorted(trusted.items())],
        }

    def ban(self, arguments: Arguments, peer: Peer) -> Answer:
        """Drop everything from a network for a time, whoever sends it; of an IPv6 address its /64."""
        aim = targets.target(targets.word(arguments, "address")).source
        seconds = targets.span(arguments, "for", BAN_SECONDS) or BAN_SECONDS
        engine, now = self._sensor.engine, self._clock()
        exempt = self._may_ban(aim, force=targets.flag(arguments, "force"))
        until = now + seconds * NANOSECONDS
        with self._sensor.between_packets():
            _has_room(engine.ledger.orders, aim)
            engine.ledger.ban(str(aim.network), until)
            known = (
                engine.tracker.standings.accounts_at(self._keys.of(aim.packed).source, now) if _is_one(aim) else None
            )
        commanded.tell(self._sensor, lasting.ban_event(aim.text, engine.policy.mode, now, until, commanded.by(peer)))
        self._say(peer, f"bans {aim.text} for {seconds} s")
        return {
            "network": aim.text,
            "until": commanded.seconds(until),
            "exempt": exempt,
            "known_accounts": known,
            "mode": engine.policy.mode.value,
            "undo": f"sipsensor unban {aim.text}",
        }

    def unban(self, arguments: Arguments, peer: Peer) -> Answer:
        """Lift every cut of a network, accounts' cuts included, and the bans inside; cut nothing of it for the grace time."""
        named = targets.target(targets.word(arguments, "address"))
        aim = named.source
        engine, now = self._sensor.engine, self._clock()
        ledger, table = engine.ledger, aim.table
        # Looking for them walks the whole ledger; packets do not wait for that.
        cuts = list(ledger.cuts(now, over=True))
        keys = [key for key, held in cuts if held.lies_in(table)]
        above = [held for _, held in cuts if held.until > now and _covers(held, aim)]
        with self._sensor.between_packets():
            orders = {network: ledger.orders[network] for network in _inside(aim, ledger.orders)}
            for network in orders:
                ledger.withdraw(network)
            lifted = ledger.lift(keys, lambda address: self._keys.of(address).source, now)
            spared = ledger.ladder.grace if lifted or (above and _is_one(aim)) else 0
            if _is_one(aim) and spared:
                ledger.spare(self._keys.of(aim.packed).source, now)
            self._forgive(lifted, now)
            said = [commanded.describe(held, ledger, self._sensor.outlets.evidence) for held in lifted[:LISTED_MOST]]
            still = [_text(network) for network in ledger.orders if aim.inside(targets.network(network))]
        signed = commanded.by(peer)
        events = [lasting.unban_event(_text(one), now, until, signed) for one, until in orders.items()]
        events += [lasting.uncut_event(self._cut(held), now, "order", signed) for held in lifted[:LISTED_MOST]]
        commanded.tell(self._sensor, *events)
        if lifted or orders or above:
            self._say(peer, f"unbans {aim.text}: {len(lifted)} cuts and {len(orders)} bans lifted")
        return {
            "network": aim.text,
            "lifted": said,
            "bans": [_text(network) for network in orders],
            "spared_seconds": spared,
            "under": [lasting.network_text(held.address, Scope.NETWORK) for held in above],
            "still_banned": still,
        }

    def trust(self, arguments: Arguments, peer: Peer) -> Answer:
        """Let no limit and no cut be for a network for a time; signatures and shapes still hold."""
        aim = targets.target(targets.word(arguments, "address"))
        seconds = targets.span(arguments, "for", TRUST_SECONDS) or TRUST_SECONDS
        force = targets.flag(arguments, "force")
        engine, now = self._sensor.engine, self._clock()
        if aim.network.prefixlen < _WIDEST_TRUST[aim.network.version] and not force:
            raise ValueError(f"{aim.text} is a large part of the Internet; name a smaller network, or add --force")
        until = now + seconds * NANOSECONDS
        with self._sensor.between_packets():
            for network in engine.ledger.orders:
                if aim.overlaps(targets.network(network)):
                    raise ValueError(f"{_text(network)} is banned by order; sipsensor unban {_text(network)} first")
            _has_room(engine.policy.trust.orders, aim)
            engine.policy.trust.trust(str(aim.network), until)
        commanded.tell(self._sensor, lasting.trust_event(aim.text, "trusted", now, until, commanded.by(peer)))
        self._say(peer, f"trusts {aim.text} for {seconds} s")
        undo = f"sipsensor untrust {aim.text}"
        return {"network": aim.text, "until": commanded.seconds(until), "undo": undo}

    def untrust(self, arguments: Arguments, peer: Peer) -> Answer:
        """Take that back, and the standing that was won there by registering: who is registered has to show it again."""
        aim = targets.target(targets.word(arguments, "address"))
        engine, now = self._sensor.engine, self._clock()
        table, standings = aim.table, engine.tracker.standings
        ports = [key for key, held in standings.all(now) if table.contains(held.address)]
        with self._sensor.between_packets():
            orders = _inside(aim, engine.policy.trust.orders)
            for network in orders:
                engine.policy.trust.withdraw(network)
            for key in ports:
                standings.withdraw(key, now)
            still = [_text(one) for one in engine.policy.trust.orders if aim.inside(targets.network(one))]
        networks = [_text(network) for network in orders]
        if ports and aim.text not in networks:
            networks.append(aim.text)
        signed = commanded.by(peer)
        commanded.tell(self._sensor, *(lasting.trust_event(each, "stranger", now, now, signed) for each in networks))
        if networks:
            self._say(peer, f"trusts {aim.text} no longer: {len(orders)} orders, {len(ports)} ports")
        return {
            "network": aim.text,
            "orders": [_text(network) for network in orders],
            "ports": len(ports),
            "still_trusted": still,
        }

    # --- inside

    def _may_ban(self, aim: Target, *, force: bool) -> list[str]:
        """What stays exempt although it is inside. Raises ValueError for what may not be banned."""
        exempt = []
        for what, text, remedy in self._untouchable():
            other = targets.network(text)
            if aim.inside(other):
                raise ValueError(f"{aim.text} is {what} ({_text(text)}): a ban would do nothing; {remedy}")
            if aim.overlaps(other):
                exempt.append(f"{_text(text)}, {what}")
        if exempt and not force:
            raise ValueError(f"{aim.text} holds {exempt[0]}; name a smaller network, or add --force")
        if aim.network.prefixlen < _WIDEST_BAN[aim.network.version] and not force:
            raise ValueError(f"{aim.text} is a large part of the Internet; name a smaller network, or add --force")
        return exempt

    def _untouchable(self) -> Iterator[tuple[str, str, str]]:
        """Whom no order bans: what he is, his network, what to do about it."""
        trust, proxies = self._sensor.engine.policy.trust, self._sensor.engine.tracker.ends.proxies
        listed = {
            "protected": (tuple(self._sensor.protected), "ban whoever sends to it"),
            "allowlisted": (trust.allowlist.texts, "take it out of trust.allowlist first"),
            "a trunk": (trust.trunks.texts, "take it out of trust.trunks first"),
            "a proxy": (
                proxies.texts if proxies else (),
                "ban the client behind it, or take it out of network.proxies",
            ),
            "trusted by order": (tuple(trust.orders), "sipsensor untrust it first"),
        }
        for what, (texts, remedy) in listed.items():
            for text in texts:
                yield what, text, remedy

    def _forgive(self, lifted: list[Held], now: int) -> None:
        """Budgets that are spent would go on dropping the account that was just let in again."""
        for held in lifted:
            source = self._keys.of(held.address).source
            for detector in self._sensor.engine.detectors:
                forgive = getattr(detector, "forgive", None)
                if forgive is not None:
                    forgive(held.account, source, now)

    def _cut(self, held: Held) -> Cut:
        rule = self._sensor.engine.ledger.rules.get(held.rule, ORDER)
        name = self._sensor.outlets.evidence.name(held.account) if held.account else None
        account = (name or f"{held.account:016x}").encode() if held.account else None
        return Cut(SCOPES[held.scope], held.address, rule, held.since, held.until, account, held.times)

    def _say(self, peer: Peer, what: str) -> None:
        self._sensor.say(f"user {peer.uid} {what}")


def _has_room(orders: dict[str, int], aim: Target) -> None:
    if len(orders) >= ORDERS_MOST and str(aim.network) not in orders:
        raise ValueError(f"there are {ORDERS_MOST} such orders already; take some back, or name larger networks")


def _inside(aim: Target, orders: dict[str, int]) -> list[str]:
    return [network for network in orders if Target(targets.network(network)).inside(aim.network)]


def _covers(held: Held, aim: Target) -> bool:
    """A network's cut that covers this source, and was not lifted with it."""
    if SCOPES[held.scope] is not Scope.NETWORK:
        return False
    network = targets.network(lasting.network_text(held.address, Scope.NETWORK))
    return aim.inside(network) and aim.network != network


def _is_one(aim: Target) -> bool:
    """It is what counts as one source."""
    return aim.network.prefixlen == (32 if aim.network.version == 4 else 64)  # noqa: PLR2004


def _order(network: str, until: int) -> dict[str, Any]:
    return {"network": _text(network), "until": commanded.seconds(until)}


def _text(network: str) -> str:
    return Target(targets.network(network)).text
