"""A process of the supervisor's, by itself. How the supervisor uses it stands in test_supervisor."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from sipsensor.live.child import Child, Stop


def refuses(_stop: threading.Event) -> None:
    raise ValueError("no")


def test_a_handler_may_set_a_stop_whatever_it_interrupts() -> None:
    stop = Stop()
    before = signal.signal(signal.SIGALRM, lambda *_: stop.set())
    try:
        for _ in range(2000):
            signal.setitimer(signal.ITIMER_REAL, 0.0002)
            while not stop.wait(0.000001):
                pass
            assert stop.is_set()
            stop.clear()
            assert not stop.is_set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_fork_that_fails_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    child = Child("x", refuses, lambda _: 5)
    child.start()
    child.start()
    assert (child.process, child.failures) == (0, 2)
    assert child.due > time.monotonic()


def test_a_child_takes_its_exit_status_from_the_report() -> None:
    child = Child("x", refuses, lambda _: 5)
    child.start()
    deadline = time.monotonic() + 5
    while (status := child.ended()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert status == 5
    assert (child.process, child.failures) == (0, 1)
    assert child.ended() is None
