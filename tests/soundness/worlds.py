"""Engines as `app` builds them, for streams of `attacks`."""

from __future__ import annotations

from typing import Any

from sipsensor.app import REPLAY_SEED, build_engine
from sipsensor.config.load import from_table
from sipsensor.engine import Engine
from sipsensor.fastpath.examine import Examined
from sipsensor.model import Mode
from tests.soundness.attacks import PROTECTED
from tests.support.cases import shipped


class Failures:
    """What went wrong inside, in words."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, examined: Examined, error: BaseException) -> None:
        self.said.append(f"packet {examined.number}: {error!r}")


def engine_of(table: dict[str, Any], failures: Failures | None = None) -> Engine:
    """With these settings, and the shipped signatures."""
    return build_engine(
        from_table(table, "world"),
        mode=Mode.ENFORCE,
        protected=list(PROTECTED),
        signatures=shipped(),
        seed=REPLAY_SEED,
        report_error=failures,
    )


def counted(engine: Engine) -> dict[str, Any]:
    """What it met, in numbers."""
    counters = engine.counters
    return {
        "packets": counters.packets,
        "dropped": counters.dropped,
        "errors": counters.errors,
        "malformed": counters.malformed,
        "grants": counters.grants,
        "uncuts": counters.uncuts,
        "reasons": {str(reason): count for reason, count in counters.reasons.items() if count},
        "alerts": dict(sorted(counters.alerts.items())),
        "cuts": dict(sorted(counters.cuts.items())),
        "tripped": engine.safety.tripped,
    }
