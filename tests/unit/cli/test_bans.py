"""``sipsensor bans`` against a real control socket and a real engine."""

from __future__ import annotations

import json

from tests.support.packets import STRANGER
from tests.unit.cli.conftest import Asked


def test_nothing_is_said_in_words(asked: Asked) -> None:
    assert asked("bans").output == "nothing is cut, banned or trusted by order\n"


def test_cuts_bans_and_trust_in_tables(asked: Asked) -> None:
    asked.site.attack("2\x1b01")
    asked("ban", "198.51.100.0/28")
    asked("trust", "198.51.100.64")
    lines = [" ".join(line.split()) for line in asked("bans").output.splitlines()]
    assert any(line.startswith(f"account {STRANGER} 2\\x1b01 guessing.account.source") for line in lines), lines
    assert any(line.startswith("198.51.100.0/28") for line in lines)
    assert any(line.startswith("198.51.100.64 ") for line in lines)
    said = json.loads(asked("bans", "--json").output)
    assert [len(said[key]) for key in ("cuts", "bans", "trusted")] == [1, 1, 1]


def test_offences_that_are_over_with_all(asked: Asked) -> None:
    asked.site.attack("201")
    asked.site.now += 86400
    assert "nothing is cut" in asked("bans").output
    assert STRANGER in asked("bans", "--all").output


def test_observe_mode_is_noted(asked: Asked) -> None:
    asked("observe")
    assert "the sensor observes" in asked("bans").stderr
