"""The time that a live sensor lives by: that of packets, which never goes back (``sources.pump``).

The machine's clock may be set back while it runs. Then packets' time goes on from where it was, and is ahead of the clock until the sensor
is started again. Whatever has to do with budgets, cuts and orders goes by the time of packets; what people read goes by the clock.
"""

from __future__ import annotations

import time

from sipsensor.model import NANOSECONDS
from sipsensor.sources import pump

SLACK = NANOSECONDS
"""Two clocks that differ by less are one."""


def now() -> int:
    """Nanoseconds since the epoch, as packets have them."""
    return pump.now()


def ahead() -> int:
    """By how many nanoseconds the time of packets is ahead of the machine's clock; 0 where they are one."""
    difference = pump.now() - time.time_ns()
    return difference if difference > SLACK else 0
