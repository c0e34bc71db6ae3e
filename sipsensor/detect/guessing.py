"""Guessing passwords: credentials are charged on arrival and refunded when the PBX accepts them, so that no pace wins more than the budget.

Who gives credentials on a nonce that went to him alone pays for himself: one account from one source, and all accounts from that source. All
others (unknown, shared or another's nonce: anybody could have sent them in anybody's name) share one budget an account, except where the
account was accepted from that source before. DESIGN 6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipsensor.fastpath import tables
from sipsensor.model import (
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
from sipsensor.track.challenges import Proof
from sipsensor.track.standing import pair_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.detect.base import Services
    from sipsensor.model import Observation


@dataclass(frozen=True, slots=True)
class GuessingSettings:
    """How many guesses reach the PBX. A lawful client whose password is right is refunded each time."""

    action: Action | None = field(
        default=None,
        metadata={"doc": "What all rules of this detector do, unless a rule says otherwise.", "unit": "off | alert | drop"},
    )
    account: Limit = field(
        default=Limit(10, 600),
        metadata={"doc": "Tries for one account from one source (fail2ban: 10 in 10 minutes).", "unit": "count in seconds"},
    )
    account_sustained: Limit = field(
        default=Limit(20, 86400),
        metadata={"doc": "The same over a day, for those who take their time.", "unit": "count in seconds"},
    )
    source: Limit = field(
        default=Limit(30, 600),
        metadata={"doc": "Tries for all accounts together from one source.", "unit": "count in seconds"},
    )
    unproven: Limit = field(
        default=Limit(10, 600),
        metadata={"doc": "Tries for one account from all who prove nothing.", "unit": "count in seconds"},
    )
    entries: int = field(
        default=65_536,
        metadata={"doc": "Accounts and sources remembered at a time.", "unit": "entries", "low": 8, "high": 1 << 24},
    )


def _rule(number: int, slug: str, name: str, *, spoofable: bool = False) -> Rule:
    return Rule(
        number,
        slug,
        name,
        Family.GUESSING,
        2,
        Confidence.MEDIUM,
        Action.DROP,
        Reason.ACCOUNT,
        detector="guessing",
        spoofable=spoofable,
    )


ACCOUNT = _rule(5004, "guessing.account.source", "Guessing the password of one account")
SPRAY = _rule(5005, "guessing.source.accounts", "Guessing passwords of many accounts")
UNPROVEN = _rule(5104, "guessing.account.unproven", "Guessing by senders who prove nothing", spoofable=True)


class Guessing:
    """Budgets of credentials."""

    name = "guessing"
    settings_type = GuessingSettings
    rules = (ACCOUNT, SPRAY, UNPROVEN)
    interests = (
        Interest(When.JUDGE, AppProtocol.SIP, Direction.INBOUND, range(WHAT_STATUS)),
        Interest(When.LEARN, AppProtocol.SIP, Direction.OUTBOUND, range(WHAT_STATUS + 2, WHAT_STATUS + 7)),
    )

    def __init__(self, settings: GuessingSettings, _services: Services | None = None) -> None:
        self.settings = settings
        both = (settings.account, settings.account_sustained)
        self.accounts = tables.RateTable(settings.entries, [(limit.count, limit.seconds) for limit in both])
        self.sources = tables.RateTable(settings.entries, [(settings.source.count, settings.source.seconds)])
        self.unproven = tables.RateTable(settings.entries, [(settings.unproven.count, settings.unproven.seconds)])

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """A try: charge it. An answer: give back what was charged, if it was right."""
        if observation.direction == Direction.OUTBOUND:
            self._refund(observation)
            return ()
        if not observation.has_credentials or observation.repeats or observation.excused:
            return ()
        ts, account, source = observation.ts, observation.account_key, observation.source_key
        if observation.proof != Proof.OWN and not observation.known:
            return self._over(UNPROVEN, observation, self.unproven.charge(account, ts), self.settings.unproven)
        over = self.accounts.charge(pair_key(account, source), ts)
        if over:
            limit = self.settings.account if over & 1 else self.settings.account_sustained
            return self._over(ACCOUNT, observation, over, limit, Scope.ACCOUNT)
        return self._over(SPRAY, observation, self.sources.charge(source, ts), self.settings.source, Scope.SOURCE)

    def tables(self) -> Sequence[Table]:
        """The three tables of budgets."""
        held = {"guessing_accounts": self.accounts, "guessing_sources": self.sources, "guessing_unproven": self.unproven}
        return [Table(name, table.fill, table.capacity, table.evictions) for name, table in held.items()]

    def tick(self, now: int) -> None:
        """Budgets fill up by themselves."""

    def _refund(self, observation: Observation) -> None:
        request = observation.request
        if request is None or not request.account or observation.outcome != Outcome.ACCEPTED:
            return
        ts = observation.ts
        if request.proof != Proof.OWN and not request.known:
            self.unproven.refund(request.account, ts)
            return
        self.accounts.refund(pair_key(request.account, request.network), ts)
        self.sources.refund(request.network, ts)

    @staticmethod
    def _over(
        rule: Rule, observation: Observation, over: int, limit: Limit, scope: Scope | None = None
    ) -> Sequence[Alert]:
        if not over:
            return ()
        return (Alert(rule, observation, {"limit": limit.count, "seconds": limit.seconds}, scope=scope),)
