# cython: language_level=3, boundscheck=False, wraparound=False
"""What the readers of a head share: line ends in the dialects, anomaly bits, the verdict "malformed"."""

from libc.stdint cimport uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor, at, next_control
from sipsensor.fastpath.sip cimport (
    A_BARE_CR, A_BARE_LF, A_CONTROL_IN_HEAD, A_NUL_IN_HEAD, CON_MALFORMED, DIALECT_ANY_LINE_END, DIALECT_LF_LINE_END, Head,
)

cdef enum:
    CR = 0x0D
    LF = 0x0A


cdef inline void flag(Head *h, int bit) noexcept nogil:
    h.anomalies |= <uint64_t> 1 << bit


cdef inline uint32_t line_end(Cursor c, uint32_t i, int dialect, Head *h) noexcept nogil:
    """How many bytes the line end at `i` has (0: none there), noting bare ones."""
    cdef int byte = at(c, i)
    if byte == CR:
        if at(c, i + 1) == LF:
            return 2
        if dialect == DIALECT_LF_LINE_END:
            return 0
        if i + 1 < c.size:      # at the very end nobody can tell
            flag(h, A_BARE_CR)
        return 1
    if byte == LF:
        flag(h, A_BARE_LF)
        return 1
    return 0


cdef inline uint32_t find_line_end(Cursor c, uint32_t i, int dialect, Head *h) noexcept nogil:
    """Index of the next line end, or the size; NUL and other control bytes on the way are noted."""
    cdef int byte
    while True:
        i = next_control(c, i, c.size)
        byte = at(c, i)
        if byte < 0 or byte == LF or (byte == CR and (dialect == DIALECT_ANY_LINE_END or at(c, i + 1) == LF)):
            return i
        if byte == 0 and (i == 0 or at(c, i - 1) != 0x5C):      # a quoted pair may hold it (RFC 3261 25.1, RFC 4475 intmeth)
            flag(h, A_NUL_IN_HEAD)
        elif byte != 0x09 and byte != CR:
            flag(h, A_CONTROL_IN_HEAD)
        i += 1


cdef inline void malformed(Head *h, int why, uint32_t where) noexcept nogil:
    h.content = CON_MALFORMED
    h.malformation = <unsigned char> why
    h.malformed_at = where
