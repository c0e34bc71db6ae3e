"""What a detector is. A newcomer copies ``flood.py``; the list of detectors is in ``detect/__init__.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.model import Alert, Interest, Observation, Rule


class Detector(Protocol):
    """One behaviour. It sees only the kinds it declared, in the order of the packets, and keeps its state in bounded tables."""

    name: str
    """The key of its settings: ``[detectors.<name>]``."""
    rules: Sequence[Rule]
    interests: Sequence[Interest]

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """The rules that fire on this observation. Never raises on what came off the wire."""
        ...

    def tick(self, now: int) -> None:
        """Free memory; never needed for a right answer, because every deadline is evaluated against ``observation.ts``."""
        ...
