"""C types for what is asked of every message. The module is `replies.py`."""

from libc.stdint cimport int64_t

cdef int64_t _STALLED, _BLIND
cdef int _BLIND_REQUESTS


cdef class Replies:
    cdef readonly int64_t waits, first
    cdef readonly bint seen
    cdef readonly int requests

    cpdef void asked(self, int64_t now, bint relieved) noexcept
    cpdef void dropped(self, int64_t now) noexcept
    cpdef void answered(self) noexcept
    cpdef bint stalled(self, int64_t now) noexcept
    cpdef bint blind(self, int64_t now) noexcept
