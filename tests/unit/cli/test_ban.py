"""``sipsensor ban`` against a real control socket and a real engine."""

from __future__ import annotations

import json

from tests.support.packets import PBX, STRANGER, message
from tests.unit.cli.conftest import Asked


def test_it_says_what_is_banned_until_when_and_how_to_undo_it(asked: Asked) -> None:
    text = asked("ban", STRANGER, "--for", "2h").output
    assert f"banned  {STRANGER}" in text
    assert "(in 1 h 59 min)" in text or "(in 2 h 0 min)" in text
    assert f"undo    sipsensor unban {STRANGER}" in text
    assert asked.site.outside(message()).verdict
    said = json.loads(asked("ban", STRANGER, "--json").output)
    assert said["network"] == STRANGER


def test_in_observe_mode_it_says_that_nothing_is_dropped(asked: Asked) -> None:
    asked("observe")
    assert "the sensor observes: it drops nothing" in asked("ban", STRANGER).stderr


def test_a_refusal_is_one_line_and_exit_2(asked: Asked) -> None:
    assert asked.refused("ban", PBX) == f"{PBX} is protected ({PBX}): a ban would do nothing; ban whoever sends to it"
    assert "no address or network" in asked.refused("ban", "nonsense")
    assert "for: is no time" in asked.refused("ban", STRANGER, "--for", "soon")
