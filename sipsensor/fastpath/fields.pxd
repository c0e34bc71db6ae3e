from libc.stdint cimport uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor, Span
from sipsensor.fastpath.sip cimport Head

# Slots of a name-addr, in the order of from.display … from.tag.
cdef enum:
    S_DISPLAY, S_URI, S_USER, S_HOST, S_PORT, S_TAG, S_COUNT

cdef uint64_t read_name_addr(Cursor c, Span value, Span *slots) noexcept nogil
cdef void read_uri(Cursor c, Span uri, Span *user, Span *host, Span *port) noexcept nogil
cdef uint64_t read_via(Cursor c, Span value, Span *fields) noexcept nogil
cdef void read_cseq(Cursor c, Span value, Span *number, Span *method) noexcept nogil
cdef void read_credentials(Cursor c, Span value, Span *fields) noexcept nogil
cdef void read_sdp(Cursor c, Span body, Span *fields) noexcept nogil
cdef bint has_sip_scheme(Cursor c, uint32_t i, uint32_t end) noexcept nogil
cdef uint64_t uri_anomalies(Cursor c, Span uri) noexcept nogil
cdef int owner_of(int field) noexcept nogil
cdef int next_repeat(Head *h, int owner, int after) noexcept nogil
cdef void read_repeat(Cursor c, int owner, Span value, Span *fields) noexcept nogil
