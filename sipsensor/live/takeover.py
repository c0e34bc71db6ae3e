"""What becomes of a sensor that hangs: its queues are answered for it, freed, and it is killed.

A hung reader is an outage that fail-open does not see until the queue is full. Killing it alone would lose what waits, so the supervisor
borrows its descriptors first (pidfd_getfd(2); Linux 5.6, and the right to trace it, which a parent has by default).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from sipsensor.live.page import Lane, LaneNumber, Page
from sipsensor.sources.nfqueue import AbandonedQueue

_PIDFD_GETFD = 438
"""The number of the system call, the same on every architecture (Python has no name for it)."""

STANDSTILL = 0.2
"""Seconds that a killed process gets to stop answering packets itself."""


class Accept(NamedTuple):
    """Which packets of a lane pass that nobody judges; the others are dropped."""

    waiting: bool
    """Those that wait for the sensor that hangs."""
    coming: bool
    """Those that come from now on: as the rules do it once the queue is free."""


def take_over(
    process: int,
    queues: Mapping[Lane, int],
    page: Page,
    accept: Mapping[Lane, Accept],
    before_close: Callable[[], None],
) -> int:
    """Kill a sensor and answer what waits in its ``queues`` (by lane: the queue's number), each lane as ``accept`` says.

    Returns how many packets were answered unjudged, and writes them into the page. Where its descriptors cannot be had, what waits is lost
    with it, and 0 is returned. ``before_close`` is called when all is answered and the kernel's numbers of the queues can still be read.
    """
    borrowed = _borrow(process, queues, page)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + STANDSTILL
    while _alive(process) and time.monotonic() < deadline:
        time.sleep(0.005)
    answered = sum(_answer(queue, page, lane, accept[lane]) for lane, queue in borrowed.items())
    before_close()
    for queue in borrowed.values():
        queue.close()
    return answered


def _borrow(process: int, queues: Mapping[Lane, int], page: Page) -> dict[Lane, AbandonedQueue]:
    borrowed: dict[Lane, AbandonedQueue] = {}
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(process)
        try:
            for lane, number in queues.items():
                descriptor = page.of(lane, LaneNumber.DESCRIPTOR) - 1
                duplicate = _duplicate(handle, descriptor) if descriptor >= 0 else -1
                if duplicate >= 0:
                    borrowed[lane] = AbandonedQueue(number, duplicate)
        finally:
            os.close(handle)
    return borrowed


def _duplicate(handle: int, descriptor: int) -> int:
    """The process's descriptor as one of ours, close-on-exec; -1 when it cannot be had."""
    return int(ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, handle, descriptor, 0))


def _alive(process: int) -> bool:
    """Has a thread that could run: a process that died and was not waited for has none."""
    with contextlib.suppress(OSError, IndexError):
        status = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        return status.rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False


def _answer(queue: AbandonedQueue, page: Page, lane: Lane, accept: Accept) -> int:
    queue.shut(accept=accept.coming)
    numbers = page.lane(lane)
    stuck = max(0, numbers[LaneNumber.RECEIVED] - numbers[LaneNumber.ANSWERED])
    uncounted = max(0, numbers[LaneNumber.TAKEN] - numbers[LaneNumber.RECEIVED])
    unread = queue.answer(numbers[LaneNumber.LAST_ID], accept=accept.waiting) + uncounted
    numbers[LaneNumber.STUCK_ACCEPTED if accept.waiting else LaneNumber.STUCK_DROPPED] += stuck
    numbers[LaneNumber.UNJUDGED_ACCEPTED if accept.waiting else LaneNumber.UNJUDGED_DROPPED] += stuck + unread
    return stuck + unread
