"""Watches the engine judge: stands around its rooms, passes every call on, and keeps what was said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sipsensor.decide.policy import Policy
from sipsensor.detect.base import Detector
from sipsensor.engine import Engine
from sipsensor.fastpath import examine
from sipsensor.model import Alert, Decision, Observation
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
        """Keep everything from here on."""
        self.watching = True
        engine.assembler = cast("Assembler", _Watched(engine.assembler, assemble=self._assembled))
        engine.tracker = cast("Tracker", _Watched(engine.tracker, track=self._tracked))
        engine.policy = cast(
            "Policy", _Watched(engine.policy, **dict.fromkeys(("decide", "drop", "exempt", "spare"), self._decided))
        )
        engine.report_error = self._failed

    def _assembled(self, pieces: Sequence[examine.Examined], *_: object) -> None:
        self.pieces.extend(pieces)

    def _tracked(self, observation: Observation, message: Any, examined: examine.Examined) -> None:  # noqa: ANN401
        self.messages.append(Seen(message, examined, observation))

    def _decided(self, decision: Decision, *_: object) -> None:
        if self.messages:
            self.messages[-1].decision = decision

    def _failed(self, _examined: examine.Examined, error: BaseException) -> None:
        self.error = error


class _Watched:
    """Any room of the engine; ``watched`` names the calls whose result somebody wants to hear, before their
    arguments.
    """

    def __init__(self, room: Any, **watched: Any) -> None:  # noqa: ANN401
        self._room = room
        self._watched = watched

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        found = getattr(self._room, name)
        tell = self._watched.get(name)
        if tell is None:
            return found

        def call(*arguments: Any) -> Any:  # noqa: ANN401
            result = found(*arguments)
            tell(result, *arguments)
            return result

        return call


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
