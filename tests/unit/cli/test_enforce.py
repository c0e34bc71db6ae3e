"""``sipsensor enforce`` against a real control socket and a real engine."""

from __future__ import annotations

import json

from sipsensor.model import Mode
from tests.unit.cli.conftest import Asked


def test_for_a_time_it_says_when_it_reverts_and_how_to_keep_it(asked: Asked) -> None:
    asked("observe")
    text = asked("enforce", "--for", "15m").output
    assert "mode     enforce" in text
    assert "reverts" in text
    assert "keep     sipsensor enforce --confirm" in text
    assert asked.site.engine.policy.mode is Mode.ENFORCE
    said = json.loads(asked("enforce", "--confirm", "--json").output)
    assert (said["mode"], said["until"]) == ("enforce", None)


def test_it_says_what_is_configured(asked: Asked) -> None:
    assert "configured  observe, from the next start on" in asked("enforce").output


def test_nothing_to_confirm_is_an_error(asked: Asked) -> None:
    assert "there is nothing to confirm" in asked.refused("enforce", "--confirm")
    assert "exclude each other" in asked.refused("enforce", "--confirm", "--for", "15m")
