"""Too many transactions: REGISTER by source and by AOR, INVITE by source, any method by source (threats.md BH-08 to BH-10).

Counts transactions, not datagrams: a retransmission is free (RFC 3261 17 has at most 11 datagrams in 32 s; who sends more
replays), and what does not name its transaction counts each time. A rate alone is no attack (threats.md 2.1: a carrier trunk
passes any of these limits), so a rate alone alerts. What is beyond a limit of its source is dropped when the outcome says so, too:
the sender is proven and neither trusted nor known, and of what came from his source more was refused than accepted. Only
refusals of credentials on the sender's own nonce count, because all else could have been sent in his name; strangers are
never dropped here, for the same reason: their datagrams would silence whom they name. Them the budgets of handshakes and of
names hold, and the queue's rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipsensor.detect.base import Observer
from sipsensor.fastpath import names, tables
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
    Standing,
    Table,
    When,
)
from sipsensor.track.challenges import Proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.detect.base import Services
    from sipsensor.fastpath import examine
    from sipsensor.model import Bounded, Observation
    from sipsensor.track.transactions import Request

_REGISTER, _INVITE = names.METHODS.index(b"REGISTER"), names.METHODS.index(b"INVITE")
_FREE = frozenset((names.METHODS.index(b"ACK"), names.METHODS.index(b"CANCEL")))
"""Never a transaction of their own in a flood: an ACK ends one, a CANCEL belongs to its INVITE."""
_RETRANSMISSIONS = 10
_OUTBOUND, _ACCEPTED, _REFUSED = int(Direction.OUTBOUND), int(Outcome.ACCEPTED), int(Outcome.REFUSED)
_PROVEN, _TRUSTED, _OWN = int(Standing.PROVEN), int(Standing.TRUSTED), int(Proof.OWN)


@dataclass(frozen=True, slots=True)
class FloodSettings:
    """Limits of the flood detector. An office behind NAT has more, in proportion to its good registrations."""

    action: Action | None = field(
        default=None,
        metadata={
            "doc": "What all rules of this detector do, unless a rule says otherwise.",
            "unit": "off | alert | drop",
        },
    )
    register_source: Limit = field(
        default=Limit(20, 10),
        metadata={
            "doc": "REGISTER transactions of one source (measured lawful peak: 2.7 a minute).",
            "unit": "count in seconds",
        },
    )
    register_source_sustained: Limit = field(
        default=Limit(100, 60),
        metadata={"doc": "The same over a longer time (Emerging Threats' limit).", "unit": "count in seconds"},
    )
    register_aor: Limit = field(
        default=Limit(10, 60),
        metadata={"doc": "REGISTER transactions for one AOR, from all sources together.", "unit": "count in seconds"},
    )
    invite_source: Limit = field(
        default=Limit(10, 2),
        metadata={
            "doc": "INVITE transactions of one source (Kamailio's sample: 16 messages in 2 s).",
            "unit": "count in seconds",
        },
    )
    invite_source_sustained: Limit = field(
        default=Limit(100, 60),
        metadata={"doc": "The same over a longer time (Emerging Threats' limit).", "unit": "count in seconds"},
    )
    source: Limit = field(
        default=Limit(60, 4),
        metadata={
            "doc": "Transactions of any method of one source (pike: 30 in 2 s, with its burst).",
            "unit": "count in seconds",
        },
    )
    office: int = field(
        default=4,
        metadata={
            "doc": "Accounts that were accepted from a source before its limits are doubled, tripled …",
            "unit": "accounts",
            "low": 1,
            "high": 1000,
        },
    )
    office_ceiling: int = field(
        default=16, metadata={"doc": "… up to so many times.", "unit": "factor", "low": 1, "high": 1000}
    )
    outcomes_seconds: int = field(
        default=600,
        metadata={
            "doc": "How long the outcomes of a source are remembered after its last answer.",
            "unit": "seconds",
            "low": 1,
            "high": 86400,
        },
    )
    sources_max: int = field(
        default=65_536,
        metadata={"doc": "Sources, and AORs, remembered at a time.", "unit": "entries", "low": 8, "high": 1 << 24},
    )


def _rule(number: int, slug: str, name: str, action: Action = Action.ALERT) -> Rule:
    return Rule(number, slug, name, Family.FLOOD, 3, Confidence.MEDIUM, action, Reason.LIMIT, detector="flood")


REGISTER_SOURCE = _rule(5008, "flood.register.source", "REGISTER flood from one source")
REGISTER_AOR = _rule(5108, "flood.register.aor", "REGISTER flood for one AOR")
INVITE_SOURCE = _rule(5009, "flood.invite.source", "INVITE flood from one source")
ANY_SOURCE = _rule(5010, "flood.any.source", "Flood of any method from one source")
REFUSED = _rule(5110, "flood.source.refused", "Flood from one source whose requests are mostly refused", Action.DROP)
_LAST = 64
"""Outcomes of a source that count: beyond, the older ones weigh half."""


class Flood(Observer):
    """Leaky buckets per source and per AOR, and what became of the last requests of each source."""

    name = "flood"
    settings_type = FloodSettings
    rules = (REGISTER_SOURCE, REGISTER_AOR, INVITE_SOURCE, ANY_SOURCE, REFUSED)
    interests = (
        Interest(
            When.JUDGE, AppProtocol.SIP, Direction.INBOUND, [what for what in range(WHAT_STATUS) if what not in _FREE]
        ),
        Interest(When.LEARN, AppProtocol.SIP, Direction.OUTBOUND, range(WHAT_STATUS + 1, WHAT_STATUS + 7)),
    )

    def __init__(self, settings: FloodSettings, _services: Services | None = None) -> None:
        entries = settings.sources_max
        self.settings = settings
        self.registers = tables.RateTable(entries, _pairs(settings.register_source, settings.register_source_sustained))
        self.aors = tables.RateTable(entries, _pairs(settings.register_aor))
        self.invites = tables.RateTable(entries, _pairs(settings.invite_source, settings.invite_source_sustained))
        self.any = tables.RateTable(entries, _pairs(settings.source))
        self.outcomes = tables.Records(entries, 2)
        self._office, self._ceiling = settings.office, settings.office_ceiling
        self._memory = settings.outcomes_seconds * NANOSECONDS

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """A request: the limits that its transaction goes beyond. An answer of the PBX: what became of one."""
        if observation.direction == _OUTBOUND:
            if observation.request is not None:
                self._learn(observation, observation.request)
            return ()
        if 0 < observation.repeats <= _RETRANSMISSIONS and observation.transaction:
            return ()
        source, ts = observation.source_key, observation.ts
        what = observation.what
        if observation.accounts_at:
            source = self._bucket(observation)
        over_any = self.any.charge(source, ts)
        over = over_aor = 0
        if what == _REGISTER:
            over = self.registers.charge(source, ts)
            examined: examine.Examined = observation.examined
            over_aor = self.aors.charge(examined.account_key, ts)
        elif what == _INVITE:
            over = self.invites.charge(source, ts)
        if not (over_any or over or over_aor):
            return ()
        return self._alerts(observation, over_any, over, over_aor)

    def tables(self) -> Sequence[Table]:
        """The four tables of buckets, and the outcomes."""
        held: dict[str, Bounded] = {
            "flood_register_source": self.registers,
            "flood_register_aor": self.aors,
            "flood_invite_source": self.invites,
            "flood_any_source": self.any,
            "flood_outcomes": self.outcomes,
        }
        return [Table.of(name, table) for name, table in held.items()]

    def tick(self, now: int) -> None:
        """The buckets leak by themselves."""

    def _bucket(self, observation: Observation) -> int:
        """One of the buckets of a source: an office has more of them, in proportion to its good registrations."""
        times = min(1 + observation.accounts_at // self._office, self._ceiling)
        return observation.source_key ^ ((observation.account_key or observation.name_key) % times)

    def _alerts(self, observation: Observation, over_any: int, over: int, over_aor: int) -> list[Alert]:
        settings = self.settings
        alerts = []
        if over:
            register = observation.what == _REGISTER
            rule = REGISTER_SOURCE if register else INVITE_SOURCE
            short = settings.register_source if register else settings.invite_source
            long = settings.register_source_sustained if register else settings.invite_source_sustained
            alerts.append(Alert(rule, observation, _evidence(short if over & 1 else long)))
        if over_aor:
            alerts.append(Alert(REGISTER_AOR, observation, _evidence(settings.register_aor)))
        if over_any:
            alerts.append(Alert(ANY_SOURCE, observation, _evidence(settings.source)))
        if over or over_any:
            alerts += self._refused(observation)
        return alerts

    def _refused(self, observation: Observation) -> list[Alert]:
        """Whether what is too much is no good either, and of somebody who is where he says he is."""
        proven = observation.standing == _PROVEN or observation.proof == _OWN
        if not proven or observation.relieved or observation.standing == _TRUSTED:
            return []
        if observation.excused or observation.stalled:
            return []
        accepted, refused = self.outcomes.get(observation.source_key, observation.ts) or (0, 0)
        if refused <= accepted:
            return []
        return [Alert(REFUSED, observation, {"accepted": accepted, "refused": refused})]

    def _learn(self, observation: Observation, request: Request) -> None:
        """Refusals only of credentials on the sender's own nonce: nobody else can bring them upon him."""
        ts = observation.ts
        if request.taken:
            return
        good = observation.outcome == _ACCEPTED
        if not good and (observation.outcome != _REFUSED or request.proof != _OWN):
            return
        place = self.outcomes.find(request.source, ts)
        accepted = refused = 0
        if place >= 0:
            accepted, refused = self.outcomes.number(place, 0), self.outcomes.number(place, 1)
        if accepted + refused >= _LAST:
            accepted, refused = accepted // 2, refused // 2
        place = self.outcomes.keep(request.source, ts, ts + self._memory)
        if place >= 0:
            self.outcomes.fill_in(place, 0, accepted + good)
            self.outcomes.fill_in(place, 1, refused + (not good))


def _pairs(*limits: Limit) -> list[tuple[int, int]]:
    return [(limit.count, limit.seconds) for limit in limits]


def _evidence(limit: Limit) -> dict[str, str | int]:
    return {"limit": limit.count, "seconds": limit.seconds}
