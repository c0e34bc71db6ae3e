"""The command line with an engine that fails on every message that says "boom"."""

from __future__ import annotations

from collections.abc import Sequence

from sipsensor import app
from sipsensor.cli.main import main
from sipsensor.detect import DETECTORS
from sipsensor.detect.scanner import Scanner
from sipsensor.model import Alert, Observation


class Changed(Scanner):
    def observe(self, observation: Observation) -> Sequence[Alert]:
        if b"boom" in observation.examined.payload:
            raise RuntimeError("on purpose")
        return super().observe(observation)


vars(app)["DETECTORS"] = tuple(Changed if kind is Scanner else kind for kind in DETECTORS)
main()
