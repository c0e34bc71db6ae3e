"""Who is cut, from the moment of the decision: the one truth that the kernel's sets copy (DESIGN 5).

A cut covers one account from one source, a source, or its network. It needs evidence that nobody can send in another's name. An account's
cut goes on while whoever is cut goes on trying on nonces of his own, so no pace gains a try. Who comes back after it is on parole: one try,
and then the next cut, which is longer (the ladder). An account that was accepted from that source before gets a probe now and then, so that
a corrected password works soon. The operator's bans and his word that somebody is to be spared stand above all that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sipsensor.fastpath import ranges, tables
from sipsensor.model import (
    NANOSECONDS,
    Action,
    Confidence,
    Cut,
    Family,
    Outcome,
    Reason,
    Rule,
    Scope,
    Table,
)
from sipsensor.track.challenges import Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sipsensor.fastpath import examine
    from sipsensor.model import Observation
    from sipsensor.track.transactions import Request

SCOPES = (Scope.FLOW, Scope.ACCOUNT, Scope.SOURCE, Scope.NETWORK)
"""By number, as they are kept."""
_ACCOUNT, _SOURCE, _NETWORK = 1, 2, 3
_ACCEPTED, _OWN = int(Outcome.ACCEPTED), int(Proof.OWN)
IPV4 = b"\0" * 10 + b"\xff\xff"
"""What 16 bytes of an IPv4 address begin with."""
_SOURCE_SALT, _NETWORK_SALT = 0x5B5B5B5B5B5B5B5B, 0x3C3C3C3C3C3C3C3C
"""A source's key beside the same source's key with an account."""
ORDER = Rule(
    5900,
    "probe.operator.ban",
    "Banned by the operator",
    Family.PROBE,
    3,
    Confidence.HIGH,
    Action.DROP,
    Reason.BANNED,
    spoofable=False,
)
"""What answers for a drop that the operator ordered."""
MANY = Rule(
    5901,
    "probe.network.sources",
    "Many sources of one network were cut",
    Family.PROBE,
    2,
    Confidence.MEDIUM,
    Action.DROP,
    Reason.BANNED,
    spoofable=False,
)
"""What answers for the cut of a network."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """How long cuts last, all in seconds: ``first``, ``factor`` times longer at each repetition, at most ``longest``; remembered for
    ``memory``.
    """

    first: int = 600
    factor: int = 4
    longest: int = 7 * 86400
    memory: int = 30 * 86400
    probe: int = 30
    """Before the first probe of an account that was accepted from there before; each next one waits twice as long …"""
    probe_longest: int = 55
    """… but no longer than this, so that a corrected password is in within a minute."""
    network: int = 8
    """Sources of one network (IPv4 /24, IPv6 /48) that are cut within ``network_seconds`` before the network is. Those of one
    IPv6 /56 count as one: a customer has that many."""
    network_seconds: int = 3600
    grace: int = 3600
    """For which whom the operator unbanned is not cut again."""

    def seconds(self, times: int) -> int:
        """Of the cut after so many before it."""
        length: int = self.first * self.factor ** min(times, 32)
        return min(length, self.longest)


class Held(NamedTuple):
    """What is kept of one cut. It outlives the cut, as a record of the offence."""

    scope: int
    """Index into ``SCOPES``."""
    rule: int
    since: int
    until: int
    times: int
    """Cuts so far, this one among them."""
    probed: int
    """When the last probe went, or the cut began."""
    probes: int
    parole: int
    """1 once the try that a repeat offender has after a cut was used."""
    account: int
    """The account's key; 0 for a source or a network."""
    high: int
    """The address as two numbers: 16 bytes, IPv4 as ::ffff:a.b.c.d."""
    low: int
    kernel: int
    """1 where the kernel may drop it: a source, not behind a proxy, from which no account was ever accepted."""

    @property
    def address(self) -> bytes:
        """As 16 bytes."""
        return self.high.to_bytes(8, "big") + self.low.to_bytes(8, "big")

    @property
    def ends(self) -> tuple[bytes, ...]:
        """The first and the last address that is cut, or the one."""
        address = self.address
        if self.scope != _NETWORK:
            return (address,)
        size = 15 if address.startswith(IPV4) else 6
        return tuple(address[:size] + bytes((fill,)) * (16 - size) for fill in (0, 255))

    def lies_in(self, networks: ranges.Networks) -> bool:
        """As a whole: a network's cut only where both its ends are inside."""
        return all(networks.contains(end) for end in self.ends)


class InForce(NamedTuple):
    """What covers a request: the rule that cut it, the reason of the drop, and the cut that begins anew with it."""

    rule: Rule
    reason: Reason
    again: tuple[Cut, ...] = ()


