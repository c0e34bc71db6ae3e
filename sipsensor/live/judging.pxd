"""C types for what happens once a packet. The module is `judging.py`."""

cimport cython

from sipsensor.engine cimport Engine
from sipsensor.fastpath.examined cimport Examined
from sipsensor.model cimport Decision
from sipsensor.sources.judge cimport Judge


cdef class Judging(Judge):
    cdef Engine _engine
    cdef object _outlets
    cdef object _followed, _sure
    cdef bint _records

    @cython.locals(decision=Decision, source=object)
    cpdef int judge(self, Examined examined) except -1
