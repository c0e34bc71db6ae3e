# cython: language_level=3, boundscheck=False, wraparound=False
"""One key of several.

Rules. The keys are keyed hashes already, so what is made of them need only be quick and tell their order.
"""

from libc.stdint cimport uint64_t


cpdef uint64_t pair_key(uint64_t one, uint64_t other) noexcept nogil:
    """One key of two that belong together; never 0."""
    cdef uint64_t key = one ^ (other * <uint64_t> 0x9E3779B97F4A7C15)
    return key if key else 1


cpdef uint64_t fold(uint64_t found, uint64_t key) noexcept nogil:
    """`folded` with one more key."""
    return found * <uint64_t> 0x9E3779B97F4A7C15 + key


def folded(list keys not None):
    """One key of several, in their order; 0 of none."""
    cdef uint64_t key, found = 0
    for key in keys:
        found = fold(found, key)
    return found
