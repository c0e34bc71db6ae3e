"""``sipsensor untrust`` against a real control socket and a real engine."""

from __future__ import annotations

from tests.support.packets import STRANGER
from tests.support.site import Guest
from tests.unit.cli.conftest import Asked


def test_orders_and_standing_are_taken_back(asked: Asked) -> None:
    asked.site.register(Guest("201"))
    asked("trust", STRANGER)
    text = asked("untrust", STRANGER).output
    assert f"trusted no longer  {STRANGER}" in text
    assert f"standing taken     1 ports at {STRANGER}" in text


def test_nobody_is_exit_1_and_so_is_a_wider_order(asked: Asked) -> None:
    assert f"nobody at {STRANGER} is trusted" in asked("untrust", STRANGER, code=1).output
    asked("trust", "203.0.113.0/24")
    assert "sipsensor untrust 203.0.113.0/24" in asked("untrust", STRANGER, code=1).output
