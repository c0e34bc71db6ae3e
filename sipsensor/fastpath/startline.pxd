from libc.stdint cimport uint32_t

from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.sip cimport Head

cdef bint has_sip_version(Cursor c, uint32_t start, uint32_t end) noexcept nogil
cdef uint32_t read_start_line(Cursor c, uint32_t i, int dialect, bint any_first_line, Head *h) noexcept nogil
