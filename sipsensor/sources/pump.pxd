from libc.stdint cimport int64_t, uint32_t, uint64_t

from sipsensor.fastpath.examine cimport Examiner
from sipsensor.fastpath.examined cimport Examined
from sipsensor.sources.border cimport Border
from sipsensor.sources.governor cimport Governor
from sipsensor.sources.judge cimport Judge
from sipsensor.sources.queued cimport BATCH, Inbox, Waiting

cdef enum:
    LATENCIES = 13

cdef class Turns:
    cdef volatile bint urgent

    cdef void give_way(self) noexcept nogil

cdef class Pump:
    cdef readonly uint64_t packets, packet_bytes, accepted, dropped, forged, truncated, failures, netlink_errors, latency_total
    cdef int _fd
    cdef int _queue
    cdef volatile bint _stopping
    cdef bint _first
    cdef bint _together                 # all before the run is answered, so one accept may answer for all
    cdef int64_t _ticked, _came, _governed
    cdef uint64_t _latency[LATENCIES + 1]
    cdef uint64_t[::1] _numbers
    cdef Turns _turns
    cdef Border _border
    cdef readonly Governor governor
    cdef Examiner _examiner
    cdef Judge _judge
    cdef object _shed, _tick, _failed, _lock, _early
    cdef Inbox _inbox
    cdef int _at                        # the datagram that is read next, and where in it
    cdef uint32_t _start
    cdef Waiting _run[BATCH]            # the packets that are judged and answered together
    cdef int _judged

    cdef void _take(self) noexcept nogil
    cdef int _serve(self) except -1
    cdef int _read_run(self, Border border, int most) noexcept nogil
    cdef int _judge_run(self, int count) except -1
    cdef bint _verdict(self, Waiting *waiting) except -1
    cdef int _govern(self, Examined examined, Waiting *waiting, int64_t ts) except -1
    cdef void _count(self, bint is_udp) noexcept nogil
    cdef void _answer_run(self, int count) noexcept nogil
    cdef void _time_it(self, int64_t took) noexcept nogil
    cdef int _maybe_tick(self) except -1
