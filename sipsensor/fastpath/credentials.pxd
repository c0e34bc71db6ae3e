from libc.stdint cimport uint64_t

from sipsensor.fastpath.cursor cimport Cursor, Span
from sipsensor.fastpath.sip cimport Head

cdef int words_in(Cursor c, Span span, Cursor word, bint one) noexcept nogil
cdef uint64_t plain_username(Cursor c, Head *head, uint64_t k0, uint64_t k1) noexcept nogil
cdef uint64_t credentials_key(Cursor c, Head *head, uint64_t k0, uint64_t k1) noexcept nogil
