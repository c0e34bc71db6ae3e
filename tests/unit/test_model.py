from sipsensor.model import (
    DROP_REASONS,
    KIND_WHATS,
    KINDS,
    WHAT_MALFORMED,
    WHAT_STATUS,
    Action,
    Alert,
    AppProtocol,
    Arrival,
    Confidence,
    Decision,
    Direction,
    Family,
    Observation,
    Packet,
    Reason,
    Rule,
    Standing,
    Verdict,
    kind_of,
)
from tests.support.packets import message
from tests.support.scanning import examine


def test_every_kind_has_a_number_of_its_own() -> None:
    kinds = {
        kind_of(protocol, direction, standing, what)
        for protocol in AppProtocol
        for direction in Direction
        for standing in Standing
        for what in range(KIND_WHATS)
    }
    assert kinds == set(range(KINDS))


def test_methods_status_classes_and_malformed_do_not_meet() -> None:
    assert max(range(15)) < WHAT_STATUS + 1
    assert WHAT_STATUS + 7 < WHAT_MALFORMED < KIND_WHATS


def test_the_reasons_of_drops_are_those_of_the_design() -> None:
    assert (
        " ".join(DROP_REASONS)
        == "SIGNATURE MALFORMED SPOOFED LIMIT ACCOUNT SHIELD BANNED FLOW OVERLOAD UNINSPECTED ERROR"
    )
    assert set(Reason) - set(DROP_REASONS) == {Reason.NONE, Reason.ALLOWLISTED, Reason.INCOMPLETE, Reason.NOT_OURS}


def test_a_packet_was_as_long_as_it_is_unless_told() -> None:
    assert Packet(1, b"abc", 101).wire_length == 3
    assert Packet(1, b"abc", 101, wire_length=9).wire_length == 9
    assert Packet(1, b"abc", 101).arrival is Arrival.UNKNOWN


def test_an_observation_takes_time_and_transaction_from_what_was_examined_and_knows_nothing_else() -> None:
    e = examine(message())
    observation = Observation(None, e, AppProtocol.SIP, Direction.INBOUND, 3, Standing.STRANGER)
    assert (observation.transaction, observation.ts) == (e.transaction_key, e.ts)
    keys = ("source_key", "port_key", "sender_key", "account_key", "pair_key", "name_key", "call_key", "once_key")
    assert {getattr(observation, name) for name in keys} == {0}
    flags = ("has_credentials", "known", "relieved", "offender", "stalled", "blind", "excused", "spared", "harmless")
    assert not any(getattr(observation, name) for name in flags)
    assert (observation.outcome, observation.proof, observation.request, observation.grant) == (0, 0, None, None)


def test_a_decision_starts_without_cuts_and_grants() -> None:
    decision = Decision(Verdict.ACCEPT, Reason.NONE)
    assert (decision.alerts, decision.cuts, decision.grants) == ((), (), ())


def test_the_effect_is_the_verdict_unless_told() -> None:
    assert Decision(Verdict.DROP, Reason.LIMIT).effect is Verdict.DROP
    assert Decision(Verdict.DROP, Reason.LIMIT, effect=Verdict.ACCEPT).effect is Verdict.ACCEPT


def test_an_alert_starts_without_evidence_of_its_own() -> None:
    rule = Rule(9001, "probe.x.y", "x", Family.PROBE, 3, Confidence.LOW, Action.ALERT, Reason.LIMIT)
    observation = Observation(None, examine(message()), 0, 0, 0, 0)
    one, other = Alert(rule, observation), Alert(rule, observation)
    one.evidence["x"] = 1
    assert other.evidence == {}
    assert rule.spoofable
