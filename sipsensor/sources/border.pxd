from libc.stdint cimport uint32_t

from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.ranges cimport Networks

cdef enum:
    INSIDE_MAX = 64
    # model.Arrival
    INBOUND = 1
    OUTBOUND = 2
    FORGED = 3

cdef class Border:
    cdef readonly Networks protected
    cdef readonly tuple inside
    cdef uint32_t _inside[INSIDE_MAX]
    cdef int _count

    cdef int arrival(self, int hook, uint32_t indev, Cursor packet) noexcept nogil
