"""Whose turn it is on a processor that several want: a packet waits for the sensor, and nobody waits for what runs beside it."""

from __future__ import annotations

import contextlib
import os

NICE = -10
"""Measured at 100 packets a second on two processors that others kept busy: p99 5.1 ms at 0, 1 to 2 ms at -10. What a flood of strangers
may take of it, ``queue.governor`` bounds.
"""


def go_first() -> None:
    """Be served before others, where that is allowed (CAP_SYS_NICE; a service has ``Nice=`` in its unit). Threads made later inherit it."""
    if os.getpriority(os.PRIO_PROCESS, 0) > NICE:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
