# cython: language_level=3, boundscheck=False, wraparound=False
"""One pass over the head of a SIP message: start line, every header line, the named fields, anomalies.

Rules. The scan sees what any of the protected stacks would see: names in any case and compact, SP and HTAB (and, flagged, control bytes) before the
colon, folds before and behind it, CR, LF and CRLF as line ends, leading line ends and zero bytes, a head that never ends. What is odd becomes
an anomaly bit; only what no stack could read is malformed. Work is linear in the payload. Where stacks read line ends differently the caller
scans a second time in the other dialect. Of a payload that may be cut (a TCP segment, a short capture) nothing is held against the line that
the cut may have hit, and nothing that may stand behind it is called missing.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from sipsensor.fastpath.cursor cimport (
    Cursor, Span, at, be16, be32, cursor_over, decimal, end_of_word, find, is_blank, is_space, lower, next_control, same_nocase, trim,
)
from sipsensor.fastpath.fields cimport read_credentials, read_cseq, read_name_addr, read_sdp, read_via
from sipsensor.fastpath.lines cimport find_line_end, flag, line_end, malformed, CR, LF
from sipsensor.fastpath.startline cimport has_sip_version, read_start_line
from sipsensor.fastpath.names cimport (
    F_BODY, F_CONTACT_DISPLAY, F_CSEQ_METHOD, F_CSEQ_NUMBER, F_DATAGRAM, F_FROM_DISPLAY, F_HEAD, F_METHOD, F_TO_DISPLAY,
    H_AUTHORIZATION, H_CALL_ID, H_CONTACT, H_CONTENT_LENGTH, H_CONTENT_TYPE, H_CSEQ, H_FROM, H_PROXY_AUTHORIZATION, H_TO, H_VIA,
    end_of_token, find_header,
)

cdef enum:
    HEADERS_MANY = 64           # MF-24: our own bound
    VIAS_MANY = 20

# What a cut within a head looks like.
cdef uint64_t _ONE = 1
cdef uint64_t _BY_A_CUT = (
    _ONE << A_BROKEN_HEADER_LINE | _ONE << A_LENGTH_UNREADABLE | _ONE << A_LENGTH_DIFFERS | _ONE << A_CSEQ_UNREADABLE
    | _ONE << A_CSEQ_METHOD | _ONE << A_MISSING_VIA | _ONE << A_MISSING_FROM | _ONE << A_MISSING_TO | _ONE << A_MISSING_CALL_ID
    | _ONE << A_MISSING_CSEQ | _ONE << A_VIA_UNREADABLE | _ONE << A_UNBALANCED | _ONE << A_LENGTH_EMPTY
)


cdef uint32_t _end_of_value(Cursor c, uint32_t i, int dialect, Head *h, uint32_t *after) noexcept nogil:
    """Where the logical line at `i` ends, folds included (RFC 3261 7.3.1); `after` is where the next one starts."""
    cdef uint32_t width
    while True:
        i = find_line_end(c, i, dialect, h)
        if i >= c.size:
            flag(h, A_HEADER_UNTERMINATED)
            after[0] = c.size
            return c.size
        width = line_end(c, i, dialect, h)
        if not is_space(at(c, i + width)):
            after[0] = i + width
            return i
        flag(h, A_FOLD)
        i += width


cdef uint32_t _to_colon(Cursor c, uint32_t i, int dialect, Head *h) noexcept nogil:
    """From behind a header name to its colon, over white space, folds and control bytes; the size when there is none."""
    cdef int byte
    cdef uint32_t width
    while True:
        byte = at(c, i)
        if byte == 0x3A:
            return i
        if is_space(byte):
            flag(h, A_SPACE_BEFORE_COLON)
            i += 1
        elif byte == CR or byte == LF:
            width = line_end(c, i, dialect, h)
            if width == 0:
                width = 1           # a bare CR where it ends no line: a control byte
                flag(h, A_CONTROL_BEFORE_COLON)
            elif not is_space(at(c, i + width)):
                return c.size
            else:
                flag(h, A_FOLD_BEFORE_COLON)
            i += width
        elif 0 <= byte < 0x20 or byte == 0x7F:
            flag(h, A_CONTROL_BEFORE_COLON)
            i += 1
        else:
            return c.size


cdef bint _add_line(Cursor c, Span name, Span value, Head *h) noexcept nogil:
    cdef Header *line
    cdef int number
    if h.line_count >= LINES_MAX:
        return False
    number = find_header(c, name)
    line = &h.lines[h.line_count]
    line.name, line.value, line.number = name, value, <short> number
    if number >= 0:
        if h.first[number] < 0:
            h.first[number] = <short> h.line_count
        if h.seen[number] < 255:
            h.seen[number] += 1
    h.line_count += 1
    return True


cdef uint32_t _header_lines(Cursor c, uint32_t i, int dialect, Head *h) noexcept nogil:
    """All lines up to the blank one; returns where the body starts."""
    cdef uint32_t after, j, end
    cdef Span name, value
    while is_space(at(c, i)):       # behind the start line there is nothing to fold: sofia reads an indented first header (tried)
        i += 1
    while i < c.size:
        j = line_end(c, i, dialect, h)
        if j:
            return i + j
        name.start = i
        i = end_of_word(c, i)
        if at(c, i) != 0x3A:
            i = end_of_token(c, i)
        name.end = i
        j = i if at(c, i) == 0x3A else _to_colon(c, i, dialect, h)
        if j >= c.size or name.start == name.end:
            flag(h, A_BROKEN_HEADER_LINE)
            _end_of_value(c, i, dialect, h, &after)
            i = after
            continue
        j += 1
        if at(c, j) == 0x20:
            j += 1
        end = next_control(c, j, c.size)
        if be16(c, end) == 0x0D0A and not is_space(at(c, end + 2)):
            after = end + 2         # as nearly every line ends; the rest is for those who look closely
        else:
            end = _end_of_value(c, end, dialect, h, &after)
        value = trim(c, j, end)
        if not _add_line(c, name, value, h):
            malformed(h, MAL_TOO_MANY_HEADERS, i)
            return c.size
        i = after
    flag(h, A_NO_HEAD_END)
    return c.size


cdef inline Span _value(Head *h, int number) noexcept nogil:
    return h.lines[h.first[number]].value


cdef void _named_fields(Cursor c, Head *h) noexcept nogil:
    cdef Span method
    if h.first[H_VIA] >= 0:
        h.anomalies |= read_via(c, _value(h, H_VIA), h.fields)
    if h.first[H_FROM] >= 0:
        h.anomalies |= read_name_addr(c, _value(h, H_FROM), &h.fields[F_FROM_DISPLAY])
    if h.first[H_TO] >= 0:
        h.anomalies |= read_name_addr(c, _value(h, H_TO), &h.fields[F_TO_DISPLAY])
    if h.first[H_CONTACT] >= 0:
        h.anomalies |= read_name_addr(c, _value(h, H_CONTACT), &h.fields[F_CONTACT_DISPLAY])
    if h.first[H_AUTHORIZATION] >= 0:
        read_credentials(c, _value(h, H_AUTHORIZATION), h.fields)
    elif h.first[H_PROXY_AUTHORIZATION] >= 0:
        read_credentials(c, _value(h, H_PROXY_AUTHORIZATION), h.fields)
    if h.first[H_CSEQ] >= 0:
        read_cseq(c, _value(h, H_CSEQ), &h.fields[F_CSEQ_NUMBER], &h.fields[F_CSEQ_METHOD])
        h.cseq_number = decimal(c, h.fields[F_CSEQ_NUMBER])
        method = h.fields[F_CSEQ_METHOD]
        # RFC 3261 8.1.1.5: below 2**31.
        if h.cseq_number < 0 or h.cseq_number > 0x7FFFFFFF or method.start == method.end:
            flag(h, A_CSEQ_UNREADABLE)
        elif h.content == CON_REQUEST and not _same(c, method, h.fields[F_METHOD]):
            flag(h, A_CSEQ_METHOD)


cdef bint _same(Cursor c, Span a, Span b) noexcept nogil:
    cdef uint32_t i
    if a.end - a.start != b.end - b.start:
        return False
    for i in range(a.end - a.start):
        if lower(at(c, a.start + i)) != lower(at(c, b.start + i)):
            return False
    return True


cdef void _count_lines(Head *h) noexcept nogil:
    """What is missing, and what stands more than once though it may not (RFC 3261 8.1.1, MF-32)."""
    if h.seen[H_VIA] == 0:
        flag(h, A_MISSING_VIA)
    if h.seen[H_FROM] != 1:
        flag(h, A_DUPLICATE_FROM if h.seen[H_FROM] else A_MISSING_FROM)
    if h.seen[H_TO] != 1:
        flag(h, A_DUPLICATE_TO if h.seen[H_TO] else A_MISSING_TO)
    if h.seen[H_CALL_ID] != 1:
        flag(h, A_DUPLICATE_CALL_ID if h.seen[H_CALL_ID] else A_MISSING_CALL_ID)
    if h.seen[H_CSEQ] != 1:
        flag(h, A_DUPLICATE_CSEQ if h.seen[H_CSEQ] else A_MISSING_CSEQ)
    if h.line_count > HEADERS_MANY:
        flag(h, A_MANY_HEADERS)
    if h.seen[H_VIA] > VIAS_MANY:
        flag(h, A_MANY_VIAS)


cdef void _content_length(Cursor c, Head *h) noexcept nogil:
    """RFC 3261 18.3: bytes behind Content-Length are no part of a datagram's message; MF-09 and MF-10 for those that lie."""
    cdef int i
    cdef int64_t value
    cdef uint32_t rest = c.size - h.head_end if c.size > h.head_end else 0
    h.content_length = -1
    for i in range(h.line_count if h.seen[H_CONTENT_LENGTH] else 0):
        if h.lines[i].number != H_CONTENT_LENGTH:
            continue
        if h.lines[i].value.start >= h.lines[i].value.end:
            flag(h, A_LENGTH_EMPTY)     # Kamailio routes such a message as one without
            continue
        value = decimal(c, h.lines[i].value)
        if value < 0 or value > 0x7FFFFFFF:
            flag(h, A_LENGTH_UNREADABLE)
        elif h.content_length >= 0 and value != h.content_length:
            flag(h, A_LENGTH_DIFFERS)
        else:
            h.content_length = value
    if h.content_length < 0:
        return
    if h.content_length > rest:
        flag(h, A_LENGTH_LONG)
    elif h.content_length < rest:
        _behind_content_length(c, h.head_end + <uint32_t> h.content_length, h)


