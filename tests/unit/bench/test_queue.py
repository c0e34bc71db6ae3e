"""Where the queue cannot be measured it is said why; that it can be is tests/lab/test_bench.py."""

from __future__ import annotations

import errno
import os

import pytest

from sipsensor.bench import queue
from sipsensor.bench.offline import engine_for
from sipsensor.bench.queue import UnmeasuredError, make_known, queued
from sipsensor.bench.traffic import SOURCES
from sipsensor.config.load import defaults
from sipsensor.sources import pump
from sipsensor.sources.nfqueue import QueueError


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "privileged", lambda: True)


def test_without_the_privilege(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "privileged", lambda: False)
    with pytest.raises(UnmeasuredError, match=r"^CAP_NET_ADMIN is missing; run it as root$"):
        queued(defaults())


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.EPERM, "no network namespace: " + os.strerror(errno.EPERM)),
            "no network namespace: Operation not permitted",
        ),
        (QueueError("queue 5060: the kernel has no NFQUEUE here"), "queue 5060: the kernel has no NFQUEUE here"),
        (
            UnmeasuredError("no rule can queue packets: iptables is not installed"),
            "no rule can queue packets: iptables is not installed",
        ),
    ],
)
def test_what_the_machine_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    def refuse() -> None:
        raise error

    monkeypatch.setattr(queue, "_unshare", refuse)
    with pytest.raises(UnmeasuredError) as caught:
        queued(defaults())
    assert str(caught.value) == said


@pytest.mark.usefixtures("root")
def test_a_bug_is_not_taken_for_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(queue, "_unshare", break_)
    with pytest.raises(ZeroDivisionError):
        queued(defaults())


def test_phones_are_known_before_they_are_measured() -> None:
    engine = engine_for(defaults())
    make_known(engine)
    assert engine.tracker.standings.trusted(pump.now()) == SOURCES
