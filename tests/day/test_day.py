"""A benign day: nothing good is dropped, in enforce mode, with the settings that are shipped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from sipsensor.app import REPLAY_SEED, build_engine
from sipsensor.config.load import defaults
from sipsensor.model import NANOSECONDS, Cut, Mode, Scope
from tests.day.site import PROTECTED, Plan, Site

ALERTS_MOST = 5


@dataclass
class Outcome:
    """What became of a day. ``alerts`` are counted once for each rule and source."""

    packets: int = 0
    good_dropped: list[str] = field(default_factory=list)
    bad_dropped: Counter[str] = field(default_factory=Counter)
    alerts: Counter[tuple[str, str]] = field(default_factory=Counter)
    cuts: list[Cut] = field(default_factory=list)


def judged(site: Site) -> Outcome:
    """The day as the engine sees it."""
    engine = build_engine(defaults(), mode=Mode.ENFORCE, protected=[PROTECTED], seed=REPLAY_SEED)
    outcome, due = Outcome(), 0
    for sent, packet in site.packets():
        decision = engine.process(packet)
        outcome.packets += 1
        if packet.ts >= due:
            engine.tick(packet.ts)
            due = packet.ts + NANOSECONDS
        outcome.cuts += decision.cuts
        for alert in decision.alerts:
            outcome.alerts[alert.rule.slug, sent.source if sent.inbound else sent.target] += 1
        if not decision.effect:
            continue
        sent.dropped = True
        if sent.bad:
            outcome.bad_dropped[sent.who] += 1
        else:
            first = sent.payload.split(b"\r\n", 1)[0].decode()
            rule = decision.rule.slug if decision.rule else ""
            outcome.good_dropped.append(f"{site.clock.seconds:.0f} s: {sent.who}: {first}: {decision.reason} {rule}")
    assert not engine.counters.errors
    assert not engine.safety.tripped
    return outcome


def assert_benign(site: Site, outcome: Outcome) -> None:
    """What the day promises, however long it is."""
    assert not outcome.good_dropped, outcome.good_dropped[:5]
    assert {cut.scope for cut in outcome.cuts} <= {Scope.ACCOUNT}
    wrong = {phone.account for phone in (*site.wrong, *site.corrected)}
    assert {(cut.account or b"").decode().removeprefix("auth-").rstrip("x") for cut in outcome.cuts} <= wrong
    # Each is a phone whose password is or was wrong: it guesses; once it is right that is worth a word, too.
    assert {slug for slug, _ in outcome.alerts} <= {"guessing.account.source", "guessing.account.success"}
    assert len(outcome.alerts) <= ALERTS_MOST, outcome.alerts
    assert [phone.who for phone in site.corrected if not 0 <= phone.waited <= 60] == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_hour_of_sixty_phones(seed: int) -> None:
    site = Site(Plan(phones=60, hours=1, begins=9), seed=seed)
    outcome = judged(site)
    assert outcome.packets > 3_000
    assert outcome.bad_dropped  # who goes on with a wrong password is cut
    assert_benign(site, outcome)


def test_the_day_is_the_same_each_time() -> None:
    def said() -> list[tuple[int, bytes]]:
        return [(packet.ts, packet.data) for _, packet in Site(Plan(phones=30, hours=0.2, begins=9), seed=4).packets()]

    assert said() == said()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_day_of_a_thousand_phones() -> None:
    site = Site(Plan())
    outcome = judged(site)
    assert outcome.packets >= 500_000
    assert_benign(site, outcome)
