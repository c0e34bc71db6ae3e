"""The numbers that the live processes share: one page of memory, each number with one writer.

It is made by the supervisor before it forks, so it outlives each sensor: what passed uninspected while one was dead is still counted.
A number is a 64-bit integer, written whole; readers may see two numbers of different moments, and say less rather than more then.
"""

from __future__ import annotations

import mmap
from enum import IntEnum

from sipsensor.model import Mode


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
    """Times round the loop, and packets begun in it: the proof that it goes on. At least ten a second, packets or not."""
    UDP = 1
    """UDP packets received since the page was made, those of sensors before this one included."""
    OTHER = 2
    """The same of all other packets (TCP, where the kernel may cut one large packet that a rule counted into several)."""
    ANSWERED = 3
    """Packets of this sensor that got their verdict."""
    RECEIVED = 4
    """Packets of this sensor that count as UDP or OTHER."""
    LAST_ID = 5
    """The kernel's id of the last packet taken."""
    DESCRIPTOR = 6
    """The queue's descriptor in the sensor, plus one; 0 while there is none. Written by the sensor, not its pump."""
    FORGED = 7
    """Packets with a protected source that came from outside, since the page was made."""
    LOST_BEFORE = 8
    """Supervisor: packets that the kernel dropped for this lane, at sensors before this one."""
    UNJUDGED_ACCEPTED = 9
    """Supervisor: packets that waited for a hung sensor and were accepted unjudged."""
    UNJUDGED_DROPPED = 10
    """Supervisor: the same, dropped. Before the sensor serves, itself: what it dropped while it bound its queue (``failure.on_death``)."""
    STUCK_ACCEPTED = 11
    """Supervisor: of those accepted unjudged, the ones that the sensor had received already."""
    STUCK_DROPPED = 12
    """Supervisor: of those dropped unjudged, the ones that the sensor had received already."""
    UNINSPECTED = 13
    """Keeper: packets that passed and nobody judged."""
    TAKEN = 14
    """Packets that this sensor took from its queue's socket: more than RECEIVED by those of a batch that are not judged yet."""


LANE_NUMBERS = 16


class Number(IntEnum):
    """What is not of a lane. The writer stands first in each comment."""

    SENSOR_STATE = 32
    """Sensor: a ``State``; the supervisor sets it back for the next sensor."""
    RESTARTS = 33
    """Supervisor: sensors that ended unasked and were started again, those it killed included."""
    HANGS = 34
    """Supervisor: sensors it killed because they made no progress."""
    RULES_STAND = 35
    """Keeper: 1 when the kernel's rules are what they should be."""
    RULES_PUT_BACK = 36
    """Keeper: times the rules were damaged or gone and were put back."""
    RULES_MISSING = 37
    """Keeper: nanoseconds for which the rules may have been missing: from the last good look to their return."""
    LIMITED = 38
    """Keeper: strangers' packets above ``queue.stranger_rate``, or above what connection tracking can hold."""
    BACKEND = 39
    """Keeper: what queues packets: 1 nftables, 2 iptables, 3 the operator's own rules; 0 is not known yet."""
    KEEPER_LOOPS = 40
    """Keeper: times it looked."""
    RECKONED = 41
    """Keeper: 1 where what passed uninspected can be reckoned (the kernel's counters of the queues may be read)."""
    INSIDE_COUNT = 42
    """Keeper: how many interfaces lead to the protected hosts; their numbers stand from ``INSIDE`` on."""
    MODE = 43
    """Sensor: the mode at run time, 1 observe, 2 enforce; 0 before the first."""
    MODE_DEADLINE = 44
    """Sensor: when enforce reverts to observe, in nanoseconds of the steady clock (the same in all processes); 0 when it does not."""
    SOURCE_LIMITED = 45
    """Keeper: strangers' packets above ``queue.source_rate``."""
    TRUSTED_FALLEN = 46
    """Keeper: packets of the trusted above ``queue.trusted_rate`` or ``queue.trunk_rate``, which took the strangers' queue."""
    INSIDE = 64


INSIDE_MOST = 64

BACKENDS = ("unknown", "nftables", "iptables", "none")
"""What queues packets, by ``Number.BACKEND``."""


_MODES = (None, Mode.OBSERVE, Mode.ENFORCE)
_TEXT = 2048
"""Where the one text begins: its length, then its bytes."""
_TEXT_MOST = 1024


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

    @property
    def mode(self) -> Mode | None:
        """The mode at run time; None before the first sensor said it."""
        return _MODES[self[Number.MODE]]

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self[Number.MODE] = _MODES.index(mode)

    @property
    def tripped(self) -> str:
        """Why the safety net fell; empty while it holds. Sensor."""
        return self._memory[_TEXT + 8 : _TEXT + 8 + self.numbers[_TEXT // 8]].decode(errors="ignore")

    @tripped.setter
    def tripped(self, why: str) -> None:
        text = why.encode()[:_TEXT_MOST]
        self.numbers[_TEXT // 8] = 0
        self._memory[_TEXT + 8 : _TEXT + 8 + len(text)] = text
        self.numbers[_TEXT // 8] = len(text)

    def lane(self, lane: Lane) -> memoryview[int]:
        """The numbers of one lane, writable, by ``LaneNumber``."""
        return self.numbers[lane * LANE_NUMBERS : (lane + 1) * LANE_NUMBERS]

    def of(self, lane: Lane, number: LaneNumber) -> int:
        """One number of a lane."""
        return self.numbers[lane * LANE_NUMBERS + number]
