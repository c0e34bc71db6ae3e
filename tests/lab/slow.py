"""The command line with an engine that takes ten milliseconds for each message."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sipsensor.cli.main import main
from sipsensor.detect.scanner import Scanner
from sipsensor.model import Alert, Observation

lawful = Scanner.observe


def observe(self: Scanner, observation: Observation) -> Sequence[Alert]:
    time.sleep(0.01)
    return lawful(self, observation)


Scanner.observe = observe  # type: ignore[method-assign]
main()
