# cython: language_level=3, boundscheck=False, wraparound=False
"""The loop of one netfilter queue: receive, examine, judge, answer.

Rules. Works on a descriptor that `nfqueue` bound and configured, with the messages of `queued`; answers every packet exactly once, whatever
goes wrong in between. What is there is taken at once (nothing is waited for), and worked in runs: of 8 packets, or of all that were taken
where this pump goes first. A run is read without the GIL, examined and judged packet by packet under one hold of the GIL and the engine's
lock, and answered without the GIL: one message may say the commoner verdict of a run, which is why it is answered before the next begins. Nothing
here decides: `judge` says the verdict, `shed` says it of what the governor does not admit, `failed` where one of them raised. Limits: those of
`queued`; a wake-up at least every 200 ms.

Two pumps share an engine. The first of them (the trusted) announces its packets before it asks for the interpreter and the engine's lock, and
the other ends its run with the packet at hand, answers it, and steps back until they are answered. What a pump does is written into numbers that outlive its process (`live.page`).
"""

from array import array

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memmove

from sipsensor.fastpath.cursor cimport Cursor, at, cursor_over
from sipsensor.fastpath.examine cimport Examiner
from sipsensor.fastpath.examined cimport Examined
from sipsensor.sources.border cimport FORGED, INBOUND, Border
from sipsensor.sources.governor cimport Governor
from sipsensor.sources.judge cimport Judge
from sipsensor.sources.netlink cimport (
    CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME_ID, VerdictMessage, clock_gettime, nanosleep, timespec,
)
from sipsensor.sources.queued cimport (
    BATCH, END, IGNORED, NOTHING, OVERRUN, PACKET, STRANGE, Waiting, close_inbox, next_message, open_inbox, packet_id,
    read_packet, receive, send_verdicts, write_verdicts,
)

cdef enum:
    LINK_RAW = 12           # DLT_RAW: an IP packet and nothing before it
    WAKE = 200              # ms
    UDP = 17
    SAMPLED = 8             # one of so many judged packets is timed: asking for the thread's time is a system call
    YIELD = 8               # packets after which the pump that goes second gives way

    # live.page.LaneNumber
    LOOPS = 0
    PACKETS_UDP = 1
    PACKETS_OTHER = 2
    ANSWERED = 3
    RECEIVED = 4
    LAST_ID = 5
    FORGED_SEEN = 7
    TAKEN = 14
    NUMBERS = 16

cdef int64_t TICK = 500_000_000          # ns between two ticks of the engine, which free memory and report
cdef int64_t GOVERN = 100_000_000        # and between two looks of the governor at what everything costs
cdef int64_t STEP_BACK = 5_000_000          # ns that a pump gives way at most: the first one may hang, too
cdef int64_t BOUNDS[LATENCIES]
BOUNDS[:] = [
    10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000,
]
LATENCY_BOUNDS = tuple([BOUNDS[i] for i in range(LATENCIES)])

cdef int64_t last_stamp = 0
cdef int64_t last_steady = 0