class Ledger:
    """Cuts by key. ``rules`` are all that may cut, by number. Kept over restarts: ``table`` and ``spared``."""

    def __init__(self, rules: Mapping[int, Rule], ladder: Ladder | None = None, capacity: int = 65_536) -> None:
        self.rules = {**rules, ORDER.id: ORDER, MANY.id: MANY}
        self.ladder = ladder or Ladder()
        self.table = tables.Records(capacity, len(Held._fields), kept=True)
        self.spared = tables.Records(1024, 1, kept=True)
        self.orders: dict[str, int] = {}
        """Networks that the operator banned, and until when."""
        self._ordered = ranges.Networks()
        self._networks = tables.RateTable(8192, [(self.ladder.network, self.ladder.network_seconds)])
        self._customers = tables.SeenTable(8192, self.ladder.network_seconds)

    # --- while packets are judged

    def cut(self, observation: Observation, scope: Scope, rule: Rule) -> list[Cut]:
        """Cut what this observation is of, from now on. Empty for whom the operator spares, and for a proxy that
        carries many.
        """
        if self.spared.holds(observation.source_key, observation.ts):
            return []
        if observation.end.carrier and scope is not Scope.ACCOUNT:
            return []
        made = [self._cut(observation, SCOPES.index(scope), rule)]
        if scope is Scope.SOURCE and self._is_one_too_many(observation):
            made.append(self._cut(observation, _NETWORK, MANY))
        return made

    def _is_one_too_many(self, observation: Observation) -> bool:
        """Of the sources of its network. One that is cut again and again is still one: nobody gets his neighbours cut by himself."""
        end, now = observation.end, observation.ts
        customer = observation.source_key if end.behind else observation.examined.prefix_key(False, 4, 7)  # noqa: FBT003
        if self._customers.touch(int(customer), now):
            return False
        return bool(self._networks.charge(_key(_NETWORK, observation), now))

    def in_force(self, observation: Observation) -> InForce | None:
        """The cut that covers this request. A proven try for a cut account makes its cut last; one
        after it is the only one.
        """
        now = observation.ts
        if self.orders and self._ordered.contains(observation.end.text[0]):
            return InForce(ORDER, Reason.BANNED)
        if not self.table.fill or self.spared.holds(observation.source_key, now):
            return None
        if observation.account_key:
            found = self._account_in_force(observation, now)
            if found is not None:
                return found
        rule = None if observation.relieved else self._source_in_force(observation, now)
        return InForce(rule, Reason.BANNED) if rule is not None else None

    def accepted(self, observation: Observation) -> Cut | None:
        """The PBX accepted this request's account from its source: nothing of it is cut any longer. The cut that ends with it, if any."""
        if observation.request is None or observation.outcome != _ACCEPTED:
            return None
        request: Request = observation.request
        if not (request.account and request.earned):
            return None
        held = self._held(request.pair, observation.ts)
        if held is None:
            return None
        self.table.forget(request.pair)
        if held.until <= observation.ts:
            return None
        rule = self.rules.get(held.rule, MANY)
        account = observation.message.account
        return Cut(SCOPES[held.scope], held.address, rule, held.since, observation.ts, account, held.times)

    # --- orders, between packets

    def ban(self, network: str, until: int) -> None:
        """The operator bans a network (as ``ipaddress`` writes it) until then. Raises ValueError for text that is none."""
        self._ordered = ranges.Networks([*self.orders, network])
        self.orders[network] = until

    def spare(self, source: int, now: int) -> None:
        """Cut nothing of that source (a key) for the grace time."""
        if self.ladder.grace:
            self.spared.put(source, now, now + self.ladder.grace * NANOSECONDS, (now,))

    def lift(self, keys: Iterable[int], source_of: Callable[[bytes], int], now: int) -> list[Held]:
        """Lift and forget the cuts of these keys, and spare their sources. Returns those that were in force.

        ``source_of`` makes a source's key of 16 bytes of address. A network's sources are not spared.
        """
        lifted = []
        for key in keys:
            held = self._held(key, now)
            if held is None:
                continue
            self.table.forget(key)
            if held.scope != _NETWORK:
                self.spare(source_of(held.address), now)
            if held.until > now:
                lifted.append(held)
        return lifted

    def withdraw(self, network: str) -> bool:
        """Take the operator's own ban of that network back. False when there is none."""
        found = self.orders.pop(network, None) is not None
        self._ordered = ranges.Networks(list(self.orders))
        return found

    def cuts(self, now: int, *, over: bool = False) -> Iterator[tuple[int, Held]]:
        """Key and facts of every cut in force; ``over``: also of those that are over and still remembered."""
        for key, _, _, numbers in self.table.entries(now):
            held = Held(*numbers)
            if over or held.until > now:
                yield key, held

    def tick(self, now: int) -> None:
        """Orders that ran out go."""
        gone = [network for network, until in self.orders.items() if until <= now]
        for network in gone:
            self.withdraw(network)

    def since_now(self, held: Held, now: int) -> Held:
        """A cut that a clock which was ahead may have written: it began now at the latest, and lasts no longer than any may."""
        since = min(held.since, now)
        until = min(held.until + since - held.since, now + self.ladder.longest * NANOSECONDS)
        return held._replace(since=since, probed=min(held.probed, now), until=until)

    def kept(self) -> Mapping[str, tables.Records]:
        """What outlives a restart, by name. Orders of the operator are kept by who has them written."""
        return {"ledger": self.table, "spared": self.spared}

    def tables(self) -> Sequence[Table]:
        """Cuts in force, and offences remembered."""
        return [Table.of(name, table) for name, table in self.kept().items()]

    # --- inside

    def _account_in_force(self, observation: Observation, now: int) -> InForce | None:
        key = _key(_ACCOUNT, observation)
        held = self._held(key, now)
        if held is None:
            return None
        own = observation.proof == _OWN
        if now < held.until:
            if own and self._probes(observation, held, key):
                observation.excused = True
                return None
            if own:  # who has no nonce of his own may be anybody
                self._put(key, now, held._replace(until=max(held.until, now + self._length(held))))
            return InForce(self.rules.get(held.rule, MANY), Reason.ACCOUNT)
        if own:
            if held.parole:
                rule = self.rules.get(held.rule, MANY)
                return InForce(rule, Reason.ACCOUNT, (self._cut(observation, _ACCOUNT, rule),))
            self._put(key, now, held._replace(parole=1))
            observation.excused = True
        return None

    def _source_in_force(self, observation: Observation, now: int) -> Rule | None:
        for scope in (_SOURCE, _NETWORK):
            held = self._held(_key(scope, observation), now)
            if held is not None and now < held.until:
                return self.rules.get(held.rule, MANY)
        return None

    def is_offender(self, observation: Observation) -> bool:
        """Whether its source was cut before: its budget is 1."""
        return self.table.holds(_key(_SOURCE, observation), observation.ts)

    def _cut(self, observation: Observation, scope: int, rule: Rule) -> Cut:
        key, now, end = _key(scope, observation), observation.ts, observation.end
        held = self._held(key, now)
        times = held.times if held else 0
        until = now + self.ladder.seconds(times) * NANOSECONDS
        address, _ = end.text
        high, low = int.from_bytes(address[:8], "big"), int.from_bytes(address[8:], "big")
        account = observation.account_key if scope == _ACCOUNT else 0
        # The kernel knows no accounts: it would cut those of the same office, too.
        kernel = scope == _SOURCE and not end.behind and not observation.accounts_at
        self._put(key, now, Held(scope, rule.id, now, until, times + 1, now, 0, 0, account, high, low, int(kernel)))
        name = observation.message.account if scope == _ACCOUNT else None
        return Cut(SCOPES[scope], address, rule, now, until, name, times + 1)

    def _probes(self, observation: Observation, held: Held, key: int) -> bool:
        wait = min(self.ladder.probe << min(held.probes, 10), self.ladder.probe_longest) * NANOSECONDS
        if not observation.known or observation.ts - held.probed < wait:
            return False
        self._put(key, observation.ts, held._replace(probed=observation.ts, probes=held.probes + 1))
        return True

    def _length(self, held: Held) -> int:
        return self.ladder.seconds(held.times - 1) * NANOSECONDS

    def _held(self, key: int, now: int) -> Held | None:
        numbers = self.table.get(key, now) if self.table.holds(key, now) else None
        return Held(*numbers) if numbers is not None else None

    def _put(self, key: int, now: int, held: Held) -> None:
        self.table.put(key, now, held.until + self.ladder.memory * NANOSECONDS, held)


def _key(scope: int, observation: Observation) -> int:
    if scope == _ACCOUNT:
        return observation.pair_key
    if scope == _SOURCE:
        return observation.source_key ^ _SOURCE_SALT
    if observation.end.behind:
        return observation.source_key ^ _NETWORK_SALT
    examined: examine.Examined = observation.examined
    return examined.prefix_key(False, 3, 6) ^ _NETWORK_SALT  # noqa: FBT003 - a compiled function's flag
