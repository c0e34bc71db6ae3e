"""What systemd is told of a service (sd_notify(3)): one datagram a word. Says nothing where nobody asked.

Of our own, because the packages for it measure the watchdog's period with the wall clock, which may be set, and block on a full socket.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Speaks to the socket that NOTIFY_SOCKET names in ``environment``; WATCHDOG_USEC and WATCHDOG_PID as in sd_watchdog_enabled(3)."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._beat_due = 0.0
        self.period = 0.0
        """Seconds between two beats: a third of what systemd waits for; 0 where there is no watchdog."""
        pause, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(os.getpid()))
        if self._address and pause.isdigit() and process == str(os.getpid()):
            self.period = int(pause) / 3_000_000

    def ready(self, status: str) -> None:
        """It serves."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """It ends."""
        self._send("STOPPING=1")

    def beat(self) -> None:
        """It made progress; told when the watchdog is due."""
        now = time.monotonic()
        if self.period and now >= self._beat_due:
            self._beat_due = now + self.period
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
                made.setblocking(False)  # noqa: FBT003
                made.sendto(text.encode(), self._address)
