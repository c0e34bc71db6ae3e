"""A process of the supervisor's: forked, told to end by SIGTERM, gone with its parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
"""What the supervisor waits for, blocked, and a child handles itself."""
STEADY = 60.0
"""Seconds after which a child counts as started well."""
BACKOFF = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the next start, by how many starts in a row did not last."""

_PR_SET_PDEATHSIG = 1

Body = Callable[[threading.Event], None]


class Stop(threading.Event):
    """An event that a signal handler may set. The plain one takes a lock for it, and hangs where the interrupted thread holds that lock."""

    def __init__(self) -> None:
        super().__init__()
        self._counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def set(self) -> None:
        """From any thread and any signal handler."""
        os.eventfd_write(self._counter, 1)

    def clear(self) -> None:
        """Forget that it was set."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._counter)

    def is_set(self) -> bool:
        """Whether it was set."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is set, at most ``timeout`` seconds; whether it is."""
        return bool(select.select([self._counter], [], [], timeout)[0])


class Child:
    """A process of the supervisor's: ``body`` runs in it until its event is set, which SIGTERM does.

    ``report`` makes an exit status of what ``body`` raises, and tells the operator. ``on_hangup`` is called at SIGHUP.
    """

    def __init__(
        self, name: str, body: Body, report: Callable[[BaseException], int], on_hangup: Callable[[], None] | None = None
    ) -> None:
        self.name = name
        self._body = body
        self._report = report
        self._on_hangup = on_hangup
        self.process = 0
        """0 while there is none."""
        self.since = 0.0
        self.failures = 0
        """Starts in a row that did not last."""
        self.due = 0.0

    def start(self) -> None:
        """Fork it; where the system cannot, it is due again later."""
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self.since = time.monotonic()
        try:
            self.process = os.fork()
        except OSError:
            self._failed()
            return
        if self.process == 0:
            self._live(parent)

    def _live(self, parent: int) -> NoReturn:
        """In the child: never returns into the supervisor's code."""
        status = 1
        try:
            # Nobody would kill a hanging sensor whose supervisor died, or put its rules back.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            with contextlib.suppress(OSError):
                Path("/proc/self/comm").write_text(self.name)
            stop = Stop()
            signal.signal(signal.SIGTERM, lambda *_: stop.set())
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, lambda *_: self._on_hangup and self._on_hangup())
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._body(stop)
            status = 0
        except BaseException as error:  # noqa: BLE001 - whatever it is, this process ends here
            status = self._report(error)
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def ended(self) -> int | None:
        """Its exit status (minus the signal that killed it) once it has ended; None while it lives."""
        if not self.process:
            return None
        done, status = os.waitpid(self.process, os.WNOHANG)
        if not done:
            return None
        self.process = 0
        if time.monotonic() - self.since >= STEADY:
            self.failures = 0
        self._failed()
        return os.waitstatus_to_exitcode(status)

    def _failed(self) -> None:
        self.failures += 1
        self.due = time.monotonic() + BACKOFF[min(self.failures, len(BACKOFF)) - 1]

    def send(self, number: signal.Signals) -> None:
        """A signal, if it lives."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process, number)
