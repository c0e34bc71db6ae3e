from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor, Span, cursor_over
from sipsensor.fastpath.decode cimport Decoded
from sipsensor.fastpath.ranges cimport Networks
from sipsensor.fastpath.sip cimport EXTENT_CUT, EXTENT_SEGMENT, EXTENT_WHOLE, Head

# All that is known of one packet before Python sees it.
cdef struct Facts:
    Decoded decoded
    uint64_t k0                 # of the Examiner that made it: keys that are asked for later
    uint64_t k1
    uint64_t source_key
    uint64_t source_port_key
    uint64_t transaction_key
    uint64_t account_key
    int match_count
    Head head


cdef inline int extent_of(Decoded *d) noexcept nogil:
    """What the payload is of its message."""
    return EXTENT_SEGMENT if d.transport == 6 else EXTENT_CUT if d.truncated else EXTENT_WHOLE


cdef inline Cursor cursor_of(bytes data) noexcept:
    return cursor_over(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef class Examined:
    cdef Facts facts
    cdef object owner           # the Examiner
    cdef uint32_t message_at    # where this message starts in the transport payload
    cdef readonly bytes data
    cdef readonly int link
    cdef readonly int64_t ts
    cdef readonly object number
    cdef readonly uint32_t wire_length
    cdef public int arrival
    cdef readonly tuple hits
    cdef readonly tuple candidates
    # Of the facts, what every packet is asked for.
    cdef readonly int decoded, content, version, transport, tcp_flags, method, code
    cdef readonly uint32_t sequence, acknowledged, segment_length
    cdef readonly bint truncated, has_following
    cdef readonly uint64_t anomalies, transaction_key, account_key

    cdef void show(self) noexcept
    cdef Cursor message(self) noexcept
    cdef Span _alone(self, int field) noexcept
    cdef object _list_of(self, int field, bint normal)
    cdef list _values_in(self, Head *head, int field, int form)
    cpdef uint64_t address_key(self, bint outgoing) noexcept
    cpdef uint64_t network_key(self, bint outgoing) noexcept
    cpdef uint64_t prefix_key(self, bint outgoing, int bytes4, int bytes6) noexcept
    cpdef uint64_t port_key(self, bint outgoing) noexcept
    cpdef uint64_t connection_key(self, bint outgoing) noexcept
    cpdef uint64_t remote_half(self, bint outgoing, uint32_t start) noexcept
    cpdef int remote_port(self, bint outgoing) noexcept
    cpdef tuple remote(self, bint outgoing)
    cpdef uint64_t key(self, bytes text) except? 0
    cpdef uint64_t named(self, int field) except? 0
    cpdef uint64_t sole(self, int field) noexcept
    cpdef uint64_t text_key(self, int field) noexcept
    cpdef bint mentions(self, int field, bytes word) noexcept
    cpdef int cseq_method(self) noexcept
    cpdef int64_t expires(self) noexcept
    cpdef uint64_t plain_username(self) noexcept
    cpdef uint64_t credentials_key(self) noexcept
    cpdef bint has(self, int field) noexcept
    cpdef list keys(self, int field)
    cpdef list nonce_keys(self)
    cpdef bint src_in(self, Networks networks) noexcept
    cpdef bint dst_in(self, Networks networks) noexcept
    cpdef object raw(self, int field)
    cpdef object norm(self, int field)
    cpdef list occurrences(self, int field)
    cpdef list values(self, int field, bint raw=*)
    cpdef object following(self)
