"""What is measured without a network is measured over packets that are judged to the end."""

from __future__ import annotations

import dataclasses

import pytest

from sipsensor.bench import offline, traffic
from sipsensor.bench.offline import engine_for, medians, unlimited
from sipsensor.config.load import defaults
from sipsensor.config.settings import TrustSettings
from sipsensor.model import Arrival, Limit, Packet


def test_no_budget_is_spent() -> None:
    engine = engine_for(defaults())
    for number, (phone, payload) in enumerate(traffic.strangers(3_000)):
        packet = Packet(10**18 + number * 1_000, traffic.inbound(phone, payload), offline.LINK, arrival=Arrival.INBOUND)
        decision = engine.process(packet)
        assert not decision.verdict
        assert not decision.alerts
    assert engine.counters.sip_messages == 3_000


def test_the_default_budgets_would_be() -> None:
    wide = unlimited(defaults())
    for name, section in defaults().detectors.items():
        for each in dataclasses.fields(section):
            before, after = getattr(section, each.name), getattr(wide.detectors[name], each.name)
            if isinstance(before, Limit):
                assert after == Limit(offline.ENOUGH, before.seconds)
            else:
                assert after == before


def test_nobody_is_exempt_because_the_operator_says_so() -> None:
    listed = dataclasses.replace(defaults(), trust=dataclasses.replace(TrustSettings(), allowlist=("127.0.0.0/8",)))
    assert unlimited(listed).trust.allowlist == ()


def test_rounds_take_turns_and_the_middle_one_counts() -> None:
    order: list[str] = []
    costs = {"a": iter((9.0, 1.0, 5.0, 3.0)), "b": iter((9.0, 2.0, 2.0, 8.0))}

    def of(name: str) -> offline.Round:
        def one() -> tuple[int, float]:
            order.append(name)
            return 1000, next(costs[name]) / 1000

        return one

    assert medians({"a": of("a"), "b": of("b")}, times=3) == pytest.approx({"a": 3.0, "b": 2.0})
    assert order == ["a", "b"] * 4


def test_each_part_has_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "PACKETS", 50)
    monkeypatch.setattr(offline, "FILE_PACKETS", 200)
    found = {**offline.packets(defaults()), **offline.files(defaults())}
    assert list(found) == ["split", "examine", "judge", "read", "replay"]
    assert found["judge"] > found["examine"] > 0
    assert found["replay"] > found["read"] > 0
