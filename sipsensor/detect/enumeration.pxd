"""C types for what judges many messages. The module is `enumeration.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.detect.base cimport Observer
from sipsensor.fastpath.folding cimport pair_key
from sipsensor.fastpath.tables cimport RateTable, SeenTable
from sipsensor.model cimport Observation
from sipsensor.track.transactions cimport Request

cdef int _SIP, _INVITE, _OUTBOUND, _ACCEPTED, _TRUSTED, _ALL, _REFUSED


cdef class Enumeration(Observer):
    cdef readonly object settings
    cdef readonly RateTable senders, strangers
    cdef readonly SeenTable used, callers

    cpdef object observe(self, Observation observation)
    @cython.locals(ts=int64_t, sender=uint64_t, pair=uint64_t)
    cdef object _charge(self, Observation observation, uint64_t name)
    @cython.locals(ts=int64_t)
    cdef object _answered(self, Observation observation, Request request)
    @cython.locals(name=uint64_t, pair=uint64_t, charged=int)
    cdef object _refund(self, Request request, int64_t ts)
