"""``sipsensor unban`` against a real control socket and a real engine."""

from __future__ import annotations

import json

from tests.support.packets import STRANGER
from tests.unit.cli.conftest import Asked


def test_it_says_what_was_lifted(asked: Asked) -> None:
    asked.site.attack("201")
    asked("ban", STRANGER)
    text = asked("unban", STRANGER).output
    assert "guessing.account.source" in text
    assert "201" in text
    assert f"ban lifted         {STRANGER}" in text
    assert "not cut again for  1 h 0 min" in text


def test_nothing_to_lift_is_exit_1(asked: Asked) -> None:
    assert f"nothing of {STRANGER} is cut or banned" in asked("unban", STRANGER, code=1).output
    assert json.loads(asked("unban", STRANGER, "--json", code=1).output)["lifted"] == []


def test_a_wider_ban_that_stands_is_exit_1_and_said(asked: Asked) -> None:
    asked("ban", "203.0.113.0/24")
    assert "203.0.113.0/24; sipsensor unban 203.0.113.0/24" in asked("unban", STRANGER, code=1).output
