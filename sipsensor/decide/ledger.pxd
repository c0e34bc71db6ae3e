"""C types for what is asked of every request. The module is `ledger.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.ranges cimport Networks
from sipsensor.fastpath.tables cimport RateTable, Records, SeenTable
from sipsensor.model cimport Observation
from sipsensor.track.transactions cimport Request

cdef int _ACCOUNT, _SOURCE, _NETWORK, _ACCEPTED, _OWN
cdef uint64_t _SOURCE_SALT, _NETWORK_SALT


cdef class Ledger:
    cdef readonly dict rules
    cdef readonly object ladder
    cdef readonly Records table, spared
    cdef readonly dict orders
    cdef public Networks _ordered
    cdef RateTable _networks
    cdef SeenTable _customers

    cpdef object cut(self, Observation observation, scope, rule)
    @cython.locals(now=int64_t)
    cpdef object in_force(self, Observation observation)
    @cython.locals(request=Request)
    cpdef object accepted(self, Observation observation)
    cpdef bint is_offender(self, Observation observation) except *
    @cython.locals(key=uint64_t, own=bint)
    cdef object _account_in_force(self, Observation observation, int64_t now)
    @cython.locals(scope=int, key=uint64_t)
    cdef object _source_in_force(self, Observation observation, int64_t now)
    cdef object _held(self, uint64_t key, int64_t now)


@cython.locals(examined=Examined)
cdef uint64_t _key(int scope, Observation observation) except? 0
