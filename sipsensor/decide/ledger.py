"""Who is cut, from the moment of the decision: the one truth that the kernel's sets copy (DESIGN 5).

A cut covers one account from one source, or a source. It goes on while whoever is cut goes on trying, so no pace gains a try. Who comes back
after it is on parole: one try, and then the next cut, which is longer (the ladder). An account that was accepted from that source before
gets a probe now and then, so that a corrected password works soon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sipsensor.fastpath import tables
from sipsensor.model import NANOSECONDS, Cut, Scope, Table
from sipsensor.track.standing import pair_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sipsensor.model import Observation, Rule

_SCOPES = (Scope.ACCOUNT, Scope.SOURCE)
_SOURCE_SALT = 0x5B
"""A source's key beside the same source's key with an account."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """How long cuts last: ``first`` seconds, ``factor`` times longer at each repetition, at most ``longest``; remembered for ``memory``."""

    first: int = 600
    factor: int = 4
    longest: int = 7 * 86400
    memory: int = 30 * 86400
    probe: int = 30
    """Seconds before the first probe of an account that was accepted from there before; each next one waits twice as long …"""
    probe_longest: int = 55
    """… but no longer than this, so that a corrected password is in within a minute."""

    def seconds(self, times: int) -> int:
        """Of the cut after so many before it."""
        return min(self.first * self.factor ** min(times, 32), self.longest)


class Held(NamedTuple):
    """What is kept of one cut. It outlives the cut, as a record of the offence."""

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


class Ledger:
    """Cuts by key. ``rules`` are all that may cut, by number."""

    def __init__(self, rules: Mapping[int, Rule], ladder: Ladder | None = None, capacity: int = 65_536) -> None:
        self.rules = rules
        self.ladder = ladder or Ladder()
        self.table = tables.Records(capacity, len(Held._fields))

    def cut(self, observation: Observation, scope: Scope, rule: Rule) -> Cut:
        """Cut what this observation is of, from now on."""
        key, now = _key(scope, observation), observation.ts
        held = self._held(key, now)
        times = held.times if held else 0
        until = now + self.ladder.seconds(times) * NANOSECONDS
        self._put(key, now, Held(rule.id, now, until, times + 1, now, 0, 0))
        return Cut(scope, observation.examined.src, rule, now, until, observation.account if scope is Scope.ACCOUNT else None)

    def in_force(self, observation: Observation) -> Rule | None:
        """The rule whose cut covers this request. A try under a cut makes it last; one after it is the only one (parole)."""
        now = observation.ts
        for scope in _SCOPES if observation.account_key else (Scope.SOURCE,):
            key = _key(scope, observation)
            held = self._held(key, now)
            if held is None:
                continue
            if now < held.until:
                if scope is Scope.ACCOUNT and self._probes(observation, held, key):
                    observation.excused = True
                    continue
                self._put(key, now, held._replace(until=max(held.until, now + self._length(held))))
                return self.rules[held.rule]
            if observation.has_credentials and scope is Scope.ACCOUNT:
                if held.parole:
                    self.cut(observation, scope, self.rules[held.rule])
                    return self.rules[held.rule]
                self._put(key, now, held._replace(parole=1))
                observation.excused = True
        return None

    def lift(self, account: int, network: int) -> bool:
        """The PBX accepted that account from there: nothing of it is cut any longer. True when something was."""
        key = pair_key(account, network)
        was = self.table.get(key, 0) is not None
        self.table.forget(key)
        return was

    def tables(self) -> Sequence[Table]:
        """Cuts in force, and offences remembered."""
        return [Table("ledger", self.table.fill, self.table.capacity, self.table.evictions)]

    def _probes(self, observation: Observation, held: Held, key: int) -> bool:
        wait = min(self.ladder.probe << min(held.probes, 10), self.ladder.probe_longest) * NANOSECONDS
        if not observation.known or observation.repeats or observation.ts - held.probed < wait:
            return False
        self._put(key, observation.ts, held._replace(probed=observation.ts, probes=held.probes + 1))
        return True

    def _length(self, held: Held) -> int:
        return self.ladder.seconds(held.times - 1) * NANOSECONDS

    def _held(self, key: int, now: int) -> Held | None:
        numbers = self.table.get(key, now)
        return Held(*numbers) if numbers is not None else None

    def _put(self, key: int, now: int, held: Held) -> None:
        self.table.put(key, now, held.until + self.ladder.memory * NANOSECONDS, held)


def _key(scope: Scope, observation: Observation) -> int:
    if scope is Scope.ACCOUNT:
        return pair_key(observation.account_key, observation.source_key)
    return observation.source_key ^ _SOURCE_SALT

