"""C types for what judges many messages. The module is `guessing.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.detect.base cimport Observer
from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.folding cimport pair_key
from sipsensor.fastpath.tables cimport RateTable, Records, SeenTable
from sipsensor.model cimport Observation
from sipsensor.track.transactions cimport Request

cdef int _OUTBOUND, _OWN, _ACCEPTED, _REFUSED, _FAILURES
cdef uint64_t _CALL_SALT, _OTHER_SALT, _OWN_SALT


cdef class Guessing(Observer):
    cdef readonly object settings
    cdef readonly RateTable pairs, blind, accounts, unproven, sources, offenders, networks, names, refused
    cdef readonly SeenTable named
    cdef readonly Records calls
    cdef int64_t _call_memory
    cdef int _most, _office, _ceiling

    cpdef object observe(self, Observation observation)
    @cython.locals(key=uint64_t, ts=int64_t, over=int)
    cdef object _unproven(self, Observation observation)
    @cython.locals(ts=int64_t, pair=uint64_t, table=RateTable, over=int, call=uint64_t)
    cdef object _own(self, Observation observation)
    @cython.locals(ts=int64_t, source=uint64_t, over=int)
    cdef object _stranger(self, Observation observation)
    @cython.locals(source=uint64_t, named=uint64_t)
    cdef object _name(self, Observation observation, uint64_t account)
    @cython.locals(ts=int64_t, over=int)
    cdef object _shared(self, Observation observation, uint64_t account)
    cdef object _scope(self, Observation observation, limit)
    @cython.locals(times=int)
    cdef uint64_t _bucket(self, Observation observation, uint64_t account) except? 0
    @cython.locals(examined=Examined)
    cdef uint64_t _network(self, Observation observation) except? 0
    @cython.locals(ts=int64_t, outcome=int, pair=uint64_t, accepted=bint, failures=double)
    cdef object _answered(self, Observation observation, Request request)
    @cython.locals(tries=int64_t)
    cdef int _tries(self, uint64_t call, int64_t ts) except -1
    @cython.locals(key=uint64_t)
    cdef object _refund_unproven(self, Observation observation, Request request)
    @cython.locals(ts=int64_t, source=uint64_t, pair=uint64_t, times=int, named=uint64_t, _=int)
    cdef object _refund(self, Observation observation, Request request, int tries)


cdef object _over(rule, Observation observation, int over, limits, scope=*)
