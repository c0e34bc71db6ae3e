"""One packet of a pump: the engine's decision, told where there is something to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.sources.judge import Judge

if TYPE_CHECKING:
    from sipsensor.engine import Engine
    from sipsensor.fastpath import examine
    from sipsensor.live.outlets import Outlets


class Judging(Judge):
    """Most packets have nothing said of them and come from nobody whose packets are kept: of these the outlets never hear."""

    def __init__(self, engine: Engine, outlets: Outlets) -> None:
        self._engine = engine
        self._outlets = outlets
        self._records = outlets.recording is not None
        self._followed, self._sure = outlets.evidence.followed

    def judge(self, examined: examine.Examined) -> int:
        """The effect of the engine's decision. A fault in telling must not change it: ``Outlets.tell`` sees to that."""
        decision = self._engine.judge(examined)
        if self._records or decision.verdict or decision.alerts or decision.grants or decision.uncuts:
            self._outlets.tell(examined, decision, self._engine.policy.mode)
        elif (self._followed or self._sure) and decision.observation is not None:
            source = decision.observation.source_key
            if source in self._followed or source in self._sure:
                self._outlets.tell(examined, decision, self._engine.policy.mode)
        return decision.effect
