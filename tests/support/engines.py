"""Engines for tests: the real rooms with a few detectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sipsensor.decide.ledger import Ladder, Ledger
from sipsensor.decide.policy import Policy
from sipsensor.decide.safety import Net, Safety
from sipsensor.decide.trust import Trust
from sipsensor.detect.base import Detector, Observer
from sipsensor.engine import Engine
from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.ranges import Networks
from sipsensor.model import (
    Action,
    Alert,
    AppProtocol,
    Confidence,
    Family,
    Interest,
    Mode,
    Observation,
    Reason,
    Rule,
    Table,
    Verdict,
    When,
)
from sipsensor.protocols.base import View
from sipsensor.reassembly.assembler import Assembler
from sipsensor.track.direction import Directions
from sipsensor.track.ends import Ends
from sipsensor.track.standing import Standings
from sipsensor.track.tracker import Tracker
from tests.support.packets import PBX, PBX6
from tests.support.scanning import SEED

Judge = Callable[[Observation], Sequence[Alert]]
PROTECTED = (PBX, PBX6)
EVERYTHING = (Interest(When.JUDGE, AppProtocol.SIP),)
LEARN = (Interest(When.LEARN, AppProtocol.SIP),)


class Broken(Tracker):
    """Fails on every message."""

    def track(self, message: View, examined: Examined) -> Observation:  # noqa: ARG002
        raise RuntimeError("on\npurpose")


@dataclass(frozen=True)
class NoSettings:
    """Of a detector that has none."""


class Watcher(Observer):
    """A detector that remembers what it saw and answers with what it was told to."""

    name = "watcher"
    shape = False
    settings_type = NoSettings

    def __init__(self, answer: Judge | None = None, interests: Sequence[Interest] = EVERYTHING) -> None:
        self.answer = answer
        self.interests = interests
        self.rules: Sequence[Rule] = ()
        self.seen: list[Observation] = []
        self.ticks: list[int] = []

    def observe(self, observation: Observation) -> Sequence[Alert]:
        self.seen.append(observation)
        return self.answer(observation) if self.answer else ()

    def tables(self) -> Sequence[Table]:
        return ()

    def tick(self, now: int) -> None:
        self.ticks.append(now)


def rule(
    slug: str = "probe.test.rule",
    *,
    number: int = 9001,
    action: Action = Action.DROP,
    confidence: Confidence = Confidence.HIGH,
    severity: int = 2,
    reason: Reason = Reason.SIGNATURE,
) -> Rule:
    return Rule(number, slug, slug, Family.PROBE, severity, confidence, action, reason)


def always(*rules: Rule) -> Judge:
    """Every rule fires on everything."""
    return lambda observation: [Alert(one, observation) for one in rules]


def ignore(_examined: Examined, _error: BaseException) -> None:
    """Reports nothing."""


def engine(  # noqa: PLR0913  (the rooms of the house, by name)
    *detectors: Detector,
    mode: Mode = Mode.ENFORCE,
    protected: Iterable[str] = PROTECTED,
    allowlist: Iterable[str] = (),
    actions: dict[str, Action] | None = None,
    on_error: tuple[Verdict, Verdict] = (Verdict.DROP, Verdict.ACCEPT),
    on_unseen: Verdict = Verdict.DROP,
    report_error: Callable[[Examined, BaseException], None] = ignore,
    matcher: Matcher | None = None,
    ladder: Ladder | None = None,
    net: Net | None = None,
    proxies: Iterable[str] = (),
    trunks: Iterable[str] = (),
    emergency: Iterable[str] = (),
) -> Engine:
    examiner = Examiner(matcher or Matcher(), (5060,), SEED)
    standings = Standings()
    return Engine(
        examiner=examiner,
        assembler=Assembler(examiner),
        tracker=Tracker(Directions(Networks(list(protected))), standings=standings, ends=Ends(Networks(list(proxies)))),
        detectors=detectors,
        ledger=Ledger({rule.id: rule for detector in detectors for rule in detector.rules}, ladder),
        safety=Safety(standings, net),
        policy=Policy(mode, Trust(Networks(list(allowlist)), trunks, emergency), actions),
        on_error=on_error,
        on_unseen=on_unseen,
        report_error=report_error,
    )
