"""C types for what is asked of answers and of what ends them. The module is `dialogs.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.folding cimport pair_key
from sipsensor.fastpath.tables cimport Records

cdef int _CALL_ID, _TO_TAG
cdef int64_t _LIFE


cdef class Dialogs:
    cdef readonly Records table

    @cython.locals(key=uint64_t)
    cpdef void answered(self, Examined examined, uint64_t address) except *
    cpdef bint proves(self, Examined examined, uint64_t address) except -1


@cython.locals(tag=uint64_t, call=uint64_t, tags=list, calls=list)
cdef uint64_t _key(Examined examined) except? 0
