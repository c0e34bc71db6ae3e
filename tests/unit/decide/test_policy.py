import pytest

from sipsensor.decide.policy import Policy, severest
from sipsensor.decide.trust import Trust
from sipsensor.fastpath.ranges import Networks
from sipsensor.model import Action, Alert, Confidence, Decision, Mode, Observation, Reason, Rule, Verdict
from tests.support.engines import rule
from tests.support.packets import message
from tests.support.scanning import examine

ACCEPT, DROP = Verdict.ACCEPT, Verdict.DROP
OBSERVATION = Observation(None, examine(message()), 0, 0, 0, 0)
DROPS = rule("probe.a.drop", number=9001)
ALERTS = rule("probe.a.alert", number=9002, action=Action.ALERT)


def policy(mode: Mode = Mode.ENFORCE, **actions: Action) -> Policy:
    return Policy(mode, Trust(Networks()), {slug.replace("_", "."): action for slug, action in actions.items()})


def decide(one: Policy, *rules: Rule) -> Decision:
    return one.decide(OBSERVATION, [Alert(each, OBSERVATION) for each in rules])


def test_without_alerts_a_message_is_accepted() -> None:
    decision = decide(policy())
    assert (decision.verdict, decision.reason, decision.rule, decision.alerts) == (ACCEPT, Reason.NONE, None, ())
    assert decision.observation is OBSERVATION


def test_a_rule_that_alerts_accepts_and_is_named() -> None:
    decision = decide(policy(), ALERTS)
    assert (decision.verdict, decision.effect, decision.reason, decision.rule) == (ACCEPT, ACCEPT, Reason.NONE, ALERTS)
    assert [alert.rule for alert in decision.alerts] == [ALERTS]


def test_a_rule_that_drops_takes_the_others_along() -> None:
    decision = decide(policy(), ALERTS, DROPS)
    assert (decision.verdict, decision.effect, decision.reason, decision.rule) == (DROP, DROP, Reason.SIGNATURE, DROPS)
    assert [alert.rule for alert in decision.alerts] == [ALERTS, DROPS]


def test_observe_says_what_enforce_does() -> None:
    decision = decide(policy(Mode.OBSERVE), DROPS)
    assert (decision.verdict, decision.effect, decision.reason) == (DROP, ACCEPT, Reason.SIGNATURE)


@pytest.mark.parametrize(
    ("action", "verdict", "alerts"), [(Action.OFF, ACCEPT, 0), (Action.ALERT, ACCEPT, 1), (Action.DROP, DROP, 1)]
)
def test_the_operator_says_what_a_rule_does(action: Action, verdict: Verdict, alerts: int) -> None:
    for each in (DROPS, ALERTS):
        one = Policy(Mode.ENFORCE, Trust(Networks()), {each.slug: action})
        decision = decide(one, each)
        assert (decision.verdict, len(decision.alerts)) == (verdict, alerts)
        assert one.action_of(each) is action
    assert policy().action_of(DROPS) is Action.DROP


def test_a_rule_that_is_off_is_not_heard_beside_others() -> None:
    decision = decide(policy(probe_a_drop=Action.OFF), DROPS, ALERTS)
    assert (decision.verdict, [alert.rule for alert in decision.alerts]) == (ACCEPT, [ALERTS])


@pytest.mark.parametrize("order", [1, -1])
def test_the_surest_rule_answers(order: int) -> None:
    unsure = rule("probe.b.x", number=9003, confidence=Confidence.MEDIUM, severity=1, reason=Reason.LIMIT)
    sure = rule("probe.b.y", number=9004, severity=3)
    worse = rule("probe.b.z", number=9005, severity=1, reason=Reason.MALFORMED)
    assert decide(policy(), *[unsure, sure][::order]).rule is sure
    assert decide(policy(), *[unsure, sure, worse][::order]).reason is Reason.MALFORMED


def test_of_equals_the_first_answers() -> None:
    first, second = rule("probe.c.x", number=9006), rule("probe.c.y", number=9007)
    assert decide(policy(), first, second).rule is first


def test_exempt_and_drop() -> None:
    assert policy().exempt(OBSERVATION).reason is Reason.ALLOWLISTED
    dropped = policy(Mode.OBSERVE).drop(Reason.SPOOFED)
    assert (dropped.verdict, dropped.effect, dropped.reason, dropped.rule) == (DROP, ACCEPT, Reason.SPOOFED, None)


def test_the_severest_of_several_decisions_has_the_alerts_of_all() -> None:
    one = policy()
    mild, bad, worse = decide(one, ALERTS), decide(one, DROPS), decide(one, rule("probe.d.x", number=9008, severity=1))
    clean = decide(one)
    for decisions in ([clean, mild, bad, worse], [worse, bad, mild, clean]):
        found = severest(
            [Decision(d.verdict, d.reason, rule=d.rule, alerts=d.alerts, observation=d.observation) for d in decisions]
        )
        assert found.verdict is DROP
        assert found.rule is worse.rule
        assert sorted(alert.rule.id for alert in found.alerts) == [9001, 9002, 9008]
    assert severest([clean]) is clean
    assert severest([clean, mild]).rule is ALERTS
