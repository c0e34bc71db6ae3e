"""The numbers that the live processes share: one page of memory, each number with one writer.

It is made by the supervisor before it forks, so it outlives each sensor: what passed uninspected while one was dead is still counted.
A number is a 64-bit integer, written whole; readers may see two numbers of different moments, and say less rather than more then.
"""

from __future__ import annotations

import mmap
from enum import IntEnum


class Lane(IntEnum):
    """The two queues. The trusted one's number is the strangers' plus one."""

    STRANGERS = 0
    TRUSTED = 1


class State(IntEnum):
    """How far the sensor process is."""

    STARTING = 0
    READY = 1
    """It serves its queues."""
    ENDING = 2


class LaneNumber(IntEnum):
    """What a lane's pump writes, by position in its part of the page."""

    LOOPS = 0
    """Times round the loop: the proof that it goes on. At least ten a second, packets or not."""
    UDP = 1
    """UDP packets received since the page was made, those of sensors before this one included."""
    OTHER = 2
    """The same of all other packets (TCP, where the kernel may cut one large packet that a rule counted into several)."""
    ANSWERED = 3
    """Packets of this sensor that got their verdict."""
    RECEIVED = 4
    """Packets that this sensor received."""
    LAST_ID = 5
    """The kernel's id of the last packet received."""
    DESCRIPTOR = 6
    """The queue's descriptor in the sensor, plus one; 0 while there is none."""


LANE_NUMBERS = 8


class Number(IntEnum):
    """What is not of a lane. The writer stands first in each comment."""

    SENSOR_STATE = 16
    """Sensor: a ``State``."""
    RESTARTS = 17
    """Supervisor: sensors that died and were started again, those it killed included."""
    HANGS = 18
    """Supervisor: sensors it killed because they made no progress."""
    UNJUDGED_ACCEPTED = 19
    """Supervisor: packets that waited for a hung sensor and were accepted unjudged."""
    UNJUDGED_DROPPED = 20
    """Supervisor: packets that waited for a hung sensor and were dropped unjudged. 20: strangers', 21: of the trusted."""
    UNJUDGED_DROPPED_TRUSTED = 21
    RULES_STAND = 22
    """Keeper: 1 when the kernel's rules are what they should be."""
    RULES_PUT_BACK = 23
    """Keeper: times the rules were damaged or gone and were put back."""
    RULES_MISSING = 24
    """Keeper: nanoseconds for which the rules were known to be missing, or could have been."""
    UNINSPECTED = 25
    """Keeper: packets that passed uninspected, UDP and the rest. 25: strangers', 26: of the trusted."""
    UNINSPECTED_TRUSTED = 26
    LIMITED = 27
    """Keeper: strangers' packets above ``queue.stranger_rate``."""
    BACKEND = 28
    """Keeper: what queues packets: 1 nftables, 2 iptables, 3 the operator's own rules; 0 is not known yet."""
    KEEPER_LOOPS = 29
    """Keeper: times it looked."""


class Page:
    """The shared page. ``page[Number.RESTARTS]`` reads and writes; it is inherited over ``fork``."""

    SIZE = mmap.PAGESIZE

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self.SIZE)
        self.numbers = memoryview(self._memory).cast("Q")
        """All numbers; compiled code takes a lane's part of them."""

    def __getitem__(self, number: Number) -> int:
        return self.numbers[number]

    def __setitem__(self, number: Number, value: int) -> None:
        self.numbers[number] = value

    def lane(self, lane: Lane) -> memoryview[int]:
        """The numbers of one lane, writable, by ``LaneNumber``."""
        return self.numbers[lane * LANE_NUMBERS : (lane + 1) * LANE_NUMBERS]

    def of(self, lane: Lane, number: LaneNumber) -> int:
        """One number of a lane."""
        return self.numbers[lane * LANE_NUMBERS + number]
