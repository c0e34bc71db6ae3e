"""C types for what judges many messages. The module is `flood.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.detect.base cimport Observer
from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.tables cimport RateTable, Records
from sipsensor.model cimport Observation
from sipsensor.track.transactions cimport Request

cdef int _REGISTER, _INVITE, _OUTBOUND, _ACCEPTED, _REFUSED, _PROVEN, _TRUSTED, _OWN, _RETRANSMISSIONS
cdef uint64_t _LAST


cdef class Flood(Observer):
    cdef readonly object settings
    cdef readonly RateTable registers, aors, invites, any
    cdef readonly Records outcomes
    cdef int _office, _ceiling
    cdef int64_t _memory

    @cython.locals(source=uint64_t, ts=int64_t, what=int, over_any=int, over=int, over_aor=int, examined=Examined)
    cpdef object observe(self, Observation observation)
    @cython.locals(times=int)
    cdef uint64_t _bucket(self, Observation observation) noexcept
    @cython.locals(ts=int64_t, good=bint, place=int, accepted=uint64_t, refused=uint64_t)
    cdef object _learn(self, Observation observation, Request request)
