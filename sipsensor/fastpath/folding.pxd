from libc.stdint cimport uint64_t

cpdef uint64_t pair_key(uint64_t one, uint64_t other) noexcept nogil
cpdef uint64_t fold(uint64_t found, uint64_t key) noexcept nogil
