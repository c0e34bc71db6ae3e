"""Who must see which kind, and when. Computed once from what detectors declare, so that thirty of them cost what the two that care cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.detect.base import Observer
from sipsensor.model import KIND_WHATS, KINDS, Direction, Standing, When, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sipsensor.detect.base import Detector
    from sipsensor.model import Alert, Interest, Observation


def kinds_of(interest: Interest) -> Iterator[int]:
    """All kinds that an interest covers."""
    directions = tuple(Direction) if interest.direction is None else (interest.direction,)
    whats = tuple(range(KIND_WHATS)) if interest.whats is None else tuple(interest.whats)
    standings = tuple(Standing) if interest.standings is None else tuple(interest.standings)
    for direction in directions:
        for standing in standings:
            for what in whats:
                yield kind_of(interest.protocol, direction, standing, what)


class Wrapped(Observer):
    """A detector that is no ``Observer`` itself: something was put around it."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """What it says."""
        return self.detector.observe(observation)


class KindTable:
    """For each kind the detectors that judge it and those that learn from it, in the order of the list of detectors."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        shapes: list[list[Observer]] = [[] for _ in range(KINDS)]
        judges: list[list[Observer]] = [[] for _ in range(KINDS)]
        learners: list[list[Observer]] = [[] for _ in range(KINDS)]
        for detector in detectors:
            when: dict[int, When] = {}
            for interest in detector.interests:
                for kind in kinds_of(interest):
                    if when.get(kind) is not When.JUDGE:
                        when[kind] = interest.when
            observer = detector if isinstance(detector, Observer) else Wrapped(detector)
            for kind, moment in when.items():
                if moment is When.JUDGE:
                    (shapes if getattr(detector, "shape", False) else judges)[kind].append(observer)
                else:
                    learners[kind].append(observer)
        self.shapes = tuple(tuple(entry) for entry in shapes)
        self.judges = tuple(tuple(entry) for entry in judges)
        self.learners = tuple(tuple(entry) for entry in learners)

    def quiet(self, kind: int) -> bool:
        """Nobody judges this kind."""
        return not self.judges[kind] and not self.shapes[kind]
