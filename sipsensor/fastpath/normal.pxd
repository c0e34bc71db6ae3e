# cython: language_level=3, boundscheck=False, wraparound=False
"""The normal form of a value, byte by byte: what signatures, views and keys compare.

A run of SP, HTAB, CR and LF (a fold) is one space; in display names a backslash quotes the next byte (RFC 3261 25.1); in URI parts %HH is its
byte (RFC 3261 19.1.4: once, never twice). An element of IAX2 ends at its first zero byte, because Asterisk makes a C string of it.
"""

from libc.stdint cimport uint8_t, uint32_t

from sipsensor.fastpath.cursor cimport Cursor, Span, at, find_blank_or, is_blank, is_digit, lower
from sipsensor.fastpath.names cimport (
    F_CONTACT_DISPLAY, F_CONTACT_HOST, F_CONTACT_URI, F_CONTACT_USER, F_FROM_DISPLAY, F_FROM_HOST, F_FROM_URI, F_FROM_USER, F_TO_DISPLAY,
    F_TO_HOST, F_TO_URI, F_TO_USER, F_URI, F_URI_HOST, F_URI_USER, F_AUTH_USERNAME, F_AUTH_REALM, FIRST_ELEMENT, FIRST_HEADER_FIELD,
)

cdef enum:
    FORM_RAW, FORM_TEXT, FORM_QUOTED, FORM_URI, FORM_ENDED


cdef inline int form_of(int field) noexcept nogil:
    if field == F_FROM_DISPLAY or field == F_TO_DISPLAY or field == F_CONTACT_DISPLAY or field == F_AUTH_USERNAME or field == F_AUTH_REALM:
        return FORM_QUOTED
    if (
        field == F_URI or field == F_URI_USER or field == F_URI_HOST or field == F_FROM_URI or field == F_FROM_USER or field == F_FROM_HOST
        or field == F_TO_URI or field == F_TO_USER or field == F_TO_HOST or field == F_CONTACT_URI or field == F_CONTACT_USER
        or field == F_CONTACT_HOST
    ):
        return FORM_URI
    return FORM_ENDED if field >= FIRST_HEADER_FIELD + FIRST_ELEMENT else FORM_TEXT


cdef inline int _hex_digit(int byte) noexcept nogil:
    if is_digit(byte):
        return byte - 48
    byte = lower(byte)
    return byte - 87 if 97 <= byte <= 102 else -1


cdef inline int take(Cursor c, uint32_t *i, uint32_t end, int form) noexcept nogil:
    """The next byte of the normal form of [i, end), moving `i` on; -1 at the end."""
    cdef int byte, high, low
    if i[0] >= end:
        return -1
    byte = at(c, i[0])
    i[0] += 1
    if form == FORM_RAW:
        return byte
    if form == FORM_ENDED:
        return byte if byte else -1
    if is_blank(byte):
        while i[0] < end and is_blank(at(c, i[0])):
            i[0] += 1
        return 0x20
    if form == FORM_QUOTED and byte == 0x5C and i[0] < end:
        byte = at(c, i[0])
        i[0] += 1
    elif form == FORM_URI and byte == 0x25 and end - i[0] >= 2:
        high, low = _hex_digit(at(c, i[0])), _hex_digit(at(c, i[0] + 1))
        if high >= 0 and low >= 0:
            i[0] += 2
            return high * 16 + low
    return byte


cdef inline bint is_plain(Cursor c, Span span, int form) noexcept nogil:
    """The span is there and is its own normal form: nothing in it is a blank, an escape or a quoted pair. (May answer no for one that is.)"""
    cdef uint8_t escape = 0x25 if form == FORM_URI else 0x5C if form == FORM_QUOTED else 0 if form == FORM_ENDED else 0x20
    return span.start <= span.end <= c.size and find_blank_or(c, span.start, span.end, escape, escape, escape) == span.end
