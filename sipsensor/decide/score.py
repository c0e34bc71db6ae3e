"""Medium signatures: one proves nothing, several from one sender in a short time are enough to drop the next packet that has one.

Each is a single datagram that anybody could have sent, so the score kills only packets that carry such a signature themselves, counts by
``address . port``, and halves with time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sipsensor.fastpath import tables
from sipsensor.model import NANOSECONDS, Confidence, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.model import Alert, Observation

_SCALE = 1000
_POINTS = {1: 40, 2: 30, 3: 20, 4: 10, 5: 5}
"""By severity."""
_FORGET = 20
"""Half-lives after which nothing is left."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """``enough`` points drop; they halve every ``half_life`` seconds."""

    enough: int = 60
    half_life: int = 600


class Scores:
    """Points by sender."""

    def __init__(self, scoring: Scoring | None = None, capacity: int = 65_536) -> None:
        self.scoring = scoring or Scoring()
        self.table = tables.Records(capacity, 2)

    def add(self, observation: Observation, alerts: Sequence[Alert]) -> Alert | None:
        """Add the points of medium signatures among the alerts. The alert that tips the scale, or None."""
        medium = [
            alert for alert in alerts if alert.rule.confidence is Confidence.MEDIUM and alert.rule.detector == "scanner"
        ]
        if not medium:
            return None
        now, key = observation.ts, observation.port_key
        points = self.points(key, now) + sum(_POINTS[alert.rule.severity] for alert in medium)
        life = self.scoring.half_life * NANOSECONDS
        self.table.put(key, now, now + _FORGET * life, (int(points * _SCALE), now))
        for alert in medium:
            alert.score = int(points)
        worst = min(medium, key=lambda alert: alert.rule.severity)
        return worst if points >= self.scoring.enough and not observation.relieved else None

    def points(self, key: int, now: int) -> float:
        """What is left by now."""
        held = self.table.get(key, now)
        if held is None:
            return 0.0
        lives = max(0, now - held[1]) / (self.scoring.half_life * NANOSECONDS)
        return float(held[0] / _SCALE * 0.5**lives)

    def tables(self) -> Sequence[Table]:
        """The points."""
        return [Table.of("scores", self.table)]
