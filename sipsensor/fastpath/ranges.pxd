from libc.stdint cimport uint8_t


cdef class Networks:
    cdef uint8_t *ranges        # first and last address of each, 32 bytes, sorted
    cdef readonly int count
    cdef readonly tuple texts

    cdef bint holds(self, const uint8_t *address) noexcept nogil
    cpdef bint contains(self, bytes address)
