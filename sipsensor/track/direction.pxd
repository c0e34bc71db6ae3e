"""C types for what is asked of every message. The module is `direction.py`."""

cimport cython

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.ranges cimport Networks

cdef int _INBOUND, _OUTBOUND, _UNKNOWN, _FROM_INSIDE


cdef class Directions:
    cdef readonly Networks protected

    @cython.locals(arrival=int, from_inside=bint)
    cpdef int of(self, Examined examined, bint is_request) except -1
