from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.tables cimport RateTable

cdef enum:
    LEVELS = 4                          # how strict it can be with each source

cdef class Governor:
    cdef readonly double share, cost, overhead
    cdef readonly int level
    cdef readonly uint64_t judged, shed_sources, shed_all
    cdef readonly RateTable sources
    cdef int64_t _empty                 # when the bucket of all will be empty, in the time of the packets
    cdef int64_t _settled, _processor   # of the last window's end: that time, and the processor's
    cdef uint64_t _offered, _looser, _refused   # packets of this window
    cdef int _calm

    cdef bint admits(self, uint64_t source, int64_t now, bint refusable) except -1
    cdef void spend(self, int64_t nanoseconds) noexcept nogil
    cdef double _interval(self) noexcept nogil
    cdef bint _pour(self, int64_t now, bint refusable) noexcept nogil
    cdef void _adapt(self, double window)
