# cython: language_level=3, boundscheck=False, wraparound=False
"""Credentials of a request, as far as no stack reads them otherwise: `track.credentials` says what else there is.

Rules. Of what may be read in two ways it says nothing; it never guesses which of two readings is the PBX's.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport ABSENT, Cursor, Span, at, cursor_over, find, part, same_nocase
from sipsensor.fastpath.keys cimport normal_key, text_key
from sipsensor.fastpath.names cimport F_AUTH_USERNAME, H_AUTHORIZATION, H_PROXY_AUTHORIZATION
from sipsensor.fastpath.normal cimport form_of
from sipsensor.fastpath.sip cimport A_BARE_CR, CON_REQUEST, Head
from sipsensor.fastpath.folding cimport fold


cdef int words_in(Cursor c, Span span, Cursor word, bint one) noexcept nogil:
    """How often the span holds that word, which is in lower case, in whatever case; `one`: whether it does."""
    cdef Span here
    cdef int first = at(word, 0), case, found = 0
    for case in range(2):
        if case and not 0x61 <= first <= 0x7A:
            break
        here.start = find(c, span.start, span.end, <uint8_t> (first - 0x20 if case else first))
        while here.start < span.end:
            here.end = here.start + word.size
            if here.end <= span.end and same_nocase(c, here, word):
                found += 1
                if one:
                    return found
            here.start = find(c, here.start + 1, span.end, <uint8_t> (first - 0x20 if case else first))
    return found


cdef uint64_t plain_username(Cursor c, Head *head, uint64_t k0, uint64_t k1) noexcept nogil:
    """Key of the username of the one set of credentials, where no stack reads that otherwise; 0 where one may, or there are several.

    One line, "username" in it once, no escaped quote, and in the name nothing that ends it elsewhere.
    """
    cdef Span line, user = head.fields[F_AUTH_USERNAME]
    cdef uint32_t i
    cdef int byte
    if head.content < CON_REQUEST or head.anomalies >> A_BARE_CR & 1 or head.line_count == 0 or user.start == ABSENT:
        return 0
    if head.seen[H_AUTHORIZATION] + head.seen[H_PROXY_AUTHORIZATION] != 1:
        return 0
    line = head.lines[head.first[H_AUTHORIZATION if head.seen[H_AUTHORIZATION] else H_PROXY_AUTHORIZATION]].value
    for i in range(user.start, user.end):
        byte = at(c, i)
        if byte == 0x3D or byte == 0x22 or byte == 0x40 or byte == 0x5C:    # equals, quote, at, backslash
            return 0
    if words_in(c, line, cursor_over(b'\\"', 2), True) or words_in(c, line, cursor_over(b"username", 8), False) != 1:
        return 0
    return normal_key(c, user, form_of(F_AUTH_USERNAME), k0, k1)


cdef uint64_t credentials_key(Cursor c, Head *head, uint64_t k0, uint64_t k1) noexcept nogil:
    """One key of all credentials as they were sent, line by line; 0 where there are none."""
    cdef Cursor text
    cdef Span line
    cdef uint64_t found = 0
    cdef int i
    if head.content < CON_REQUEST:
        return 0
    for i in range(head.line_count):
        if head.lines[i].number == H_AUTHORIZATION or head.lines[i].number == H_PROXY_AUTHORIZATION:
            line = head.lines[i].value
            text = part(c, line.start, line.end - line.start)
            found = fold(found, text_key(text.data, text.size, k0, k1))
    return found
