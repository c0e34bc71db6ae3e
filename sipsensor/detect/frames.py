"""Frames of IAX2 that cost the PBX an answer and come from nobody it knows: POKE, beginnings of calls, frames of no call, firmware
(threats.md BH-26 to BH-33).

All of it can be sent in anybody's name, so what is over a limit dies, and nobody is cut for it. Who is trusted is not limited here. Media
is let through where the PBX speaks to that end itself: after a restart calls go on that nobody saw begin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipsensor.detect.base import Observer
from sipsensor.fastpath import iax2, tables
from sipsensor.model import (
    WHAT_MALFORMED,
    Action,
    Alert,
    AppProtocol,
    Confidence,
    Direction,
    Family,
    Interest,
    Limit,
    Reason,
    Rule,
    Standing,
    Table,
    When,
)
from sipsensor.protocols.iax2.words import subclass_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.detect.base import Services
    from sipsensor.model import Bounded, Observation

_POKE, _NEW, _REGREQ, _REGREL, _FWDOWNL = (
    subclass_number(name) for name in ("POKE", "NEW", "REGREQ", "REGREL", "FWDOWNL")
)
_BEGINS = frozenset((_NEW, _REGREQ, _REGREL))
_ODD = frozenset(
    subclass_number(name)
    for name in ("DPREQ", "DIAL", "TXREQ", "TXCNT", "TXREL", "PAGE", "TRANSFER", "PROVISION", "FWDATA", "RTKEY")
)
"""What a phone or a trunk never sends to a PBX that does not know it."""
_MEDIA = frozenset((iax2.WHAT_MINI, iax2.WHAT_VIDEO_MINI, iax2.WHAT_TRUNK, iax2.WHAT_VOICE))
_SAME = Limit(10, 10)
"""The same frame: Asterisk sends one at most five times, and takes 15 s for that."""
_MALFORMED = WHAT_MALFORMED


@dataclass(frozen=True, slots=True)
class FramesSettings:
    """How many frames of IAX2 from one sender (address and port; IPv6: one /64) reach the PBX that nobody there needs."""

    action: Action | None = field(
        default=None,
        metadata={
            "doc": "What all rules of this detector do, unless a rule says otherwise.",
            "unit": "off | alert | drop",
        },
    )
    pokes: Limit = field(
        default=Limit(10, 10),
        metadata={"doc": "POKE: each is answered (an honest peer sends one a minute).", "unit": "count in seconds"},
    )
    calls: Limit = field(default=Limit(20, 10), metadata={"doc": "NEW.", "unit": "count in seconds"})
    calls_sustained: Limit = field(
        default=Limit(100, 60),
        metadata={
            "doc": "The same over a longer time: below what takes all numbers that Asterisk gives one address.",
            "unit": "count in seconds",
        },
    )
    tokens: Limit = field(
        default=Limit(20, 10),
        metadata={
            "doc": "Calls and registrations begun without a call token of the PBX, less those that follow with one.",
            "unit": "count in seconds",
        },
    )
    unknown: Limit = field(
        default=Limit(20, 10),
        metadata={"doc": "Frames of calls that nobody began: each is answered with INVAL.", "unit": "count in seconds"},
    )
    entries: int = field(
        default=65_536, metadata={"doc": "Senders remembered at a time.", "unit": "entries", "low": 8, "high": 1 << 24}
    )


def _rule(number: int, slug: str, name: str, action: Action = Action.DROP, reason: Reason = Reason.LIMIT) -> Rule:
    family = Family(slug.split(".", 1)[0])
    return Rule(number, slug, name, family, 3, Confidence.MEDIUM, action, reason, detector="frames")


POKES = _rule(5026, "flood.iax2.poke", "POKE flood from one sender")
CALLS = _rule(5027, "flood.iax2.new", "NEW flood from one sender")
TOKENS = _rule(5030, "flood.iax2.token", "Calls and registrations begun without a call token")
FIRMWARE = _rule(5031, "reflection.iax2.firmware", "Firmware asked for by a stranger", reason=Reason.SIGNATURE)
ODD = _rule(5032, "iax2.control.odd", "A frame that no stranger needs", Action.ALERT)
UNKNOWN = _rule(5132, "iax2.call.unknown", "Frames of calls that nobody began")
REPEATED = _rule(5033, "iax2.frame.repeated", "The same frame again and again")
BROKEN = _rule(4031, "malformed.iax2.frame", "Frame of IAX2 that cannot be read", reason=Reason.MALFORMED)


class Frames(Observer):
    """Leaky buckets for each sender."""

    name = "frames"
    settings_type = FramesSettings
    rules = (POKES, CALLS, TOKENS, FIRMWARE, ODD, UNKNOWN, REPEATED, BROKEN)
    interests = (
        Interest(When.JUDGE, AppProtocol.IAX2, Direction.INBOUND, standings=(Standing.STRANGER, Standing.PROVEN)),
    )

    def __init__(self, settings: FramesSettings, _services: Services | None = None) -> None:
        self.settings = settings
        entries = settings.entries
        self.pokes = tables.RateTable(entries, _pairs(settings.pokes))
        self.calls = tables.RateTable(entries, _pairs(settings.calls, settings.calls_sustained))
        self.tokens = tables.RateTable(entries, _pairs(settings.tokens))
        self.same = tables.RateTable(entries, _pairs(_SAME))
        self.unknown = tables.RateTable(entries, _pairs(settings.unknown))

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """What is too much of this sender, or nothing that he needs."""
        what = observation.what
        if what == _MALFORMED:
            # Of a call that is encrypted nothing can be read but its number.
            shape = {"shape": observation.message.reason, "offset": observation.message.offset}
            return () if observation.in_call else (Alert(BROKEN, observation, shape),)
        if observation.once_key and self.same.charge(observation.once_key, observation.ts):
            return (Alert(REPEATED, observation, _evidence(_SAME)),)
        if what == _POKE:
            return _over(POKES, observation, self.pokes, self.settings.pokes)
        if what in _BEGINS:
            return self._begins(observation)
        if what == _FWDOWNL:
            return (Alert(FIRMWARE, observation),)
        if observation.in_call:
            return ()
        if what in _ODD:
            return (Alert(ODD, observation), *_over(UNKNOWN, observation, self.unknown, self.settings.unknown))
        return _over(UNKNOWN, observation, self.unknown, self.settings.unknown)

    def tables(self) -> Sequence[Table]:
        """A table of buckets for each limit."""
        held: dict[str, Bounded] = {
            "frames_pokes": self.pokes,
            "frames_calls": self.calls,
            "frames_tokens": self.tokens,
            "frames_unknown": self.unknown,
            "frames_same": self.same,
        }
        return [Table.of(name, table) for name, table in held.items()]

    def tick(self, now: int) -> None:
        """Buckets leak by themselves."""

    def _begins(self, observation: Observation) -> Sequence[Alert]:
        """A call or a registration begins, or goes on with the token that it asked for."""
        if observation.repeats:
            return ()
        if observation.message.frame.destination_call:
            # It goes on with a call. Guesses have budgets of their own.
            known = observation.in_call and observation.has_credentials
            return () if known else _over(UNKNOWN, observation, self.unknown, self.settings.unknown)
        if observation.connected:
            self.tokens.refund(observation.sender_key, observation.ts)
        else:
            found = _over(TOKENS, observation, self.tokens, self.settings.tokens)
            if found:
                return found
        if observation.what != _NEW or observation.message.token == b"":
            return ()
        over = self.calls.charge(observation.sender_key, observation.ts)
        if not over:
            return ()
        limit = self.settings.calls if over & 1 else self.settings.calls_sustained
        return (Alert(CALLS, observation, _evidence(limit)),)


def _over(rule: Rule, observation: Observation, table: tables.RateTable, limit: Limit) -> Sequence[Alert]:
    if not table.charge(observation.sender_key, observation.ts):
        return ()
    return (Alert(rule, observation, _evidence(limit)),)


def _evidence(limit: Limit) -> dict[str, str | int]:
    return {"limit": limit.count, "seconds": limit.seconds}


def _pairs(*limits: Limit) -> list[tuple[int, int]]:
    return [(limit.count, limit.seconds) for limit in limits]
