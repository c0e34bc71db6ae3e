"""C types for what is asked of every message. The module is `trust.py`."""

cimport cython

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.ranges cimport Networks
from sipsensor.model cimport Observation

cdef int _INVITE, _INBOUND, _OWN


cdef class Trust:
    cdef public Networks allowlist, trunks, _ordered
    cdef readonly frozenset emergency
    cdef readonly dict orders

    cpdef bint exempts(self, Observation observation) except *
    cpdef bint exempts_packet(self, Examined examined, int direction) except *
    @cython.locals(own=bint, examined=Examined)
    cpdef bint spares(self, Observation observation) except *
