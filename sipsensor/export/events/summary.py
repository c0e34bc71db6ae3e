"""The totals of a replay: the ``summary`` object of DESIGN 8, and what the table shows besides."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sipsensor.export.events.build import timestamp
from sipsensor.export.events.lasting import address_text
from sipsensor.export.events.text import shown, without_secrets
from sipsensor.fastpath import examine
from sipsensor.model import Cut, Decision, Reason, Rule, Verdict

TOP_SOURCES = 100
SOURCES_MAX = 1 << 17
"""Sources told apart; those beyond are counted together under "other". One costs some 350 bytes, and a replay must do with
150 MB for a file of any size."""

CUTS_MAX = 10_000
"""Cuts listed one by one."""
_DROP = Verdict.DROP


class RuleTotal:
    """What one rule did in a replay."""

    __slots__ = ("alerts", "dropped", "first_number", "first_ts", "rule", "sources")

    def __init__(self, rule: Rule, examined: examine.Examined) -> None:
        self.rule = rule
        self.alerts = 0
        self.dropped = 0
        """Packets that this rule answers for."""
        self.first_number: int = examined.number
        self.first_ts: int = examined.ts
        self.sources: set[bytes] = set()


class SourceTotal:
    """What was dropped of one source."""

    __slots__ = ("drops", "name", "rule")

    def __init__(self, name: str) -> None:
        self.name = name
        self.drops = 0
        self.rule: Rule | None = None
        """The last whose sources this one is known to be among."""


class Summary:
    """Counts a replay. Verdicts are the policy's, whatever the mode."""

    def __init__(self, sources_max: int = SOURCES_MAX) -> None:
        self._sources_max = sources_max
        self.packets = 0
        self.sip_messages = 0
        self.iax2_frames = 0
        self.malformed = 0
        self.errors = 0
        self.accepted = 0
        self.dropped = 0
        self.first_ts: int | None = None
        self.last_ts: int | None = None
        self.elapsed = 0.0
        self.drops_by_reason: Counter[Reason] = Counter()
        self.rules: dict[str, RuleTotal] = {}
        self.cuts: list[dict[str, Any]] = []
        self.drops_by_source: dict[bytes, SourceTotal] = {}
        self._other_drops = 0
        self._forgotten_sources = 0
        self.sources_of_messages: set[bytes] = set()

    def count(self, examined: examine.Examined, decision: Decision) -> None:
        """One packet that was dropped, or on which a rule fired."""
        source = examined.src
        known = self._drop(examined, decision, source) if decision.verdict is _DROP else None
        if decision.cuts:
            self.cuts += [_cut(cut) for cut in decision.cuts[: CUTS_MAX - len(self.cuts)]]
        for alert in decision.alerts:
            rule = alert.rule
            total = self.rules.get(rule.slug)
            if total is None:
                total = self.rules[rule.slug] = RuleTotal(rule, examined)
            total.alerts += 1
            if rule is decision.rule and decision.verdict is _DROP:
                total.dropped += 1
            if known is not None:
                if known.rule is rule:
                    continue
                known.rule = rule
            if len(total.sources) < self._sources_max:
                total.sources.add(source)

    def _drop(self, examined: examine.Examined, decision: Decision, source: bytes) -> SourceTotal | None:
        """None for a source that is not told apart."""
        self.drops_by_reason[decision.reason] += 1
        known = self.drops_by_source.get(source)
        if known is None:
            if len(self.drops_by_source) >= self._sources_max:
                self._other_drops += 1
                return None
            known = self.drops_by_source[source] = SourceTotal(examined.src_text)
        known.drops += 1
        return known

    def span(self, first_ts: int, last_ts: int) -> None:
        """The time that a batch of packets covers."""
        self.first_ts = first_ts if self.first_ts is None else min(first_ts, self.first_ts)
        self.last_ts = last_ts if self.last_ts is None else max(last_ts, self.last_ts)

    @property
    def sources(self) -> int:
        """Addresses that sent a message; not exact above ``SOURCES_MAX``."""
        return len(self.sources_of_messages) + self._forgotten_sources

    def bound(self) -> None:
        """Forget sources beyond the cap; they stay counted, and are counted again when they come back. To be called
        now and then.
        """
        if len(self.sources_of_messages) > self._sources_max:
            self._forgotten_sources += len(self.sources_of_messages)
            self.sources_of_messages.clear()

    def top_sources(self, most: int = TOP_SOURCES) -> tuple[list[tuple[str, int]], int]:
        """The addresses with the most dropped packets, and the drops of all others together."""
        ranked = sorted(self.drops_by_source.items(), key=lambda item: (-item[1].drops, item[0]))
        rest = sum(source.drops for _, source in ranked[most:]) + self._other_drops
        return [(source.name, source.drops) for _, source in ranked[:most]], rest

    @property
    def packets_per_second(self) -> float:
        """Packets by elapsed seconds; 0.0 when no time passed."""
        return self.packets / self.elapsed if self.elapsed > 0 else 0.0

    def as_object(self) -> dict[str, Any]:
        """The object ``summary`` as it is written."""
        top, other = self.top_sources()
        drops_by_src = dict(top)
        if other:
            drops_by_src["other"] = other
        return {
            "packets": self.packets,
            "sip_messages": self.sip_messages,
            "iax2_frames": self.iax2_frames,
            "malformed": self.malformed,
            "accepted": self.accepted,
            "dropped": self.dropped,
            "drops_by_reason": {str(reason): count for reason, count in sorted(self.drops_by_reason.items())},
            "drops_by_src": drops_by_src,
            "alerts_by_rule": {slug: self.rules[slug].alerts for slug in sorted(self.rules)},
            "cuts": self.cuts,
            "sources": self.sources,
            "first_time": None if self.first_ts is None else timestamp(self.first_ts),
            "last_time": None if self.last_ts is None else timestamp(self.last_ts),
            "elapsed_seconds": round(self.elapsed, 6),
            "packets_per_second": round(self.packets_per_second, 1),
        }

    def as_event(self, now: int) -> dict[str, Any]:
        """The last line of a replay. ``now`` (ns since the epoch) stands in where there was no packet."""
        return {
            "timestamp": timestamp(now if self.last_ts is None else self.last_ts),
            "event_type": "summary",
            "summary": self.as_object(),
        }


def _cut(cut: Cut) -> dict[str, Any]:
    return {
        "scope": str(cut.scope),
        "src_ip": address_text(cut.address),
        "account": None if cut.account is None else shown(without_secrets(cut.account)),
        "rule": cut.rule.slug,
        "from": timestamp(cut.since),
        "until": timestamp(cut.until),
    }
