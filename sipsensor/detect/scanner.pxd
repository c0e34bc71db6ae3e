"""C types for what judges many messages. The module is `scanner.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.detect.base cimport Observer
from sipsensor.fastpath.examined cimport Examined
from sipsensor.model cimport Observation


cdef class Scanner(Observer):
    cdef readonly object settings, signatures
    cdef readonly tuple rules

    @cython.locals(examined=Examined)
    cpdef object observe(self, Observation observation)