cdef int64_t _clock(int clock) noexcept nogil:
    cdef timespec now
    clock_gettime(clock, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef int64_t stamp():
    """Wall clock time in ns that never goes back, for all pumps of the process: callers hold the GIL.

    When the clock is set back, time goes on from the last stamp at the pace of the steady clock: standing still until the old time comes
    again would keep every budget full that long.
    """
    global last_stamp, last_steady
    cdef int64_t steady = _clock(CLOCK_MONOTONIC)
    cdef int64_t now = _clock(CLOCK_REALTIME)
    if now < last_stamp:
        now = last_stamp + (steady - last_steady)
    last_stamp = now
    last_steady = steady
    return now


def now():
    """The time that the next packet would be stamped with, in ns since the epoch."""
    return stamp()


cdef class Turns:
    """Which of the pumps that share an engine has a packet that goes first."""

    cdef void give_way(self) noexcept nogil:
        cdef timespec moment
        cdef int64_t since = 0
        moment.tv_sec = 0
        moment.tv_nsec = 20_000
        while self.urgent:
            if since == 0:
                since = _clock(CLOCK_MONOTONIC)
            elif _clock(CLOCK_MONOTONIC) - since > STEP_BACK:
                return
            nanosleep(&moment, NULL)


cdef class Pump:
    """One queue's loop. See `pump.pyi` for the face."""

    def __cinit__(self):
        if not open_inbox(&self._inbox):
            raise MemoryError

    def __dealloc__(self):
        close_inbox(&self._inbox)

    def __init__(
        self, fd, queue, examiner, judge, failed, lock, *, protected, inside=(), tick=None, early=(), turns=None, first=False, numbers=None,
        governor=None, shed=None,
    ):
        self._fd = fd
        self._queue = queue
        self._examiner = examiner
        self._judge = judge if isinstance(judge, Judge) else Judge(judge)
        self._failed = failed
        self._lock = lock
        self._border = Border(protected, inside)
        self._tick = tick
        self._early = list(early)
        self._turns = Turns() if turns is None else turns
        self._first = first
        self.governor = governor
        self._shed = shed
        self._together = True
        self._numbers = array("Q", bytes(8 * NUMBERS)) if numbers is None else numbers
        if self._numbers.shape[0] < NUMBERS:
            raise ValueError(f"a pump writes {NUMBERS} numbers, not {self._numbers.shape[0]}")
        self._numbers[TAKEN] = self._numbers[RECEIVED] = self._numbers[ANSWERED] = self._numbers[LAST_ID] = 0

    @property
    def latency(self):
        return tuple([self._latency[i] for i in range(LATENCIES + 1)])

    def set_protected(self, protected not None):
        self._border = Border(protected, self._border.inside)

    def set_inside(self, interfaces):
        self._border = Border(self._border.protected, interfaces)

    def stop(self):
        self._stopping = True

    def run(self):
        cdef int got
        cdef bint stopping
        for message in self._early:
            self.feed(message)
        self._early = []
        while True:
            # Read before receiving: what came before the order to stop is answered, and only an empty queue ends the loop.
            stopping = self._stopping
            with nogil:
                self._numbers[LOOPS] += 1
                got = receive(&self._inbox, self._fd, 0 if stopping else WAKE)
                self._take()
            if got > 0:
                self._serve()
            elif got == OVERRUN:
                self.netlink_errors += 1
            elif got < OVERRUN:
                raise OSError(OVERRUN - got, "receiving from the queue failed")
            elif got == NOTHING and stopping:
                return
            self._maybe_tick()

    def feed(self, bytes datagram not None):
        self._inbox.datagrams[0] = cursor_over(<const char *> datagram, len(datagram))
        self._inbox.count = 1
        self._take()
        self._serve()

    cdef void _take(self) noexcept nogil:
        """Note the packets received, before anything is waited for: who takes the queue over finds them in the socket or in the numbers."""
        cdef Cursor attributes
        cdef uint32_t start
        cdef int64_t number
        cdef int i, found
        self._at = 0
        self._start = 0
        if self._inbox.count == 0:
            return
        for i in range(self._inbox.count):
            start = 0
            found = PACKET
            while found != END:
                found = next_message(self._inbox.datagrams[i], &start, &attributes)
                number = packet_id(attributes) if found == PACKET else -1
                if number >= 0:
                    self._numbers[LAST_ID] = <uint64_t> number
                    self._numbers[TAKEN] += 1
        self._came = _clock(CLOCK_MONOTONIC)

    cdef int _serve(self) except -1:
        """All that was taken, in runs. Where judging ends the loop, what it has judged is answered before."""
        cdef Border border = self._border       # held, because it is asked without the GIL while others may replace it
        cdef int count = 0
        if self.governor is not None and self._came - self._governed >= GOVERN:
            self._governed = self._came
            self.governor.settle(stamp(), _clock(CLOCK_PROCESS_CPUTIME_ID))
        try:
            while True:
                with nogil:
                    if self._first:
                        self._turns.urgent = True
                    else:
                        self._turns.give_way()
                    if count == 0:
                        count = self._read_run(border, BATCH if self._first else YIELD)
                if count == 0:
                    return 0
                self._judged = 0
                try:
                    self._judge_run(count)
                finally:
                    with nogil:
                        self._answer_run(self._judged)
                count -= self._judged
                if count:
                    memmove(self._run, &self._run[self._judged], <size_t> count * sizeof(Waiting))
        finally:
            if self._first:
                self._turns.urgent = False

    cdef int _read_run(self, Border border, int most) noexcept nogil:
        """The next packets of what was taken into `_run`, at most `most`: how many; 0 at the end."""
        cdef Cursor attributes
        cdef int found, count = 0
        cdef Waiting *waiting
        while count < most and self._at < self._inbox.count:
            found = next_message(self._inbox.datagrams[self._at], &self._start, &attributes)
            if found == END:
                self._at += 1
                self._start = 0
            elif found == STRANGE:
                self.netlink_errors += 1
            elif found == PACKET:
                waiting = &self._run[count]
                if not read_packet(attributes, waiting):
                    self.netlink_errors += 1
                if waiting.id < 0:
                    # It waits for good, unanswered: an accept for all would take it along.
                    self.netlink_errors += 1
                    self._together = False
                    continue
                self.packets += 1
                self.packet_bytes += <uint64_t> waiting.wire_length
                if waiting.wire_length > waiting.packet.size:
                    self.truncated += 1
                waiting.number = self.packets
                waiting.arrival = border.arrival(waiting.hook, waiting.indev, waiting.packet)
                if waiting.arrival == FORGED:
                    self.forged += 1
                    self._numbers[FORGED_SEEN] += 1
                count += 1
        return count

    cdef int _judge_run(self, int count) except -1:
        """Fills the verdicts of a run under the engine's lock, in order, so that time does not go back from one packet to the next.

        Ends early where the other pump goes first: `_judged` says after how many packets, at least one.
        """
        with self._lock:
            while self._judged < count:
                self._numbers[LOOPS] += 1
                self._run[self._judged].drop = self._verdict(&self._run[self._judged])
                self._judged += 1
                if self._turns.urgent and not self._first:
                    break
        return 0

    cdef bint _verdict(self, Waiting *waiting) except -1:
        """True to drop. Stamps, examines and judges one packet, with the lock held."""
        cdef Cursor packet = waiting.packet
        cdef bytes data = PyBytes_FromStringAndSize(<const char *> packet.data, packet.size)
        cdef int64_t ts = stamp()
        cdef bint counted = False
        cdef Examined examined
        try:
            examined = self._examiner.examine_one(data, LINK_RAW, ts, waiting.number, waiting.wire_length, waiting.arrival)
            counted = True
            self._count(examined.transport == UDP)
            return (self._judge.judge(examined) if self.governor is None else self._govern(examined, waiting, ts)) != 0
        except Exception as error:
            self.failures += 1
            if not counted:
                self._count(at(packet, 9 if at(packet, 0) >> 4 == 4 else 6) == UDP)
            try:
                return self._failed(data, ts, waiting.arrival, error) != 0
            except Exception:
                return False

    cdef int _govern(self, Examined examined, Waiting *waiting, int64_t ts) except -1:
        """Judge it, or shed it where the governor does not admit it. What those we protect sent is judged whatever comes. So is what is
        forged: that costs no more than to shed it, and must not be charged to everybody.
        """
        cdef Governor governor = self.governor
        cdef int64_t started
        cdef int effect
        if waiting.arrival == FORGED:
            return self._judge.judge(examined)
        if not governor.admits(examined.facts.source_key, ts, waiting.arrival == INBOUND):
            effect = self._shed(examined)
            if effect >= 0:
                return effect
            governor.admits(0, ts, False)
        if governor.judged % SAMPLED:
            return self._judge.judge(examined)
        started = _clock(CLOCK_THREAD_CPUTIME_ID)
        effect = self._judge.judge(examined)
        governor.spend(_clock(CLOCK_THREAD_CPUTIME_ID) - started)
        return effect

    cdef void _count(self, bint is_udp) noexcept nogil:
        """In one place: a packet counts as received once it is known which rule counted it."""
        self._numbers[PACKETS_UDP if is_udp else PACKETS_OTHER] += 1
        self._numbers[RECEIVED] += 1

    cdef void _answer_run(self, int count) noexcept nogil:
        """The verdicts of the first `count` packets of the run: all that were taken and are not answered, up to the last of them."""
        cdef VerdictMessage messages[BATCH]
        cdef int written = write_verdicts(messages, self._run, count, self._queue, self._together)
        cdef int i
        cdef int64_t took = _clock(CLOCK_MONOTONIC) - self._came
        # Counted first: whoever has seen the packet pass finds it counted.
        for i in range(count):
            self._time_it(took)
            if self._run[i].drop:
                self.dropped += 1
            else:
                self.accepted += 1
        self._numbers[ANSWERED] += count
        if written and not send_verdicts(self._fd, messages, written):
            # These wait for good.
            self.netlink_errors += 1
            self._together = False

    cdef void _time_it(self, int64_t took) noexcept nogil:
        cdef int i = 0
        while i < LATENCIES and took > BOUNDS[i]:
            i += 1
        self._latency[i] += 1
        self.latency_total += <uint64_t> took

    cdef int _maybe_tick(self) except -1:
        cdef int64_t at_now
        if self._tick is None or _clock(CLOCK_MONOTONIC) - self._ticked < TICK:
            return 0
        with self._lock:
            at_now = stamp()
            try:
                self._tick(at_now)
            except Exception:
                self.failures += 1
        self._ticked = _clock(CLOCK_MONOTONIC)
        return 0
