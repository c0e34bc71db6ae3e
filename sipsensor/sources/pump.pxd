from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor

cdef enum:
    INSIDE_MAX = 64
    BUFFER = 65536 + 4096
    LATENCIES = 13

cdef class Turns:
    cdef volatile bint urgent

    cdef void give_way(self) noexcept nogil

cdef class Pump:
    cdef readonly uint64_t packets, packet_bytes, accepted, dropped, forged, truncated, failures, netlink_errors, latency_total
    cdef int _fd
    cdef int _queue
    cdef int _inside_count
    cdef volatile bint _stopping
    cdef uint32_t _inside[INSIDE_MAX]
    cdef bint _first
    cdef int64_t _ticked, _came
    cdef uint64_t _latency[LATENCIES + 1]
    cdef uint64_t[::1] _numbers
    cdef Turns _turns
    cdef object _examiner, _judge, _tick, _failed, _lock, _protected, _early
    cdef uint8_t _buffer[BUFFER]

    cdef Py_ssize_t _receive(self, int wait) noexcept nogil
    cdef void _take(self, Cursor datagram) noexcept nogil
    cdef void _count(self, bint is_udp) noexcept nogil
    cdef void _answer(self, uint32_t packet_id, bint drop) noexcept nogil
    cdef bint _is_inside(self, uint32_t interface) noexcept nogil
    cdef int _datagram(self, Cursor datagram) except -1
    cdef int _packet(self, Cursor attributes) except -1
    cdef int _arrival(self, int hook, uint32_t indev, Cursor packet) except -1
    cdef bint _verdict(self, Cursor packet, int arrival, int64_t wire_length) except -1
    cdef void _time_it(self) noexcept nogil
    cdef int _maybe_tick(self) except -1
