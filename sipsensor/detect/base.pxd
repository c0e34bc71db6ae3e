"""C types for what is asked of every message. The module is `base.py`."""

from sipsensor.model cimport Observation


cdef class Observer:
    cpdef object observe(self, Observation observation)
