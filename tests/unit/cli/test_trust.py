"""``sipsensor trust`` against a real control socket and a real engine."""

from __future__ import annotations

import json

from tests.support.packets import STRANGER
from tests.unit.cli.conftest import Asked


def test_it_says_whom_until_when_and_how_to_undo_it(asked: Asked) -> None:
    text = asked("trust", STRANGER).output
    assert f"trusted  {STRANGER}" in text
    assert f"undo     sipsensor untrust {STRANGER}" in text
    assert "(in 6 d 23 h)" in text or "(in 7 d 0 h)" in text
    assert json.loads(asked("trust", STRANGER, "--for", "90s", "--json").output)["network"] == STRANGER


def test_a_wide_network_needs_force(asked: Asked) -> None:
    assert "add --force" in asked.refused("trust", "8.0.0.0/8")
    assert "8.0.0.0/8" in asked("trust", "8.0.0.0/8", "--force").output
