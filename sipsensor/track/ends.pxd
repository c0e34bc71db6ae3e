"""C types for what is made once a packet. The module is `ends.py`."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.ranges cimport Networks


cdef int _RESPONSE, _IPV4


@cython.final
cdef class End:
    cdef Examined _examined
    cdef bint _outgoing
    cdef object _text
    cdef readonly uint64_t address, port, source
    cdef readonly bint behind
    cdef public bint carrier

    cdef void begin(self, Examined examined, bint outgoing)
    cpdef uint64_t half(self, uint32_t start) except? 0
    cpdef int number(self) except -1
    cpdef is_client(self, tuple text)
    cpdef is_anybody(self)


cdef class Ends:
    cdef readonly Networks proxies

    @cython.locals(end=End)
    cpdef End of(self, Examined examined, bint outgoing)
    cdef _through(self, Examined examined, bint outgoing, End end)
