"""C types for what every packet passes. The module is `assembler.py`."""

cimport cython

from sipsensor.fastpath.examined cimport Examined

cdef int _FRAGMENT, _TCP


cdef class Assembler:
    cdef readonly object examiner, fragments, streams

    cpdef bint is_alone(self, Examined examined) noexcept
    @cython.locals(stream=bint, most=int)
    cpdef object assemble(self, Examined examined)
