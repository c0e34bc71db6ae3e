"""C types for what judges many messages. The module is `malformed.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.detect.base cimport Observer
from sipsensor.fastpath.examined cimport Examined
from sipsensor.model cimport Observation

cdef int _TCP, _REQUEST, _VIA, _MALFORMED
cdef uint64_t _ANY_BIT


cdef class MalformedShapes(Observer):
    cdef readonly object settings

    @cython.locals(examined=Examined, anomalies=uint64_t, found=list)
    cpdef object observe(self, Observation observation)
