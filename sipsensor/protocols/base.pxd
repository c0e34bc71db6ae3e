"""C types for what is made once a message. The module is `base.py`."""

cimport cython

from sipsensor.fastpath.examined cimport Examined


cdef class View:
    cdef readonly Examined examined
    cdef readonly int protocol, what
    cdef readonly bint is_request

    cdef void of(self, Examined examined, int protocol, int what, bint is_request)


cdef class Malformed(View):
    cdef readonly str reason
    cdef readonly int offset
