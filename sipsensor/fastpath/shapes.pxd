from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from sipsensor.fastpath.automaton cimport Findings
from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.decode cimport Decoded
from sipsensor.fastpath.sip cimport Head, Header

cdef enum:
    SHAPE_TEXT = 1024           # bytes of the longest payload that is kept
    SHAPE_BLOCKS = 64           # of 16 bytes
    SHAPE_LINES = 32
    SHAPE_FINDINGS = 24

# A message that was examined, and which of its bytes may be others without any fact about it changing.
cdef struct Shape:
    uint64_t account_key
    uint32_t size
    uint8_t text[SHAPE_TEXT]
    uint16_t loose[SHAPE_BLOCKS]            # a bit per byte
    Head head
    Header lines[SHAPE_LINES]
    int finding_count
    int findings[SHAPE_FINDINGS]            # what the steady automata found: a leaf and its value, two bits

cdef class Shapes:
    cdef Shape *rows
    cdef uint64_t *tags         # of the rows; 0: free
    cdef uint32_t *met          # what was met once, and is kept when it is met again
    cdef uint8_t *credit        # how often what comes may differ before the row is given away
    cdef readonly uint64_t recalled, kept

    cdef int _room_for(self, uint64_t tag) noexcept nogil
    cdef Shape *recall(self, Cursor payload, uint64_t tag, Head *head) noexcept nogil
    cdef void keep(self, Cursor payload, uint64_t tag, Head *head, uint64_t account_key, Findings *findings) noexcept nogil

cdef bint is_steady(int field) noexcept
cdef uint64_t tag_of(Cursor payload, Decoded *d) noexcept nogil
