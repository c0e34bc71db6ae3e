"""Watches the engine judge: stands around its rooms, passes every call on, and keeps what was said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sipsensor.decide.policy import Policy
from sipsensor.detect.base import Detector
from sipsensor.engine import Engine
from sipsensor.fastpath import examine
from sipsensor.model import Alert, Decision, Observation, Reason, Rule
from sipsensor.protocols.base import View
from sipsensor.reassembly.assembler import Assembler
from sipsensor.track.tracker import Tracker


class Seen:
    """What became of one message."""

    def __init__(self, message: Any, examined: examine.Examined, observation: Observation) -> None:  # noqa: ANN401
        self.message = message
        self.examined = examined
        self.observation = observation
        self.asked: list[tuple[str, Sequence[Alert]]] = []
        """Each detector that was asked, and what it said."""
        self.decision: Decision | None = None


class Witness:
    """Keeps what the rooms say from ``watch`` on. ``wrap`` goes to ``build_engine``."""

    def __init__(self) -> None:
        self.watching = False
        self.pieces: list[examine.Examined] = []
        self.messages: list[Seen] = []
        self.error: BaseException | None = None

    def wrap(self, detector: Detector) -> Detector:
        """The detector with the witness beside it."""
        return cast("Detector", _WatchedDetector(self, detector))

    def watch(self, engine: Engine) -> None:
        """Keep everything from here on: rooms that tell take the place of those of the engine, with their state."""
        self.watching = True
        engine.assembler = _Assembler(self, engine.assembler)
        engine.tracker = _Tracker(self, engine.tracker)
        engine.policy = _Policy(self, engine.policy)
        engine.report_error = self._failed

    def decided(self, decision: Decision) -> Decision:
        """Note what was said of the last message."""
        if self.messages:
            self.messages[-1].decision = decision
        return decision

    def _failed(self, _examined: examine.Examined, error: BaseException) -> None:
        self.error = error


class _Assembler(Assembler):
    def __init__(self, witness: Witness, room: Assembler) -> None:
        super().__init__(room.examiner, room.fragments, room.streams)
        self._witness = witness

    def is_alone(self, examined: examine.Examined) -> bool:  # noqa: ARG002 - every packet is assembled, so that it is told
        return False

    def assemble(self, examined: examine.Examined) -> Sequence[examine.Examined] | None:
        pieces = super().assemble(examined)
        self._witness.pieces.extend(pieces or ())
        return pieces


class _Tracker(Tracker):
    def __init__(self, witness: Witness, room: Tracker) -> None:
        parts = (room.transactions, room.challenges, room.standings, room.ends, room.dialogs, room.connections)
        super().__init__(room.directions, *parts, room.replies)
        self._witness = witness

    def track(self, message: View, examined: examine.Examined) -> Observation:
        observation = super().track(message, examined)
        self._witness.messages.append(Seen(message, examined, observation))
        return observation


class _Policy(Policy):
    def __init__(self, witness: Witness, room: Policy) -> None:
        super().__init__(room.mode, room.trust, room.actions)
        self._witness = witness

    def decide(self, observation: Observation, alerts: Sequence[Alert], tipped: Alert | None = None) -> Decision:
        return self._witness.decided(super().decide(observation, alerts, tipped))

    def drop(
        self,
        reason: Reason,
        rule: Rule | None = None,
        alerts: tuple[Alert, ...] = (),
        observation: Observation | None = None,
    ) -> Decision:
        return self._witness.decided(super().drop(reason, rule, alerts, observation))

    def exempt(self, observation: Observation) -> Decision:
        return self._witness.decided(super().exempt(observation))

    def spare(self, decision: Decision) -> Decision:
        return self._witness.decided(super().spare(decision))


class _WatchedDetector:
    def __init__(self, witness: Witness, detector: Detector) -> None:
        self._witness = witness
        self._detector = detector

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._detector, name)

    def observe(self, observation: Observation) -> Sequence[Alert]:
        alerts = self._detector.observe(observation)
        if self._witness.watching:
            self._witness.messages[-1].asked.append((self._detector.name, alerts))
        return alerts
