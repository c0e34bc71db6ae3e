"""Trying out account names: names that the PBX never accepted have a budget, one for each sender and one for all strangers together.

A name is charged when a sender first uses it, and given back when the PBX takes the request: it accepts the credentials, lets the call
ring, answers the OPTIONS. So an office that boots and a provider's callers are charged for a moment only. Beyond the budgets only packets
with such names are dropped: a known account can always be reached, from any address, and nobody is cut for what could have been sent in
his name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipsensor.detect.base import Observer
from sipsensor.fastpath import names, pair_key, tables
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
    Standing,
    Table,
    When,
)
from sipsensor.protocols.iax2.words import NAMING, TAKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.detect.base import Services
    from sipsensor.model import Bounded, Observation
    from sipsensor.track.transactions import Request

_NAMED = tuple(
    names.METHODS.index(method)
    for method in (b"REGISTER", b"INVITE", b"OPTIONS", b"SUBSCRIBE", b"PUBLISH", b"MESSAGE", b"REFER", b"NOTIFY")
)
_WITHIN = (*(names.METHODS.index(method) for method in (b"BYE", b"INFO", b"PRACK", b"UPDATE")), names.METHOD_OTHER)
"""Lawful within a dialog alone; outside of one, a PBX that asks for credentials asks for them as it does of an INVITE."""
_TO_TAG = names.FIELDS["to.tag"]


@dataclass(frozen=True, slots=True)
class EnumerationSettings:
    """How many names that the PBX never accepted reach it."""

    action: Action | None = field(
        default=None,
        metadata={
            "doc": "What all rules of this detector do, unless a rule says otherwise.",
            "unit": "off | alert | drop",
        },
    )
    sender: Limit = field(
        default=Limit(20, 3600),
        metadata={"doc": "New names from one address and port (IPv6: from one /64).", "unit": "count in seconds"},
    )
    strangers: Limit = field(
        default=Limit(100, 3600),
        metadata={"doc": "New names from all senders together.", "unit": "count in seconds"},
    )
    entries: int = field(
        default=65_536,
        metadata={"doc": "Senders and names remembered at a time.", "unit": "entries", "low": 8, "high": 1 << 24},
    )


def _rule(number: int, slug: str, name: str) -> Rule:
    return Rule(
        number, slug, name, Family.ENUMERATION, 2, Confidence.MEDIUM, Action.DROP, Reason.LIMIT, detector="enumeration"
    )


SENDER = _rule(5002, "enumeration.sender.names", "Trying out account names")
STRANGERS = _rule(5102, "enumeration.strangers.names", "Account names tried out by many senders together")
_ALL = 1
_REFUSED = 300
_INVITE = names.METHODS.index(b"INVITE")
_OUTBOUND, _ACCEPTED, _TRUSTED = int(Direction.OUTBOUND), int(Outcome.ACCEPTED), int(Standing.TRUSTED)
_SIP = int(AppProtocol.SIP)


class Enumeration(Observer):
    """Budgets of new account names."""

    name = "enumeration"
    settings_type = EnumerationSettings
    rules = (SENDER, STRANGERS)
    interests = (
        Interest(When.JUDGE, AppProtocol.SIP, Direction.INBOUND, _NAMED + _WITHIN),
        Interest(When.LEARN, AppProtocol.SIP, Direction.OUTBOUND, range(WHAT_STATUS + 1, WHAT_STATUS + 7)),
        Interest(When.JUDGE, AppProtocol.IAX2, Direction.INBOUND, NAMING),
        Interest(When.LEARN, AppProtocol.IAX2, Direction.OUTBOUND, TAKING),
    )

    def __init__(self, settings: EnumerationSettings, _services: Services | None = None) -> None:
        self.settings = settings
        seconds = max(settings.sender.seconds, settings.strangers.seconds)
        self.senders = tables.RateTable(settings.entries, [(settings.sender.count, settings.sender.seconds)])
        self.strangers = tables.RateTable(8, [(settings.strangers.count, settings.strangers.seconds)])
        self.used = tables.SeenTable(settings.entries, seconds)
        self.callers = tables.SeenTable(settings.entries, seconds)

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """A new name: charge it. One that the PBX deals with: give it back."""
        if observation.direction == _OUTBOUND:
            if observation.request is not None and observation.outcome == _ACCEPTED:
                self._answered(observation, observation.request)
            return ()
        if observation.name_known or observation.relieved or observation.repeats or observation.excused:
            return ()
        if observation.protocol == _SIP:
            if observation.what in _WITHIN and observation.examined.raw(_TO_TAG) is not None:
                return ()
            if observation.what == _INVITE and self.callers.seen(observation.sender_key, observation.ts):
                return ()
        return self._charge(observation, observation.account_key or observation.name_key)

    def tables(self) -> Sequence[Table]:
        """The budgets of senders, and the names in use."""
        held: dict[str, Bounded] = {
            "enumeration_senders": self.senders,
            "enumeration_strangers": self.strangers,
            "enumeration_names": self.used,
            "enumeration_callers": self.callers,
        }
        return [Table.of(name, table) for name, table in held.items()]

    def tick(self, now: int) -> None:
        """Budgets fill up by themselves."""

    def _charge(self, observation: Observation, name: int) -> Sequence[Alert]:
        ts, sender = observation.ts, observation.sender_key
        pair = pair_key(name, sender)
        if not name or self.used.seen(pair, ts):
            return ()
        self.used.touch(pair, ts)
        if self.senders.charge(sender, ts):
            return self._over(SENDER, observation, pair, self.settings.sender)
        if self.strangers.charge(_ALL, ts):
            if observation.standing == _TRUSTED:
                # He is no stranger, and what a flood of them spent is not his. Seen twice: it owes the common budget nothing.
                self.used.touch(pair, ts)
                return ()
            self.senders.refund(sender, ts)
            return self._over(STRANGERS, observation, pair, self.settings.strangers)
        return ()

    def _answered(self, observation: Observation, request: Request) -> None:
        """The PBX deals with it. Who makes calls without any credentials calls in the name of many: a provider."""
        ts = observation.ts
        if (
            observation.protocol == _SIP
            and request.what == _INVITE
            and not request.account
            and observation.examined.code < _REFUSED
        ):
            self.callers.forget(request.sender)
            self.callers.touch(request.sender, ts)
        self._refund(request, ts)

    def _refund(self, request: Request, ts: int) -> None:
        """Both names of a registration, where the credentials are for another one."""
        if request.taken or request.name_known:
            return
        for name in {request.account, request.name} - {0}:
            pair = pair_key(name, request.sender)
            charged = self.used.seen(pair, ts)
            if charged:
                self.used.forget(pair)
                self.senders.refund(request.sender, ts)
            if charged == 1:
                self.strangers.refund(_ALL, ts)

    def _over(self, rule: Rule, observation: Observation, pair: int, limit: Limit) -> Sequence[Alert]:
        self.used.forget(pair)
        return (Alert(rule, observation, {"limit": limit.count, "seconds": limit.seconds}),)
