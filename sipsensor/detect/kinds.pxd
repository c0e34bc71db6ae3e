"""C types for what is looked up for every message. The module is `kinds.py`."""

from sipsensor.detect.base cimport Observer
from sipsensor.model cimport Observation


cdef class Wrapped(Observer):
    cdef readonly object detector

    cpdef object observe(self, Observation observation)


cdef class KindTable:
    cdef readonly tuple shapes, judges, learners

    cpdef bint quiet(self, int kind)
