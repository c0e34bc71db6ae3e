from libc.stdint cimport uint8_t, uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor, Span
from sipsensor.fastpath.decode cimport Decoded
from sipsensor.fastpath.sip cimport Head

cdef uint64_t source_key(Decoded *d, uint64_t k0, uint64_t k1) noexcept nogil
cdef uint64_t source_port_key(Decoded *d, uint64_t k0, uint64_t k1) noexcept nogil
cdef uint64_t end_key(const uint8_t *address, uint32_t size, uint32_t port, uint64_t k0, uint64_t k1) noexcept nogil
cdef uint64_t both_key(Decoded *d, bint outgoing, uint64_t k0, uint64_t k1) noexcept nogil
cdef uint64_t text_key(const uint8_t *text, uint32_t size, uint64_t k0, uint64_t k1) noexcept nogil
cdef uint64_t normal_key(Cursor c, Span span, int form, uint64_t k0, uint64_t k1) noexcept nogil
cdef uint64_t transaction_key(Cursor c, Decoded *d, Head *head, uint64_t k0, uint64_t k1) noexcept nogil
cdef uint64_t account_key(Cursor c, Head *head, uint64_t k0, uint64_t k1) noexcept nogil
