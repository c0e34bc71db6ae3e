"""C types for what judges every frame of a stranger. The module is `frames.py`."""

cimport cython

from sipsensor.detect.base cimport Observer
from sipsensor.fastpath.tables cimport RateTable
from sipsensor.model cimport Observation

cdef int _POKE, _NEW, _REGREQ, _REGREL, _FWDOWNL, _MALFORMED


cdef class Frames(Observer):
    cdef readonly object settings
    cdef readonly RateTable pokes, calls, tokens, unknown, same

    @cython.locals(what=int)
    cpdef object observe(self, Observation observation)
    @cython.locals(over=int)
    cdef object _begins(self, Observation observation)


cdef object _over(object rule, Observation observation, RateTable table, object limit)
