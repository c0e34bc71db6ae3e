# cython: language_level=3, boundscheck=False, wraparound=False
"""How long a registration is asked for, or granted (RFC 3261 10.2.1.1): the expires parameter of the first Contact, else the Expires header.

Rules. Reads spans that the scan found; what is no number says nothing. Of several parameters in one line the last counts: a Contact of two
addresses lasts as long as its second.
"""

from libc.stdint cimport int64_t, uint32_t

from sipsensor.fastpath.cursor cimport Cursor, Span, at, cursor_over, find, is_blank, is_digit, same_nocase
from sipsensor.fastpath.names cimport H_CONTACT, H_EXPIRES
from sipsensor.fastpath.sip cimport Head

cdef enum:
    DIGITS_MOST = 10


cdef int64_t _number(Cursor c, uint32_t i, uint32_t end) noexcept nogil:
    """The digits at `i`, of which the first ten count; -1 where there are none."""
    cdef int64_t value = -1
    cdef uint32_t most = i + DIGITS_MOST
    while i < end and i < most and is_digit(at(c, i)):
        value = (0 if value < 0 else value * 10) + (at(c, i) - 0x30)
        i += 1
    return value


cdef uint32_t _past_blanks(Cursor c, uint32_t i, uint32_t end) noexcept nogil:
    while i < end and is_blank(at(c, i)):
        i += 1
    return i


cdef uint32_t _value(Cursor c, uint32_t i, uint32_t end) noexcept nogil:
    """Where the value of an expires parameter starts whose semicolon is before `i`; `end` where it is another one's."""
    cdef Span name
    name.start = _past_blanks(c, i, end)
    name.end = name.start + 7
    if name.end > end or not same_nocase(c, name, cursor_over(b"expires", 7)):
        return end
    i = _past_blanks(c, name.end, end)
    return _past_blanks(c, i + 1, end) if at(c, i) == 0x3D else end


cdef int64_t _parameter(Cursor c, Span line) noexcept nogil:
    cdef uint32_t value, last = line.end, i = find(c, line.start, line.end, 0x3B)
    while i < line.end:
        value = _value(c, i + 1, line.end)
        if value < line.end:
            last = value
        i = find(c, i + 1, line.end, 0x3B)
    return _number(c, last, line.end)


cdef int64_t expires(Cursor c, Head *head) noexcept nogil:
    """Seconds; 0 for the Contact that removes all (10.2.2), -1 where nothing says it."""
    cdef Span line
    cdef int64_t found
    if head.line_count == 0:
        return -1
    if head.first[H_CONTACT] >= 0:
        line = head.lines[head.first[H_CONTACT]].value
        if line.end - line.start == 1 and at(c, line.start) == 0x2A:
            return 0
        found = _parameter(c, line)
        if found >= 0:
            return found
    if head.first[H_EXPIRES] < 0:
        return -1
    line = head.lines[head.first[H_EXPIRES]].value
    return _number(c, line.start, line.end)
