"""C types for what is looked up for every message. The module is `kinds.py`."""


cdef class KindTable:
    cdef readonly tuple shapes, judges, learners

    cpdef bint quiet(self, int kind)
