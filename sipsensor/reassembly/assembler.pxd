"""C types for what every packet passes. The module is `assembler.py`."""

cimport cython

from sipsensor.fastpath.examined cimport Examined

cdef int _FRAGMENT, _TCP


cdef class Assembler:
    cdef object _examiner
    cdef readonly object fragments, streams

    @cython.locals(stream=bint, most=int)
    cpdef object assemble(self, Examined examined)
