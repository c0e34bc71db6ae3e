"""C types for what is asked once a packet. The module is `judge.py`."""

from sipsensor.fastpath.examined cimport Examined


cdef class Judge:
    cdef object _function

    cpdef int judge(self, Examined examined) except -1
