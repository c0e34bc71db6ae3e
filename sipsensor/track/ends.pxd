"""C types for what is made once a packet. The module is `ends.py`."""

from libc.stdint cimport uint64_t

from sipsensor.fastpath.examined cimport Examined


cdef class End:
    cdef Examined _examined
    cdef bint _outgoing
    cdef object _text
    cdef readonly uint64_t address, port, source
    cdef readonly bint behind
    cdef public bint carrier

    cpdef is_client(self, tuple text)
    cpdef is_anybody(self)


cdef class Ends:
    cdef readonly object proxies

    cpdef End of(self, Examined examined, bint outgoing)
