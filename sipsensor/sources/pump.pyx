# cython: language_level=3, boundscheck=False, wraparound=False
"""The loop of one netfilter queue: receive, examine, judge, answer, packet by packet.

Rules. Works on a descriptor that `nfqueue` bound and configured; reads what the kernel sent with the checked primitives of `cursor.pxd` and
answers every packet exactly once, whatever goes wrong in between. The GIL is free while it waits, receives and answers. Nothing here decides:
`judge` says the verdict, `failed` says it where judging raised. Limits: datagrams of 68 KiB (the kernel shows at most 65,531 bytes of a
packet), 64 inside interfaces, a wake-up at least every 100 ms. One verdict message for each packet: a batch verdict would take packets
along that still wait for theirs.

Two pumps share an engine. The first of them (the trusted) announces a packet before it asks for the interpreter and the engine's lock, and
the other steps back until it is answered. What a pump does is written into numbers that outlive its process (`live.page`).
"""

from array import array

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EINTR, ENOBUFS, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from sipsensor.fastpath.cursor cimport Cursor, at, be16, be32, copy_out, cursor_over, host16, host32, part
from sipsensor.sources.netlink cimport (
    CLOCK_MONOTONIC, CLOCK_REALTIME, GENERIC, HEADER, HOOK_LOCAL_IN, HOOK_LOCAL_OUT, MSG_DONTWAIT, NF_ACCEPT, NF_DROP, NFQA_CAP_LEN,
    NFQA_IFINDEX_INDEV, NFQA_PACKET_HDR, NFQA_PAYLOAD, NFQA_VERDICT_HDR, NLM_F_REQUEST, NLMSG_ERROR, POLLIN, TYPE_PACKET, TYPE_VERDICT,
    VerdictMessage, clock_gettime, htonl, htons, nanosleep, poll, pollfd, recvfrom, send, sockaddr, sockaddr_nl, socklen_t, timespec,
)

cdef enum:
    # model.Arrival
    INBOUND = 1
    OUTBOUND = 2
    FORGED = 3

    LINK_RAW = 12           # DLT_RAW: an IP packet and nothing before it
    WAKE = 100              # ms
    IGNORED = -1            # a datagram that is not the kernel's, or an interrupted call
    RETRIES = 8
    UDP = 17

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

cdef int64_t TICK = 100_000_000
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


