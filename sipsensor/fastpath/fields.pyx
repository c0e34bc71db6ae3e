# cython: language_level=3, boundscheck=False, wraparound=False
"""The inside of header values: name-addr, URI, Via, CSeq, credentials, and three SDP lines.

Rules. A reader gets the trimmed value and fills spans; what it does not find it leaves as it was (the caller set ABSENT). It returns anomaly bits.
Each walks its value once or twice, whatever the bytes. White space inside a value includes folds (RFC 3261 7.3.1). Of a comma-separated list the
first element is read.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from sipsensor.fastpath.cursor cimport (
    ABSENT, Cursor, Span, at, cursor_over, end_of_word, find_any, find_blank_or, find_near, folded64, is_blank, is_digit, next_control,
    same_nocase, trim,
)
from sipsensor.fastpath.names cimport (
    F_AUTH_CNONCE, F_AUTH_NC, F_AUTH_NONCE, F_AUTH_QOP, F_AUTH_REALM, F_AUTH_RESPONSE, F_AUTH_SCHEME, F_AUTH_URI, F_AUTH_USERNAME, F_CONTACT_DISPLAY,
    F_CONTACT_TAG, F_FROM_DISPLAY, F_FROM_TAG, F_SDP_MEDIA, F_SDP_ORIGIN, F_SDP_SESSION, F_TO_DISPLAY, F_TO_TAG, F_VIA_BRANCH, F_VIA_HOST,
    F_VIA_MADDR, F_VIA_PORT, F_VIA_RECEIVED, F_VIA_RPORT, F_VIA_TRANSPORT, H_AUTHORIZATION, H_CONTACT, H_FROM, H_PROXY_AUTHORIZATION, H_TO,
    H_VIA, end_of_token,
)
from sipsensor.fastpath.sip cimport A_UNBALANCED, A_URI_ESCAPE, A_URI_SPACE, A_VIA_UNREADABLE, Head


cdef inline uint32_t _skip_blank(Cursor c, uint32_t i, uint32_t end) noexcept nogil:
    while i < end and is_blank(at(c, i)):
        i += 1
    return i


cdef inline bint _is(Cursor c, Span span, const char *text, uint32_t size) noexcept nogil:
    """The span is `text`, 1 to 8 letters, in any case."""
    return span.end - span.start == size and folded64(c, span.start, size) == folded64(cursor_over(text, size), 0, size)


cdef inline uint32_t _end_of_quoted(Cursor c, uint32_t i, uint32_t end) noexcept nogil:
    """Index of the closing quote of the quoted string whose content starts at `i`, or `end`."""
    cdef int byte
    cdef uint32_t quote = find_near(c, i, end, 0x22)
    if find_near(c, i, quote, 0x5C) == quote:
        return quote
    while i < end:
        byte = at(c, i)
        if byte == 0x5C:            # backslash: a quoted pair (RFC 3261 25.1)
            i += 2
        elif byte == 0x22:
            return i
        else:
            i += 1
    return end


cdef uint32_t _next_parameter(Cursor c, uint32_t i, uint32_t end, Span *name, Span *value) noexcept nogil:
    """Read `; name [= value]` at `i` or, over what does not belong there, behind it. Returns where the next one starts; `end` when there is
    none, with an empty name."""
    cdef uint32_t start
    name.start = name.end = end
    value.start = value.end = end
    i = find_any(c, i, end, 0x3B, 0x2C, 0x2C, 0x2C)
    if i >= end or at(c, i) != 0x3B:
        return end
    start = i + 1
    i = find_any(c, start, end, 0x3D, 0x3B, 0x2C, 0x2C)
    name[0] = trim(c, start, i)
    if i >= end or at(c, i) != 0x3D:
        return i
    i = _skip_blank(c, i + 1, end)
    if i < end and at(c, i) == 0x22:
        start = i + 1
        i = _end_of_quoted(c, start, end)
        value.start, value.end = start, i
        return i + 1 if i < end else end
    start = i
    i = find_blank_or(c, i, end, 0x3B, 0x2C, 0x2C)
    value.start, value.end = start, i
    return i


cdef uint64_t uri_anomalies(Cursor c, Span uri) noexcept nogil:
    """White space inside, or a percent escape cut off by the end of the URI or of its user part (MF-17: readers ran past it)."""
    cdef uint64_t found = 0
    cdef uint32_t i = find_blank_or(c, uri.start, uri.end, 0x25, 0x25, 0x25)
    while i < uri.end:
        if at(c, i) != 0x25:
            found |= <uint64_t> 1 << A_URI_SPACE
        elif uri.end - i < 3 or at(c, i + 1) == 0x40 or at(c, i + 2) == 0x40:
            found |= <uint64_t> 1 << A_URI_ESCAPE
        i = find_blank_or(c, i + 1, uri.end, 0x25, 0x25, 0x25)
    return found


cdef void read_uri(Cursor c, Span uri, Span *user, Span *host, Span *port) noexcept nogil:
    """scheme ":" [user [":" password] "@"] host [":" port], RFC 3261 19.1.1; of a tel URI the number is the user (RFC 3966)."""
    cdef uint32_t i = find_near(c, uri.start, uri.end, 0x3A)
    cdef uint32_t start, mark, end
    cdef Span scheme
    scheme.start, scheme.end = uri.start, i
    start = i + 1 if i < uri.end else uri.start
    if _is(c, scheme, b"tel", 3):
        end = find_near(c, start, uri.end, 0x3B)
        user.start, user.end = start, end
        return
    mark = find_near(c, start, uri.end, 0x40)
    if mark < uri.end:
        user[0] = trim(c, start, find_near(c, start, mark, 0x3A))
        start = mark + 1
    end = start
    if end < uri.end and at(c, end) == 0x5B:
        end = find_near(c, end, uri.end, 0x5D)
        if end < uri.end:
            end += 1
    end = find_any(c, end, uri.end, 0x3A, 0x3B, 0x3F, 0x3F)
    host[0] = trim(c, start, end)
    if end < uri.end and at(c, end) == 0x3A:
        start = end + 1
        end = start
        while end < uri.end and is_digit(at(c, end)):
            end += 1
        port.start, port.end = start, end


cdef bint has_sip_scheme(Cursor c, uint32_t i, uint32_t end) noexcept nogil:
    """A sip, sips or tel URI starts at `i`."""
    cdef Span scheme
    scheme.start, scheme.end = i, find_near(c, i, i + 5 if end - i > 5 else end, 0x3A)
    return scheme.end < end and (_is(c, scheme, b"sip", 3) or _is(c, scheme, b"sips", 4) or _is(c, scheme, b"tel", 3))


cdef uint32_t _opening(Cursor c, uint32_t i, uint32_t end) noexcept nogil:
    """Index of the first "<" from `i` outside quoted strings (where they do not balance, the first at all), or `end`."""
    cdef uint32_t first = find_near(c, i, end, 0x3C), mark = first, quote
    while mark < end:
        quote = find_near(c, i, mark, 0x22)
        if quote == mark:
            break
        i = _end_of_quoted(c, quote + 1, end) + 1
        if i > end:
            return first
        if mark < i:
            mark = find_near(c, i, end, 0x3C)
    return mark


cdef uint32_t _behind_user(Cursor c, uint32_t i, uint32_t end) noexcept nogil:
    """Where to look for the end of a bare URI: behind its user, in which Kamailio and pjsip take commas and semicolons (tried). A tag, or the next
    element of a list, ends the URI before any "@".
    """
    cdef uint32_t mark = i
    cdef Span word
    while mark < end and not is_blank(at(c, mark)) and at(c, mark) != 0x3C:
        if at(c, mark) == 0x40:
            return mark
        word.start, word.end = mark, mark + 5
        if (at(c, mark) == 0x3B and same_nocase(c, word, cursor_over(b";tag=", 5))) or (
            at(c, mark) == 0x2C and has_sip_scheme(c, mark + 1, end)
        ):
            break
        mark += 1
    return i


cdef uint64_t read_name_addr(Cursor c, Span value, Span *slots) noexcept nogil:
    """[display] <URI> *(;param), or a bare URI whose parameters then belong to the header (RFC 3261 20.10)."""
    cdef uint64_t found = 0
    cdef uint32_t i = value.start, end = value.end, mark
    cdef Span name, text
    # What stands before "<" need not be lawful to be read as a display name; only a URI there is no name.
    mark = end if has_sip_scheme(c, i, end) else _opening(c, i, end)
    if i < end and at(c, i) == 0x22:
        i = _end_of_quoted(c, i + 1, end)
        if i >= end:
            found, i = <uint64_t> 1 << A_UNBALANCED, mark
        slots[S_DISPLAY].start, slots[S_DISPLAY].end = value.start + 1, i
        i = _skip_blank(c, i + 1, end) if i < end else end
    elif mark < end and mark > i:
        slots[S_DISPLAY] = trim(c, i, mark)
        if slots[S_DISPLAY].start == slots[S_DISPLAY].end:
            slots[S_DISPLAY].start = ABSENT
    if mark < end:
        i = mark + 1
        mark = find_near(c, i, end, 0x3E)
        if mark >= end:
            found |= <uint64_t> 1 << A_UNBALANCED
            mark = find_near(c, i, end, 0x3B)
        slots[S_URI] = trim(c, i, mark)
        i = mark + 1 if mark < end and at(c, mark) == 0x3E else mark
    else:
        mark = _behind_user(c, i, end)
        mark = find_blank_or(c, mark, end, 0x3B, 0x2C, 0x2C)
        slots[S_URI].start, slots[S_URI].end = i, mark
        i = mark
    read_uri(c, slots[S_URI], &slots[S_USER], &slots[S_HOST], &slots[S_PORT])
    while i < end:
        i = _next_parameter(c, i, end, &name, &text)
        if _is(c, name, b"tag", 3):
            slots[S_TAG] = text     # of several, Kamailio and pjsip take the last (tried)
    return found


cdef uint64_t read_via(Cursor c, Span value, Span *fields) noexcept nogil:
    """sent-protocol sent-by *(;param), RFC 3261 20.42 and 25.1: white space may stand around every separator."""
    cdef uint32_t i = value.start, end = value.end, start
    cdef int slash
    cdef Span name, text
    for slash in range(2):
        i = find_near(c, i, end, 0x2F)
        if i >= end:
            return <uint64_t> 1 << A_VIA_UNREADABLE
        i += 1
    start = i = _skip_blank(c, i, end)
    i = find_blank_or(c, i, end, 0x20, 0x20, 0x20)
    fields[F_VIA_TRANSPORT].start, fields[F_VIA_TRANSPORT].end = start, i
    start = i = _skip_blank(c, i, end)
    if i < end and at(c, i) == 0x5B:
        i = find_near(c, i, end, 0x5D)
        i = i + 1 if i < end else end
    i = find_blank_or(c, i, end, 0x3A, 0x3B, 0x2C)
    if i == start:
        return <uint64_t> 1 << A_VIA_UNREADABLE
    fields[F_VIA_HOST].start, fields[F_VIA_HOST].end = start, i
    i = _skip_blank(c, i, end)
    if i < end and at(c, i) == 0x3A:
        start = i = _skip_blank(c, i + 1, end)
        while i < end and is_digit(at(c, i)):
            i += 1
        fields[F_VIA_PORT].start, fields[F_VIA_PORT].end = start, i
    while i < end:
        i = _next_parameter(c, i, end, &name, &text)
        if _is(c, name, b"branch", 6):
            fields[F_VIA_BRANCH] = text
        elif _is(c, name, b"rport", 5):
            fields[F_VIA_RPORT] = text
        elif _is(c, name, b"received", 8):
            fields[F_VIA_RECEIVED] = text
        elif _is(c, name, b"maddr", 5):
            fields[F_VIA_MADDR] = text
        elif name.start == name.end and i < end and at(c, i) != 0x3B:
            break                   # a comma: the next Via of the list
    return 0


cdef void read_cseq(Cursor c, Span value, Span *number, Span *method) noexcept nogil:
    cdef uint32_t i = value.start
    while i < value.end and is_digit(at(c, i)):
        i += 1
    number.start, number.end = value.start, i
    i = _skip_blank(c, i, value.end)
    method.start = i
    method.end = find_blank_or(c, i, value.end, 0x20, 0x20, 0x20)


cdef void _credential(Cursor c, Span name, Span text, Span *fields) noexcept nogil:
    if _is(c, name, b"username", 8):
        fields[F_AUTH_USERNAME] = text
    elif _is(c, name, b"realm", 5):
        fields[F_AUTH_REALM] = text
    elif _is(c, name, b"nonce", 5):
        fields[F_AUTH_NONCE] = text
    elif _is(c, name, b"uri", 3):
        fields[F_AUTH_URI] = text
    elif _is(c, name, b"response", 8):
        fields[F_AUTH_RESPONSE] = text
    elif _is(c, name, b"qop", 3):
        fields[F_AUTH_QOP] = text
    elif _is(c, name, b"nc", 2):
        fields[F_AUTH_NC] = text
    elif _is(c, name, b"cnonce", 6):
        fields[F_AUTH_CNONCE] = text


cdef void read_credentials(Cursor c, Span value, Span *fields) noexcept nogil:
    """Scheme, then a comma-separated list of name = value (RFC 3261 20.7)."""
    cdef uint32_t i = value.start, end = value.end, start
    cdef Span name, text
    i = find_blank_or(c, i, end, 0x20, 0x20, 0x20)
    fields[F_AUTH_SCHEME].start, fields[F_AUTH_SCHEME].end = value.start, i
    while i < end:
        start = i = _skip_blank(c, i, end)
        i = end_of_word(c, i)
        if at(c, i) != 0x3D:
            i = end_of_token(c, i)
        name.start, name.end = start, i if i < end else end
        i = _skip_blank(c, i, end)
        if i >= end or at(c, i) != 0x3D:
            i = find_near(c, i, end, 0x2C) + 1
            continue
        i = _skip_blank(c, i + 1, end)
        if i < end and at(c, i) == 0x22:
            start = i + 1
            i = _end_of_quoted(c, start, end)
            text.start, text.end = start, i
        else:
            start = i
            i = find_near(c, i, end, 0x2C)
            text = trim(c, start, i)
        _credential(c, name, text, fields)
        i = find_near(c, i, end, 0x2C) + 1


cdef void read_sdp(Cursor c, Span body, Span *fields) noexcept nogil:
    """The first o=, s= and m= lines (RFC 8866 5). A bare CR ends a line, too: pjsip and sofia read it so."""
    cdef uint32_t i = body.start, stop
    cdef int letter
    cdef int slot
    while i < body.end:
        stop = next_control(c, i, body.end)
        while stop < body.end and at(c, stop) != 0x0A and at(c, stop) != 0x0D:
            stop = next_control(c, stop + 1, body.end)
        letter = at(c, i)
        slot = F_SDP_ORIGIN if letter == 0x6F else F_SDP_SESSION if letter == 0x73 else F_SDP_MEDIA if letter == 0x6D else 0
        if slot and i + 1 < stop and at(c, i + 1) == 0x3D and fields[slot].start == ABSENT:
            fields[slot] = trim(c, i + 2, stop)
            if slot == F_SDP_MEDIA:
                return
        i = stop + 1


cdef int owner_of(int field) noexcept nogil:
    """The header whose repetition repeats a derived field, or -1."""
    if F_FROM_DISPLAY <= field <= F_FROM_TAG:
        return H_FROM
    if F_TO_DISPLAY <= field <= F_TO_TAG:
        return H_TO
    if F_CONTACT_DISPLAY <= field <= F_CONTACT_TAG:
        return H_CONTACT
    if F_VIA_TRANSPORT <= field <= F_VIA_MADDR:
        return H_VIA
    if F_AUTH_SCHEME <= field <= F_AUTH_CNONCE:
        return H_AUTHORIZATION
    return -1


cdef int next_repeat(Head *h, int owner, int after) noexcept nogil:
    """The line behind `after` (at first -1) that repeats header `owner`, beside the one that the head's fields were read from; -1 when none does.

    Which of several a stack reads differs, so all count. Credentials for a proxy repeat those for the user agent.
    """
    cdef int i, first = h.first[owner]
    cdef int twin = H_PROXY_AUTHORIZATION if owner == H_AUTHORIZATION else owner
    if (h.seen[owner] if twin == owner else h.seen[owner] + h.seen[twin]) < 2:
        return -1
    if first < 0:
        first = h.first[twin]
    for i in range(after + 1, h.line_count):
        if i != first and (h.lines[i].number == owner or h.lines[i].number == twin):
            return i
    return -1


cdef void read_repeat(Cursor c, int owner, Span value, Span *fields) noexcept nogil:
    """Fill the fields derived from header `owner` with those of another of its lines."""
    if owner == H_VIA:
        memset(&fields[F_VIA_TRANSPORT], 0xFF, (F_VIA_MADDR - F_VIA_TRANSPORT + 1) * sizeof(Span))
        read_via(c, value, fields)
        return
    if owner == H_AUTHORIZATION:
        memset(&fields[F_AUTH_SCHEME], 0xFF, (F_AUTH_CNONCE - F_AUTH_SCHEME + 1) * sizeof(Span))
        read_credentials(c, value, fields)
        return
    cdef int first = F_FROM_DISPLAY if owner == H_FROM else F_TO_DISPLAY if owner == H_TO else F_CONTACT_DISPLAY
    memset(&fields[first], 0xFF, (F_FROM_TAG - F_FROM_DISPLAY + 1) * sizeof(Span))
    read_name_addr(c, value, &fields[first])
