"""The command line with an engine that fails on every message that says "boom"."""

from __future__ import annotations

from collections.abc import Sequence

from sipsensor.cli.main import main
from sipsensor.detect.scanner import Scanner
from sipsensor.model import Alert, Observation

lawful = Scanner.observe


def observe(self: Scanner, observation: Observation) -> Sequence[Alert]:
    if b"boom" in observation.examined.payload:
        raise RuntimeError("on purpose")
    return lawful(self, observation)


Scanner.observe = observe  # type: ignore[method-assign]
main()
