"""``sipsensor observe`` against a real control socket and a real engine."""

from __future__ import annotations

from sipsensor.model import Mode
from tests.unit.cli.conftest import Asked


def test_it_drops_nothing_from_then_on(asked: Asked) -> None:
    assert asked("observe").output == "mode  observe\n"
    assert asked.site.engine.policy.mode is Mode.OBSERVE
