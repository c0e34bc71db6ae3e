"""A file that never makes the writer wait: a thread writes, what it cannot keep up with is lost and counted.

Events and recordings are written between a packet and its verdict, and a slow or full disk must not become an outage.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import BinaryIO

PERIOD = 0.05
"""Seconds from what is written first to the file's turn. The thread is not woken by each write: it competes with the packet loop for the
interpreter; and while nothing is written, not at all.
"""


class Spool:
    """Takes bytes at once and writes them to ``file`` soon, in order; at most ``room`` bytes wait.

    Each ``write`` is kept or lost as a whole. ``lost`` counts writes, those the file refused included. ``close`` writes what waits, gives
    up after ``patience`` seconds, and leaves the file open.
    """

    def __init__(self, file: BinaryIO, room: int, patience: float = 5.0) -> None:
        self._file = file
        self._room = room
        self._patience = patience
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._asked = threading.Event()
        """Something waits, or never will again."""
        self.lost = 0
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    def write(self, data: bytes, /) -> int:
        """Takes ``data`` or loses it; returns its length either way, like a file."""
        with self._lock:
            if self._bytes + len(data) > self._room:
                self.lost += 1
            else:
                if not self._waiting:
                    self._asked.set()
                self._waiting.append(data)
                self._bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing: the thread flushes."""

    def close(self) -> None:
        """Write what waits. A second call is harmless."""
        self._closing.set()
        self._asked.set()
        self._thread.join(self._patience)
        with self._lock:
            self.lost += len(self._waiting)
            self._waiting.clear()

    def _work(self) -> None:
        while True:
            self._asked.wait()
            closing = self._closing.wait(PERIOD)
            self._asked.clear()
            self._drain()
            if closing:
                return

    def _drain(self) -> None:
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
        if not taken:
            return
        start = self._file.tell() if self._file.seekable() else None
        lost = 0
        try:
            _write_all(self._file, b"".join(taken))
        except (OSError, ValueError):
            lost = len(taken)
            if start is not None:
                _cut_back(self._file, start)
        with self._lock:
            self._bytes -= sum(map(len, taken))
            self.lost += lost


def _write_all(file: BinaryIO, data: bytes) -> None:
    """Unbuffered files may take a part."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
    file.flush()


def _cut_back(file: BinaryIO, start: int) -> None:
    """Take away what a failed write left: half a record would make the rest of the file unreadable."""
    with contextlib.suppress(OSError, ValueError):
        file.seek(start)
        file.truncate()
