# cython: language_level=3, boundscheck=False, wraparound=False
"""SipHash-1-3 over parts: keys that an attacker who does not know the seed cannot make collide.

The parts of one key are fed one after another, each closed by its length, so that ("ab", "c") and ("a", "bc") differ.
"""

from libc.stdint cimport uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor, word64


cdef struct Hash:
    uint64_t v0
    uint64_t v1
    uint64_t v2
    uint64_t v3


cdef inline uint64_t _rotate(uint64_t x, int bits) noexcept nogil:
    return (x << bits) | (x >> (64 - bits))


cdef inline void _round(Hash *h) noexcept nogil:
    h.v0 += h.v1
    h.v1 = _rotate(h.v1, 13) ^ h.v0
    h.v0 = _rotate(h.v0, 32)
    h.v2 += h.v3
    h.v3 = _rotate(h.v3, 16) ^ h.v2
    h.v0 += h.v3
    h.v3 = _rotate(h.v3, 21) ^ h.v0
    h.v2 += h.v1
    h.v1 = _rotate(h.v1, 17) ^ h.v2
    h.v2 = _rotate(h.v2, 32)


cdef inline Hash hash_start(uint64_t k0, uint64_t k1) noexcept nogil:
    cdef Hash h
    h.v0 = k0 ^ <uint64_t> 0x736F6D6570736575
    h.v1 = k1 ^ <uint64_t> 0x646F72616E646F6D
    h.v2 = k0 ^ <uint64_t> 0x6C7967656E657261
    h.v3 = k1 ^ <uint64_t> 0x7465646279746573
    return h


cdef inline void hash_word(Hash *h, uint64_t word) noexcept nogil:
    h.v3 ^= word
    _round(h)
    h.v0 ^= word


cdef inline void hash_part(Hash *h, Cursor c) noexcept nogil:
    cdef uint32_t i = 0
    while i < c.size:
        hash_word(h, word64(c, i))
        i += 8
    hash_word(h, c.size)


cdef inline uint64_t hash_end(Hash *h) noexcept nogil:
    """Never 0: that stands for "no key"."""
    cdef uint64_t value
    h.v2 ^= 0xFF
    _round(h)
    _round(h)
    _round(h)
    value = h.v0 ^ h.v1 ^ h.v2 ^ h.v3
    return value if value else 1
