from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.examined cimport Examined

cdef class Frame:
    cdef Examined _examined
    cdef readonly int what, source_call, destination_call, oseqno, iseqno, type
    cdef readonly bint repeated
    cdef readonly int64_t timestamp
    cdef readonly uint64_t subclass

    cpdef int64_t number(self, int element) noexcept
    cpdef list calls(self)
    cpdef uint64_t call_key(self, bint outgoing, int call) noexcept

cpdef Frame frame_of(Examined examined)
