from __future__ import annotations

import time

import pytest

from sipsensor.live import clock, commanded
from sipsensor.model import NANOSECONDS

YEAR = 366 * 86400 * NANOSECONDS


def test_packets_go_by_the_machines_clock() -> None:
    assert abs(clock.now() - time.time_ns()) < 60 * NANOSECONDS
    assert clock.ahead() == 0
    assert commanded.seconds(1_700_000_000 * NANOSECONDS) == 1_700_000_000


def test_when_it_is_set_back_packets_are_ahead_and_people_read_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time_ns
    monkeypatch.setattr(clock.time, "time_ns", lambda: real() - YEAR)  # type: ignore[attr-defined]
    assert abs(clock.ahead() - YEAR) < 60 * NANOSECONDS
    assert abs(commanded.seconds(clock.now() + 600 * NANOSECONDS) - (clock.time.time_ns() / NANOSECONDS + 600)) < 60  # type: ignore[attr-defined]
