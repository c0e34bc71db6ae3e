from libc.stdint cimport int64_t

from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.sip cimport Head

cdef int64_t expires(Cursor c, Head *head) noexcept nogil