cdef int64_t _id_of(Cursor attributes) noexcept nogil:
    """The kernel's id of the packet that these attributes describe; -1 where it is not there."""
    cdef uint32_t start = 0
    cdef int64_t size
    while start < attributes.size:
        size = host16(attributes, start)
        if size < 4 or size > attributes.size - start:
            return -1
        if host16(attributes, start + 2) & 0x3FFF == NFQA_PACKET_HDR:
            return be32(part(attributes, start + 4, <uint32_t> size - 4), 0)
        start += (<uint32_t> size + 3) & ~<uint32_t> 3
    return -1


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

    def __init__(
        self, fd, queue, examiner, judge, failed, lock, *, protected, inside=(), tick=None, early=(), turns=None, first=False, numbers=None
    ):
        self._fd = fd
        self._queue = queue
        self._examiner = examiner
        self._judge = judge
        self._failed = failed
        self._lock = lock
        self._protected = protected
        self._tick = tick
        self._early = list(early)
        self._turns = Turns() if turns is None else turns
        self._first = first
        self._numbers = array("Q", bytes(8 * NUMBERS)) if numbers is None else numbers
        if self._numbers.shape[0] < NUMBERS:
            raise ValueError(f"a pump writes {NUMBERS} numbers, not {self._numbers.shape[0]}")
        self._numbers[TAKEN] = self._numbers[RECEIVED] = self._numbers[ANSWERED] = self._numbers[LAST_ID] = 0
        self.set_inside(inside)

    @property
    def latency(self):
        return tuple([self._latency[i] for i in range(LATENCIES + 1)])

    def set_protected(self, protected not None):
        self._protected = protected

    def set_inside(self, interfaces):
        if len(interfaces) > INSIDE_MAX:
            raise ValueError(f"at most {INSIDE_MAX} inside interfaces, not {len(interfaces)}")
        self._inside_count = 0
        for interface in interfaces:
            self._inside[self._inside_count] = interface
            self._inside_count += 1

    def stop(self):
        self._stopping = True

    def run(self):
        cdef Py_ssize_t got
        cdef bint stopping
        for message in self._early:
            self.feed(message)
        self._early = []
        while True:
            # Read before receiving: what came before the order to stop is answered, and only an empty queue ends the loop.
            stopping = self._stopping
            with nogil:
                self._numbers[LOOPS] += 1
                got = self._receive(0 if stopping else WAKE)
                if got > 0:
                    self._take(cursor_over(self._buffer, got))
                    self._came = _clock(CLOCK_MONOTONIC)
                    if self._first:
                        self._turns.urgent = True
                    else:
                        self._turns.give_way()
            if got > 0:
                try:
                    self._datagram(cursor_over(self._buffer, got))
                finally:
                    if self._first:
                        self._turns.urgent = False
            elif got < IGNORED:
                raise OSError(IGNORED - got, "receiving from the queue failed")
            elif got == 0 and stopping:
                return
            self._maybe_tick()

    def feed(self, bytes datagram not None):
        cdef Cursor whole = cursor_over(<const char *> datagram, len(datagram))
        self._take(whole)
        self._came = _clock(CLOCK_MONOTONIC)
        self._datagram(whole)

    cdef Py_ssize_t _receive(self, int wait) noexcept nogil:
        """One datagram into the buffer: its size, 0 when none came in `wait` ms, IGNORED, or IGNORED less an errno."""
        cdef sockaddr_nl source
        cdef socklen_t source_size = sizeof(source)
        cdef pollfd waiting
        cdef Py_ssize_t got
        memset(&source, 0, sizeof(source))
        got = recvfrom(self._fd, self._buffer, BUFFER, MSG_DONTWAIT, <sockaddr *> &source, &source_size)
        if got > 0:
            # Processes may write to this socket too, given the privilege.
            return got if source.nl_pid == 0 else IGNORED
        if got < 0 and errno == ENOBUFS:
            self.netlink_errors += 1
            return IGNORED
        if got < 0 and errno != EAGAIN and errno != EINTR:
            return IGNORED - errno
        if wait > 0:
            waiting.fd = self._fd
            waiting.events = POLLIN
            waiting.revents = 0
            if poll(&waiting, 1, wait) != 0:
                return IGNORED
        return 0

    cdef void _take(self, Cursor datagram) noexcept nogil:
        """Note a datagram's packets, before anything is waited for: who takes the queue over finds them in the socket or in the numbers."""
        cdef uint32_t start = 0
        cdef int64_t size, packet_id
        while start < datagram.size:
            size = host32(datagram, start)
            if size < HEADER or size > datagram.size - start:
                return
            if host16(datagram, start + 4) == TYPE_PACKET:
                packet_id = _id_of(part(part(datagram, start, <uint32_t> size), HEADER + GENERIC, <uint32_t> size))
                if packet_id >= 0:
                    self._numbers[LAST_ID] = <uint64_t> packet_id
                    self._numbers[TAKEN] += 1
            start += (<uint32_t> size + 3) & ~<uint32_t> 3

    cdef int _datagram(self, Cursor datagram) except -1:
        """Every netlink message of a datagram."""
        cdef uint32_t start = 0
        cdef int64_t size, kind
        cdef Cursor message
        while start < datagram.size:
            size = host32(datagram, start)
            kind = host16(datagram, start + 4)
            if size < HEADER or size > datagram.size - start:
                self.netlink_errors += 1
                return 0
            message = part(datagram, start, <uint32_t> size)
            if kind == TYPE_PACKET:
                self._packet(part(message, HEADER + GENERIC, message.size))
            elif kind != NLMSG_ERROR or host32(message, HEADER) != 0:
                # An error is the kernel's complaint about a verdict: the packet was gone already.
                self.netlink_errors += 1
            start += (<uint32_t> size + 3) & ~<uint32_t> 3
        return 0

    cdef int _packet(self, Cursor attributes) except -1:
        """Reads one packet's attributes, and answers it."""
        cdef uint32_t start = 0
        cdef int64_t size, kind, indev = 0, whole = -1
        cdef int64_t packet_id = _id_of(attributes)
        cdef int hook = -1
        cdef Cursor value, packet = part(attributes, 0, 0)
        cdef bint drop
        while start < attributes.size:
            size = host16(attributes, start)
            kind = host16(attributes, start + 2) & 0x3FFF
            if size < 4 or size > attributes.size - start:
                self.netlink_errors += 1
                break
            value = part(attributes, start + 4, <uint32_t> size - 4)
            if kind == NFQA_PACKET_HDR:
                hook = at(value, 6)
            elif kind == NFQA_IFINDEX_INDEV:
                indev = be32(value, 0)
            elif kind == NFQA_PAYLOAD:
                packet = value
            elif kind == NFQA_CAP_LEN:
                whole = be32(value, 0)
            start += (<uint32_t> size + 3) & ~<uint32_t> 3
        if packet_id < 0:
            self.netlink_errors += 1
            return 0
        self.packets += 1
        whole = packet.size if whole < packet.size else whole
        self.packet_bytes += <uint64_t> whole
        if whole > packet.size:
            self.truncated += 1
        drop = self._verdict(packet, self._arrival(hook, <uint32_t> indev if indev > 0 else 0, packet), whole)
        with nogil:
            self._answer(<uint32_t> packet_id, drop)
        return 0

    cdef bint _is_inside(self, uint32_t interface) noexcept nogil:
        cdef int i
        for i in range(self._inside_count):
            if self._inside[i] == interface:
                return True
        return False

    cdef int _arrival(self, int hook, uint32_t indev, Cursor packet) except -1:
        """How the packet reached us. Direction decides who is believed, so addresses alone never decide it (DESIGN 2)."""
        cdef uint8_t source[16]
        cdef bint known
        if hook == HOOK_LOCAL_OUT or indev == 0:
            return OUTBOUND
        if self._is_inside(indev):
            return INBOUND if hook == HOOK_LOCAL_IN else OUTBOUND
        memset(source, 0, 16)
        source[10] = source[11] = 0xFF
        if at(packet, 0) >> 4 == 4:
            known = copy_out(packet, 12, &source[12], 4)
        else:
            known = copy_out(packet, 8, source, 16)
        if known and self._protected.contains(PyBytes_FromStringAndSize(<char *> source, 16)):
            self.forged += 1
            self._numbers[FORGED_SEEN] += 1
            return FORGED
        return INBOUND

    cdef bint _verdict(self, Cursor packet, int arrival, int64_t wire_length) except -1:
        """True to drop. Stamps, examines and judges under the engine's lock, so that time does not go back from one packet to the next."""
        cdef bytes data = PyBytes_FromStringAndSize(<const char *> packet.data, packet.size)
        cdef int64_t ts
        cdef bint counted = False
        with self._lock:
            ts = stamp()
            try:
                examined = self._examiner.examine_raw(data, LINK_RAW, ts, self.packets, wire_length, arrival)
                counted = True
                self._count(examined.transport == UDP)
                return self._judge(examined) != 0
            except Exception as error:
                self.failures += 1
                if not counted:
                    self._count(at(packet, 9 if at(packet, 0) >> 4 == 4 else 6) == UDP)
                try:
                    return self._failed(data, ts, arrival, error) != 0
                except Exception:
                    return False

    cdef void _count(self, bint is_udp) noexcept nogil:
        """In one place: a packet counts as received once it is known which rule counted it."""
        self._numbers[PACKETS_UDP if is_udp else PACKETS_OTHER] += 1
        self._numbers[RECEIVED] += 1

    cdef void _answer(self, uint32_t packet_id, bint drop) noexcept nogil:
        cdef VerdictMessage message
        cdef int tries = 0
        memset(&message, 0, sizeof(message))
        message.size = sizeof(message)
        message.type = TYPE_VERDICT
        message.flags = NLM_F_REQUEST
        message.queue = htons(<uint16_t> self._queue)
        message.attribute_size = 12
        message.attribute = NFQA_VERDICT_HDR
        message.verdict = htonl(NF_DROP if drop else NF_ACCEPT)
        message.packet_id = htonl(packet_id)
        # Counted first: whoever has seen the packet pass finds it counted.
        self._time_it()
        self._numbers[ANSWERED] += 1
        if drop:
            self.dropped += 1
        else:
            self.accepted += 1
        while send(self._fd, &message, sizeof(message), 0) < 0:
            tries += 1
            if (errno != EINTR and errno != EAGAIN and errno != ENOBUFS) or tries > RETRIES:
                self.netlink_errors += 1
                return

    cdef void _time_it(self) noexcept nogil:
        cdef int64_t took = _clock(CLOCK_MONOTONIC) - self._came
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