cdef void _behind_content_length(Cursor c, uint32_t i, Head *h) noexcept nogil:
    """Padding is common and harmless; a message there is one that some readers see and others do not (MF-27)."""
    cdef uint32_t end
    while i < c.size and (is_blank(at(c, i)) or at(c, i) == 0):
        i += 1
    if i >= c.size:
        return
    flag(h, A_LENGTH_SHORT)
    end = i
    while end < c.size and at(c, end) != CR and at(c, end) != LF:
        end += 1
    if has_sip_version(c, i, end):
        flag(h, A_FOLLOWING_MESSAGE)
        h.following = i


cdef void _body(Cursor c, Head *h) noexcept nogil:
    """To the end of the datagram, whatever Content-Length says: pjsip reads it so, and the signatures must see all."""
    if h.head_end < c.size:
        h.fields[F_BODY].start, h.fields[F_BODY].end = h.head_end, c.size
        if at(c, h.head_end + 1) == 0x3D or h.seen[H_CONTENT_TYPE]:
            read_sdp(c, h.fields[F_BODY], h.fields)
            if at(c, h.head_end) == 0x76 and find(c, h.head_end, c.size, 0) < c.size:
                flag(h, A_NUL_IN_BODY)


cdef bint _keepalive(Cursor c, uint32_t i, Head *h) noexcept nogil:
    """Payloads that hold no message: all line ends or zero bytes, "hello", STUN (RFC 5389 6).

    Of STUN only Binding, whose length is right: behind line ends and zero bytes its cookie is a method to Kamailio, which answers.
    """
    if i >= c.size or (c.size == 5 and _same_text(c, b"hello", 5)):
        h.content = CON_KEEPALIVE
        return True
    if be32(c, 4) == 0x2112A442 and be16(c, 0) & ~0x0110 == 1 and be16(c, 2) + 20 == c.size:
        h.content = CON_STUN
        return True
    return False


