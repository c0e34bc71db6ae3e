"""Alerts to one decision: verdict, reason, the one rule that answers for it.

Of several rules that want to drop, the surest answers: high confidence before the rest, then severity, then the order of the detectors.
``verdict`` is what the policy says, whatever the mode; ``effect`` is what becomes of the packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.model import Action, Confidence, Decision, Mode, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sipsensor.decide.trust import Trust
    from sipsensor.model import Alert, Observation, Rule

_ACCEPT, _DROP = Verdict.ACCEPT, Verdict.DROP
_NONE, _ENFORCE = Reason.NONE, Mode.ENFORCE
_OFF, _DROPS = Action.OFF, Action.DROP


class Policy:
    """``actions`` overrides what rules do, by slug; a detector's own setting is already resolved into it by whoever builds this."""

    def __init__(self, mode: Mode, trust: Trust, actions: Mapping[str, Action] | None = None) -> None:
        self.mode = mode
        self.trust = trust
        self.actions = dict(actions or {})

    def action_of(self, rule: Rule) -> Action:
        """What this rule does here."""
        return self.actions.get(rule.slug, rule.action) if self.actions else rule.action

    def decide(self, observation: Observation, alerts: Sequence[Alert], tipped: Alert | None = None) -> Decision:
        """The decision on one message. ``tipped`` is an alert that drops though its rule alone would not: its score is reached."""
        if not alerts:
            return self.accept(observation)
        standing, worst, dropping = [], None, None
        for alert in alerts:
            action = self.action_of(alert.rule)
            if action is _OFF:
                continue
            standing.append(alert)
            if alert is tipped or action is _DROPS:
                dropping = _worse(dropping, alert.rule)
            worst = _worse(worst, alert.rule)
        if dropping is not None:
            return self.drop(dropping.reason, dropping, tuple(standing), observation)
        decision = self.accept(observation)
        decision.rule, decision.alerts = worst, tuple(standing)
        return decision

    def accept(self, observation: Observation) -> Decision:
        """Nothing is said of it."""
        decision = Decision.__new__(Decision)
        decision.begin(_ACCEPT, _NONE, observation)
        return decision

    def drop(
        self,
        reason: Reason,
        rule: Rule | None = None,
        alerts: tuple[Alert, ...] = (),
        observation: Observation | None = None,
    ) -> Decision:
        """A drop, which in observe mode is only said."""
        decision = Decision.__new__(Decision)
        decision.begin(_DROP, reason, observation)
        decision.rule, decision.alerts = rule, alerts
        decision.effect = self.effect(_DROP)
        return decision

    def spare(self, decision: Decision) -> Decision:
        """The same alerts, and the packet goes through: whom ``Trust.spares``."""
        return Decision(
            _ACCEPT, Reason.NONE, rule=decision.rule, alerts=decision.alerts, observation=decision.observation
        )

    def exempt(self, observation: Observation) -> Decision:
        """The decision on a message of an allowlisted source."""
        return Decision(_ACCEPT, Reason.ALLOWLISTED, observation=observation)

    def effect(self, verdict: Verdict) -> Verdict:
        """What becomes of a packet with this verdict."""
        return verdict if self.mode is _ENFORCE else _ACCEPT


def _worse(one: Rule | None, other: Rule) -> Rule:
    """The one that answers for both; the first where nothing tells them apart."""
    return other if one is None or _rank(other) < _rank(one) else one


def _rank(rule: Rule) -> tuple[bool, int]:
    return (rule.confidence is not Confidence.HIGH, rule.severity)


def severest(decisions: Sequence[Decision]) -> Decision:
    """The one decision on a packet with several messages: the severest, with the alerts and cuts of all."""
    if len(decisions) == 1:
        return decisions[0]
    worst = min(
        decisions, key=lambda decision: (-decision.verdict, _rank(decision.rule) if decision.rule else (True, 9))
    )
    worst.alerts = tuple(alert for decision in decisions for alert in decision.alerts)
    worst.cuts = tuple(cut for decision in decisions for cut in decision.cuts)
    worst.grants = tuple(grant for decision in decisions for grant in decision.grants)
    worst.uncuts = tuple(cut for decision in decisions for cut in decision.uncuts)
    return worst
