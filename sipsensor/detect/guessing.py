"""Guessing passwords: credentials are charged on arrival and given back when the PBX accepts them, so that no pace wins more than the
budget.

Who gives credentials on a nonce that went to him alone pays for himself: one account from one source, and all accounts that were never
accepted from that source. All others (unknown, shared or another's nonce: anybody could have sent them in anybody's name) share one budget
an account, except where the account was accepted from that source before. Beyond a budget the packet dies; a cut needs refusals that were
seen. DESIGN 6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipsensor.detect.base import Observer
from sipsensor.fastpath import pair_key, tables
from sipsensor.model import (
    NANOSECONDS,
    WHAT_STATUS,
    Action,
    Alert,
    AppProtocol,
    Confidence,
    Direction,
    Family,
    Interest,
    Limit,
    Outcome,
    Reason,
    Rule,
    Scope,
    Table,
    When,
)
from sipsensor.protocols.iax2.words import REFUSING, TAKING, TRYING
from sipsensor.track.challenges import Proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.detect.base import Services
    from sipsensor.fastpath import examine
    from sipsensor.model import Bounded, Observation
    from sipsensor.track.transactions import Request


@dataclass(frozen=True, slots=True)
class GuessingSettings:
    """How many guesses reach the PBX. A lawful client whose password is right gets each of them back."""

    action: Action | None = field(
        default=None,
        metadata={
            "doc": "What all rules of this detector do, unless a rule says otherwise.",
            "unit": "off | alert | drop",
        },
    )
    account: Limit = field(
        default=Limit(10, 600),
        metadata={
            "doc": "Tries for one account from one source (fail2ban: 10 in 10 minutes).",
            "unit": "count in seconds",
        },
    )
    account_sustained: Limit = field(
        default=Limit(20, 86400),
        metadata={"doc": "The same over a day, for those who take their time.", "unit": "count in seconds"},
    )
    account_everywhere: Limit = field(
        default=Limit(100, 3600),
        metadata={
            "doc": "Tries for one account from all sources that it was never accepted from (a botnet).",
            "unit": "count in seconds",
        },
    )
    unproven: Limit = field(
        default=Limit(10, 600),
        metadata={"doc": "Tries for one account from all who prove nothing.", "unit": "count in seconds"},
    )
    source: Limit = field(
        default=Limit(30, 600),
        metadata={
            "doc": "Tries for accounts that were never accepted from that source, from one source.",
            "unit": "count in seconds",
        },
    )
    source_names: Limit = field(
        default=Limit(6, 3600),
        metadata={
            "doc": "Accounts that the PBX never accepted from anywhere, tried by one source.",
            "unit": "count in seconds",
        },
    )
    network: Limit = field(
        default=Limit(120, 600),
        metadata={"doc": "The same as source, from one network (IPv4 /24, IPv6 /48).", "unit": "count in seconds"},
    )
    blind_factor: int = field(
        default=3,
        metadata={
            "doc": "How much more is allowed where the answers of the PBX do not come by here.",
            "unit": "factor",
            "low": 1,
            "high": 100,
        },
    )
    office: int = field(
        default=4,
        metadata={
            "doc": "Accounts that were accepted from a source before its budget is doubled, tripled …",
            "unit": "accounts",
            "low": 1,
            "high": 1000,
        },
    )
    office_ceiling: int = field(
        default=16, metadata={"doc": "… up to so many times.", "unit": "factor", "low": 1, "high": 1000}
    )
    entries: int = field(
        default=65_536,
        metadata={"doc": "Accounts and sources remembered at a time.", "unit": "entries", "low": 8, "high": 1 << 24},
    )


def _rule(number: int, slug: str, name: str, *, action: Action = Action.DROP, spoofable: bool = False) -> Rule:
    severity = 1 if action is Action.ALERT else 2
    what = (Family.GUESSING, severity, Confidence.MEDIUM, action, Reason.ACCOUNT)
    return Rule(number, slug, name, *what, detector="guessing", spoofable=spoofable)


ACCOUNT = _rule(5004, "guessing.account.source", "Guessing the password of one account")
SPRAY = _rule(5005, "guessing.source.accounts", "Guessing passwords of many accounts")
UNPROVEN = _rule(5104, "guessing.account.unproven", "Guessing by senders who prove nothing", spoofable=True)
EVERYWHERE = _rule(5105, "guessing.account.sources", "Guessing the password of one account from many sources")
NETWORK = _rule(5205, "guessing.network.accounts", "Guessing passwords from many addresses of one network")
SUCCESS = _rule(
    5204, "guessing.account.success", "A password was right after many that were wrong", action=Action.ALERT
)

_OUTBOUND, _OWN, _ACCEPTED, _REFUSED = (
    int(word) for word in (Direction.OUTBOUND, Proof.OWN, Outcome.ACCEPTED, Outcome.REFUSED)
)
_CALL_SALT, _OTHER_SALT, _OWN_SALT = 0x11, 0x22, 0x44
_REFUSALS = Limit(64, 86400)
"""How many refusals are remembered, and for how long."""
_FAILURES = 5
"""Refusals of a pair before its success is worth an alert: more than somebody who mistypes has."""


class Guessing(Observer):
    """Budgets of credentials."""

    name = "guessing"
    settings_type = GuessingSettings
    rules = (ACCOUNT, SPRAY, UNPROVEN, EVERYWHERE, NETWORK, SUCCESS)
    interests = (
        Interest(When.JUDGE, AppProtocol.SIP, Direction.INBOUND, range(WHAT_STATUS)),
        Interest(When.JUDGE, AppProtocol.SIP, Direction.OUTBOUND, range(WHAT_STATUS + 1, WHAT_STATUS + 7)),
        Interest(When.JUDGE, AppProtocol.IAX2, Direction.INBOUND, TRYING),
        Interest(When.JUDGE, AppProtocol.IAX2, Direction.OUTBOUND, TAKING + REFUSING),
    )

    def __init__(self, settings: GuessingSettings, _services: Services | None = None) -> None:
        self.settings = settings
        entries, factor = settings.entries, settings.blind_factor
        pair = (settings.account, settings.account_sustained)
        self.pairs = tables.RateTable(entries, _pairs(*pair))
        self.blind = tables.RateTable(entries, _pairs(*pair, factor=factor))
        self.accounts = tables.RateTable(entries, _pairs(settings.account_everywhere))
        self.unproven = tables.RateTable(entries, _pairs(settings.unproven))
        self.sources = tables.RateTable(entries, _pairs(settings.source))
        self.offenders = tables.RateTable(entries, [(1, settings.source_names.seconds)])
        self.networks = tables.RateTable(entries, _pairs(settings.network))
        self.names = tables.RateTable(entries, _pairs(settings.source_names))
        self.named = tables.SeenTable(entries, settings.source_names.seconds)
        self.refused = tables.RateTable(entries, _pairs(_REFUSALS))
        self.calls = tables.Records(entries, 1)
        self._call_memory = settings.account.seconds * NANOSECONDS
        self._most, self._office, self._ceiling = settings.account.count, settings.office, settings.office_ceiling

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """A try: charge it. An answer: give back what was charged, if it was right."""
        if observation.direction == _OUTBOUND:
            return self._answered(observation, observation.request) if observation.request is not None else ()
        if not observation.has_credentials or observation.repeats:
            return ()
        for other, known in observation.also:
            found = self._also(observation, other, known=known)
            if found:
                return found
        if observation.excused:
            return ()
        if observation.known and observation.stalled:
            return self._stalled(observation)
        if observation.proof != _OWN:
            return self._unproven(observation)
        return self._own(observation) if observation.known else self._stranger(observation)

    def tables(self) -> Sequence[Table]:
        """Its budgets."""
        held: dict[str, Bounded] = {
            "guessing_pairs": self.pairs,
            "guessing_pairs_blind": self.blind,
            "guessing_accounts": self.accounts,
            "guessing_unproven": self.unproven,
            "guessing_sources": self.sources,
            "guessing_offenders": self.offenders,
            "guessing_networks": self.networks,
            "guessing_names": self.names,
            "guessing_named": self.named,
            "guessing_refused": self.refused,
            "guessing_calls": self.calls,
        }
        return [Table.of(name, table) for name, table in held.items()]

    def tick(self, now: int) -> None:
        """Budgets fill up by themselves."""

    def forgive(self, account: int, source: int, now: int) -> None:
        """The operator lets an account from a source in again (account 0: the source): what is spent would go on dropping it."""
        pair = pair_key(account, source)
        whole = [(self.refused, source, 0), (self.names, source, 0), (self.offenders, source, 0)]
        whole += [(self.sources, source ^ bucket, 0) for bucket in range(self.settings.office_ceiling)]
        if account:
            whole += [(self.pairs, pair, 1), (self.blind, pair, 1), (self.refused, pair, 0)]
        for table, key, slowest in whole:
            while table.level(key, now, slowest) > 0:
                table.refund(key, now)

    # --- tries

    def _unproven(self, observation: Observation) -> Sequence[Alert]:
        """Anybody may have sent this: what is over the budget dies, and nobody is cut for it."""
        key, ts = observation.account_key, observation.ts
        if observation.known:
            key = observation.pair_key ^ (_CALL_SALT if observation.call_known else _OTHER_SALT)
        # Who forges invented names by the thousand pushes out the budget of no account that there is.
        over = self.unproven.charge(key, ts, observation.name_known)
        return _over(UNPROVEN, observation, over, (self.settings.unproven,))

    def _stalled(self, observation: Observation) -> Sequence[Alert]:
        """A known phone while the PBX answers nobody: a budget for this time alone, and no cut. Without one, whoever can make the PBX
        silent for two seconds (a request that it passes on to himself) would have a burst for nothing.
        """
        own = observation.proof == _OWN
        salt = _OWN_SALT if own else _CALL_SALT if observation.call_known else _OTHER_SALT
        over = self.unproven.charge(observation.pair_key ^ (salt << 8), observation.ts, 1)
        return _over(ACCOUNT if own else UNPROVEN, observation, over, (self.settings.unproven,))

    def _also(self, observation: Observation, other: int, *, known: bool) -> Sequence[Alert]:
        """Another account in the same request, charged as if alone: nobody hides a try behind another."""
        settings, ts = self.settings, observation.ts
        if observation.proof != _OWN:
            return _over(UNPROVEN, observation, self.unproven.charge(other, ts, known), (settings.unproven,))
        table = self.blind if observation.blind else self.pairs
        over = table.charge(pair_key(other, observation.source_key), ts)
        if over:
            return _over(ACCOUNT, observation, over, (settings.account, settings.account_sustained))
        found = () if observation.known or known else self._name(observation, other)
        return found or self._shared(observation, other)

    def _own(self, observation: Observation) -> Sequence[Alert]:
        """One account from one source, on his own nonce."""
        ts = observation.ts
        pair = observation.pair_key
        table = self.blind if observation.blind else self.pairs
        over = table.charge(pair, ts)
        if not over:
            call = pair ^ observation.call_key
            self.calls.put_one(call, ts, ts + self._call_memory, self.calls.first(call, ts, 0) + 1)
            return ()
        settings = self.settings
        scope = Scope.ACCOUNT if self.refused.level(pair, ts) >= settings.account.count // 2 else None
        return _over(ACCOUNT, observation, over, (settings.account, settings.account_sustained), scope)

    def _stranger(self, observation: Observation) -> Sequence[Alert]:
        """An account that was never accepted from that source: his pair, then all that he tries, his network, the account everywhere."""
        found = self._own(observation)
        if found:
            return found
        ts, source, settings = observation.ts, observation.source_key, self.settings
        if observation.offender:
            over = self.offenders.charge(source, ts)
            if over:
                # It was refused often enough before.
                return _over(SPRAY, observation, over, (Limit(1, settings.source_names.seconds),), Scope.SOURCE)
        if not observation.name_known:
            found = self._name(observation, observation.account_key)
        return found or self._shared(observation, observation.account_key)

    def _name(self, observation: Observation, account: int) -> Sequence[Alert]:
        """An account that the PBX never accepted, when this source tries it first."""
        source, limit = observation.source_key, self.settings.source_names
        named = pair_key(account, source)
        if self.named.touch(named, observation.ts) or not self.names.charge(source, observation.ts):
            return ()
        self.named.forget(named)
        return _over(SPRAY, observation, 1, (limit,), self._scope(observation, limit))

    def _shared(self, observation: Observation, account: int) -> Sequence[Alert]:
        """All that his source tries, then its network, then all who try this account."""
        ts, settings = observation.ts, self.settings
        over = self.sources.charge(self._bucket(observation, account), ts)
        if over:
            return _over(SPRAY, observation, over, (settings.source,), self._scope(observation, settings.source))
        over = self.networks.charge(self._network(observation), ts)
        if over:
            return _over(NETWORK, observation, over, (settings.network,))
        return _over(EVERYWHERE, observation, self.accounts.charge(account, ts), (settings.account_everywhere,))

    def _scope(self, observation: Observation, limit: Limit) -> Scope | None:
        """A source is cut where enough of its tries were seen to be refused, and more than it has accounts: an office is not."""
        refused = self.refused.level(observation.source_key, observation.ts)
        return Scope.SOURCE if refused >= max(limit.count // 2, observation.accounts_at + 1) else None

    def _bucket(self, observation: Observation, account: int) -> int:
        """One of the buckets of a source: an office has more of them, in proportion to its good registrations."""
        times = min(1 + observation.accounts_at // self._office, self._ceiling)
        return observation.source_key ^ (account % times)

    def _network(self, observation: Observation) -> int:
        examined: examine.Examined = observation.examined
        if observation.end.behind:
            return observation.source_key
        return examined.prefix_key(observation.direction == _OUTBOUND, 3, 6)

    # --- answers

    def _answered(self, observation: Observation, request: Request) -> Sequence[Alert]:
        ts, outcome = observation.ts, observation.outcome
        pair = request.pair
        if not request.account:
            return ()
        if outcome == _REFUSED and request.proof == _OWN:
            self.refused.charge(pair, ts)
            if not request.known:
                self.refused.charge(request.source, ts)
            return ()
        if outcome == _REFUSED or request.taken or not observation.harmless:
            return ()
        if request.proof != _OWN:
            self._refund_unproven(observation, request)
            return ()
        failures = self.refused.level(pair, ts)
        accepted = outcome == _ACCEPTED and request.earned
        self._refund(observation, request, self._tries(pair ^ request.call, ts) if accepted else 1)
        if not accepted or failures < _FAILURES:
            return ()
        return (Alert(SUCCESS, observation, {"failures": int(failures)}),)

    def _tries(self, call: int, ts: int) -> int:
        """How many were charged under this Call-ID: who registers again with an old nonce is refused first, and then accepted."""
        tries = self.calls.first(call, ts, 1)
        self.calls.forget(call)
        return max(1, tries)

    def _refund_unproven(self, observation: Observation, request: Request) -> None:
        key = request.account
        if request.known:
            key = request.pair ^ (_CALL_SALT if request.call_known else _OTHER_SALT)
        self.unproven.refund(key, observation.ts)

    def _refund(self, observation: Observation, request: Request, tries: int) -> None:
        """Its own charge; and, where the PBX looked at these very credentials and took them, what was charged for their Call-ID."""
        ts, source, pair = observation.ts, request.source, request.pair
        for _ in range(min(tries, self._most)):
            self.pairs.refund(pair, ts)
            self.blind.refund(pair, ts)
        for _ in range(min(tries - 1, self._most)):
            self.refused.refund(pair, ts)
        if request.known:
            return
        times = min(1 + observation.accounts_at // self._office, self._ceiling)
        self.sources.refund(source ^ (request.account % times), ts)
        self.accounts.refund(request.account, ts)
        self.networks.refund(self._network(observation), ts)
        self.offenders.refund(source, ts)
        named = pair_key(request.account, source)
        if request.earned and observation.outcome == _ACCEPTED and self.named.seen(named, ts):
            self.named.forget(named)
            self.names.refund(source, ts)


def _pairs(*limits: Limit, factor: int = 1) -> list[tuple[int, int]]:
    return [(limit.count * factor, limit.seconds) for limit in limits]


def _over(
    rule: Rule, observation: Observation, over: int, limits: Sequence[Limit], scope: Scope | None = None
) -> Sequence[Alert]:
    """An alert when a budget is spent; ``over`` is the bit set of the limits that were."""
    if not over:
        return ()
    limit = limits[0] if over & 1 else limits[-1]
    evidence: dict[str, str | int] = {"limit": limit.count, "seconds": limit.seconds}
    if observation.blind:
        evidence["replies"] = "not seen"
    return (Alert(rule, observation, evidence, scope=scope),)
