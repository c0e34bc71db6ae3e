from dataclasses import replace

from sipsensor.export.events import Summary
from sipsensor.model import (
    Action,
    Alert,
    Confidence,
    Cut,
    Decision,
    Family,
    Observation,
    Reason,
    Rule,
    Scope,
    Verdict,
)
from tests.support.events import assert_valid
from tests.support.packets import message, wide
from tests.unit.export.events.conftest import TS, Judge

RULE = Rule(9001, "probe.test.rule", "Test", Family.PROBE, 5, Confidence.LOW, Action.DROP, Reason.LIMIT)
KEYS = [
    "packets",
    "sip_messages",
    "iax2_frames",
    "malformed",
    "accepted",
    "dropped",
    "drops_by_reason",
    "drops_by_src",
    "alerts_by_rule",
    "cuts",
    "sources",
    "first_time",
    "last_time",
    "elapsed_seconds",
    "packets_per_second",
]


def test_an_empty_replay_has_every_key() -> None:
    summary = Summary()
    event = summary.as_event(TS)
    assert_valid([event])
    assert list(event["summary"]) == KEYS
    assert event["timestamp"] == "2023-11-14T22:13:20.123456+00:00"
    assert event["summary"]["first_time"] is None
    assert event["summary"]["packets_per_second"] == 0


def test_drops_are_counted_by_reason_source_and_rule(judge: Judge) -> None:
    summary = Summary()
    for number in range(3):
        examined, decision = judge(message(change={"User-Agent": "friendly-scanner"}), number + 5)
        summary.count(examined, decision)
    examined, _ = judge(message())
    summary.count(examined, Decision(Verdict.DROP, Reason.BANNED))
    said = summary.as_object()
    assert said["drops_by_reason"] == {"BANNED": 1, "SIGNATURE": 3}
    assert said["drops_by_src"] == {"203.0.113.9": 4}
    assert said["alerts_by_rule"] == {"scanner.sipvicious.user-agent": 3}
    total = summary.rules["scanner.sipvicious.user-agent"]
    assert (total.alerts, total.dropped, len(total.sources), total.first_number) == (3, 3, 1, 5)


def test_an_alert_alone_is_no_drop(judge: Judge) -> None:
    examined, _ = judge(message())
    observation = Observation(object(), examined, 0, 0, 0, 0)
    summary = Summary()
    summary.count(examined, Decision(Verdict.ACCEPT, Reason.NONE, rule=RULE, alerts=(Alert(RULE, observation),)))
    assert summary.as_object()["alerts_by_rule"] == {"probe.test.rule": 1}
    assert summary.rules["probe.test.rule"].dropped == 0
    assert summary.as_object()["drops_by_src"] == {}


def test_the_hundred_worst_sources_are_named_and_the_rest_are_others(judge: Judge) -> None:
    examined = [judge(message(), src=f"198.51.100.{number}")[0] for number in range(150)]
    summary = Summary()
    for number, one in enumerate(examined):
        for _ in range(number + 1):
            summary.count(one, Decision(Verdict.DROP, Reason.LIMIT))
    drops = summary.as_object()["drops_by_src"]
    assert len(drops) == 101
    assert next(iter(drops)) == "198.51.100.149"
    assert drops["198.51.100.149"] == 150
    assert drops["other"] == sum(range(1, 51))
    assert_valid([summary.as_event(0)])


def test_memory_of_sources_is_bounded(judge: Judge) -> None:
    summary = Summary(sources_max=10)
    for number in range(30):
        examined, _ = judge(message(), src=f"198.51.100.{number}")
        summary.count(examined, Decision(Verdict.DROP, Reason.LIMIT))
        summary.sources_of_messages.add(examined.src)
        summary.bound()
    assert len(summary.drops_by_source) == 10
    assert len(summary.sources_of_messages) <= 10
    assert summary.sources == 30
    assert sum(summary.as_object()["drops_by_src"].values()) == 30


def test_a_source_counts_once_for_each_rule_that_fired_on_it(judge: Judge) -> None:
    other = replace(RULE, id=9002, slug="probe.test.other")
    summary = Summary(sources_max=2)
    for number in (1, 2, 1, 3, 1, 2, 3):
        examined, _ = judge(message(), src=f"198.51.100.{number}")
        observation = Observation(object(), examined, 0, 0, 0, 0)
        for rules in ((RULE,), (other, RULE), (RULE, other)):
            alerts = tuple(Alert(rule, observation) for rule in rules)
            summary.count(examined, Decision(Verdict.DROP, Reason.LIMIT, rule=RULE, alerts=alerts))
    kept = {wide("198.51.100.1"), wide("198.51.100.2")}
    first, second = summary.rules["probe.test.rule"], summary.rules["probe.test.other"]
    assert (first.sources, first.alerts, first.dropped) == (kept, 21, 21)
    assert (second.sources, second.alerts, second.dropped) == (kept, 14, 0)
    assert summary.top_sources() == ([("198.51.100.1", 9), ("198.51.100.2", 6)], 6)


def test_cuts_are_listed(judge: Judge) -> None:
    examined, _ = judge(message())
    cut = Cut(Scope.ACCOUNT, wide("192.0.2.7"), RULE, TS, TS + 600_000_000_000, b"ali\x00ce")
    network = Cut(Scope.NETWORK, wide("2001:db8::"), RULE, TS, TS + 1)
    summary = Summary()
    summary.count(examined, Decision(Verdict.DROP, Reason.LIMIT, rule=RULE, cuts=(cut, network)))
    first, second = summary.as_object()["cuts"]
    assert first == {
        "scope": "account",
        "src_ip": "192.0.2.7",
        "account": r"ali\x00ce",
        "rule": "probe.test.rule",
        "from": "2023-11-14T22:13:20.123456+00:00",
        "until": "2023-11-14T22:23:20.123456+00:00",
    }
    assert (second["src_ip"], second["account"]) == ("2001:db8::", None)
    assert_valid([summary.as_event(0)])


def test_the_span_covers_all_batches() -> None:
    summary = Summary()
    for first, last in ((50, 60), (10, 20), (30, 90_000_000_000)):
        summary.span(first, last)
    assert (summary.first_ts, summary.last_ts) == (10, 90_000_000_000)
    assert summary.as_event(0)["timestamp"] == "1970-01-01T00:01:30.000000+00:00"


def test_speed_is_packets_by_seconds() -> None:
    summary = Summary()
    summary.packets, summary.elapsed = 500, 0.25
    assert summary.as_object()["packets_per_second"] == 2000.0
