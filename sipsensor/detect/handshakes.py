"""Handshakes that are begun and never finished: requests that the PBX challenges, and whose sender never comes back with credentials.

Each such request costs the PBX a challenge and tells the sender whether somebody answers. It is charged on arrival to the ``address .
port``
it comes from, and given back when the PBX deals with it, or when credentials come on the nonce that went there. Beyond the limit requests
without credentials are dropped, never banned: an office that boots sends them again. An account that is known from that source is not
charged at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipsensor.detect.base import Observer
from sipsensor.fastpath import names, tables
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
    Table,
    When,
)
from sipsensor.track.challenges import Proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.detect.base import Services
    from sipsensor.model import Observation
    from sipsensor.track.transactions import Request

_BEGINS = tuple(
    names.METHODS.index(method)
    for method in (b"REGISTER", b"INVITE", b"OPTIONS", b"SUBSCRIBE", b"PUBLISH", b"MESSAGE", b"REFER", b"NOTIFY")
)


@dataclass(frozen=True, slots=True)
class HandshakesSettings:
    """How many requests a stranger may leave unfinished."""

    action: Action | None = field(
        default=None,
        metadata={
            "doc": "What all rules of this detector do, unless a rule says otherwise.",
            "unit": "off | alert | drop",
        },
    )
    sender: Limit = field(
        default=Limit(60, 60),
        metadata={
            "doc": "Unfinished handshakes of one address and port (IPv6: of one /64).",
            "unit": "count in seconds",
        },
    )
    entries: int = field(
        default=65_536, metadata={"doc": "Senders remembered at a time.", "unit": "entries", "low": 8, "high": 1 << 24}
    )


UNFINISHED = Rule(
    5003,
    "flood.handshake.unfinished",
    "Requests whose challenge is never answered",
    Family.FLOOD,
    3,
    Confidence.MEDIUM,
    Action.DROP,
    Reason.LIMIT,
    detector="handshakes",
)


_OUTBOUND, _REFUSED, _OWN = int(Direction.OUTBOUND), int(Outcome.REFUSED), int(Proof.OWN)


class Handshakes(Observer):
    """A budget of unfinished handshakes for each sender."""

    name = "handshakes"
    settings_type = HandshakesSettings
    rules = (UNFINISHED,)
    interests = (
        Interest(When.JUDGE, AppProtocol.SIP, Direction.INBOUND, _BEGINS),
        Interest(When.LEARN, AppProtocol.SIP, Direction.OUTBOUND, range(WHAT_STATUS + 1, WHAT_STATUS + 7)),
    )

    def __init__(self, settings: HandshakesSettings, _services: Services | None = None) -> None:
        self.settings = settings
        self.senders = tables.RateTable(settings.entries, [(settings.sender.count, settings.sender.seconds)])

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """One begins: charge it. It is finished: give it back."""
        if observation.direction == _OUTBOUND:
            if observation.request is not None:
                self._answered(observation, observation.request)
            return ()
        if observation.relieved or observation.excused or observation.repeats:
            return ()
        if observation.has_credentials:
            if observation.proof == _OWN:
                self.senders.refund(observation.sender_key, observation.ts)
            return ()
        if not self.senders.charge(observation.sender_key, observation.ts):
            return ()
        limit = self.settings.sender
        return (Alert(UNFINISHED, observation, {"limit": limit.count, "seconds": limit.seconds}),)

    def _answered(self, observation: Observation, request: Request) -> None:
        if not request.account and not request.taken and (observation.harmless or observation.outcome == _REFUSED):
            self.senders.refund(request.sender, observation.ts)

    def tables(self) -> Sequence[Table]:
        """The budgets."""
        return [Table.of("handshakes", self.senders)]

    def tick(self, now: int) -> None:
        """Budgets fill up by themselves."""
