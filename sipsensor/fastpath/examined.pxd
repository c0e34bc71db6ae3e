from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor, cursor_over
from sipsensor.fastpath.decode cimport Decoded
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
    cdef object _key_of(self, bytes text)
    cdef Cursor message(self) noexcept
    cdef object _list_of(self, int field, bint normal)
    cdef list _values_in(self, Head *head, int field, int form)