cdef bint _same_text(Cursor c, const char *text, uint32_t size) noexcept nogil:
    cdef Span all
    all.start, all.end = 0, c.size
    return same_nocase(c, all, cursor_over(text, size))


cdef void scan(Cursor c, int dialect, bint any_first_line, int extent, Head *h) noexcept nogil:
    """Fill `h` with what stands in the payload.

    `any_first_line`: a SIP port, where a broken first line counts as broken SIP. `extent`: what the payload is of its message.
    """
    cdef uint32_t i = 0
    cdef Header *lines = h.lines
    memset(h, 0, sizeof(Head))
    h.lines = lines
    memset(h.first, 0xFF, sizeof(h.first))
    memset(h.fields, 0xFF, sizeof(h.fields))
    h.cseq_number = h.content_length = -1
    while i < c.size and (is_blank(at(c, i)) or at(c, i) == 0):     # pjsip and sofia skip white space, too (tried)
        i += 1
    if _keepalive(c, i, h):
        return
    h.fields[F_DATAGRAM].start, h.fields[F_DATAGRAM].end = 0, c.size
    if i:
        flag(h, A_LEADING_BYTES)
    i = read_start_line(c, i, dialect, any_first_line, h)
    if extent != EXTENT_WHOLE and (i >= c.size or h.anomalies >> A_START_LINE_PARTS & 1):
        forget(h)
        h.content = CON_OTHER   # too little of it to be called a message, broken or not
    if h.content == CON_OTHER or h.content == CON_MALFORMED:
        return
    h.head_end = _header_lines(c, i, dialect, h)
    if h.content == CON_MALFORMED:
        return
    if h.line_count == 0:
        malformed(h, MAL_NO_HEADER, i)
        if extent != EXTENT_WHOLE:
            forget(h)
            h.content = CON_OTHER
        return
    h.fields[F_HEAD].start, h.fields[F_HEAD].end = 0, h.head_end
    _named_fields(c, h)
    _count_lines(h)
    _content_length(c, h)
    if extent != EXTENT_WHOLE:
        if h.anomalies >> A_NO_HEAD_END & _ONE:
            h.anomalies &= ~_BY_A_CUT
        if extent == EXTENT_SEGMENT and h.anomalies >> A_UNKNOWN_METHOD & _ONE:
            h.anomalies &= ~(_ONE << A_CSEQ_METHOD)     # the rest of a method's name
        h.anomalies &= ~(_ONE << A_LENGTH_LONG)
    _body(c, h)
