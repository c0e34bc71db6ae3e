# cython: language_level=3, boundscheck=False, wraparound=False
"""Request line and status line (RFC 3261 7.1, 7.2), and the question whether a payload is SIP at all.

Rules. Runs of SP and HTAB are tolerated and noted, as stacks do, and a method is whatever stands before the first: Kamailio and sofia answer
"OPTI)ONS", too (tried). Without a SIP version at its end a line is SIP where its URI is (sofia answers 505 to any version), or malformed SIP
where a SIP port and a method's name say that it was meant so; else it is not ours.
"""

from libc.stdint cimport uint32_t

from sipsensor.fastpath.cursor cimport Cursor, Span, at, cursor_over, decimal, find, is_digit, is_space, same_nocase, trim
from sipsensor.fastpath.fields cimport has_sip_scheme, read_uri, uri_anomalies
from sipsensor.fastpath.lines cimport find_line_end, flag, line_end, malformed
from sipsensor.fastpath.names cimport (
    F_CODE, F_METHOD, F_NONE, F_PHRASE, F_START_LINE, F_URI, F_URI_HOST, F_URI_USER, F_VERSION, M_OTHER, find_method,
)
from sipsensor.fastpath.sip cimport (
    A_LONG_START_LINE, A_METHOD_CASE, A_START_LINE_PARTS, A_START_LINE_SPACING, A_UNKNOWN_METHOD, A_VERSION, CON_OTHER, CON_REQUEST,
    CON_RESPONSE, MAL_START_LINE, MAL_STATUS_CODE, Head,
)

cdef enum:
    START_LINE_LONG = 2048      # MF-21


cdef bint _is_sip_version(Cursor c, Span token) noexcept nogil:
    cdef Span name
    if token.end - token.start < 5:
        return False
    name.start, name.end = token.start, token.start + 4
    return same_nocase(c, name, cursor_over(b"SIP/", 4))


cdef void _status_line(Cursor c, Span line, bint any_first_line, Head *h) noexcept nogil:
    """SIP-Version SP Status-Code SP Reason-Phrase, RFC 3261 7.2."""
    cdef uint32_t i = line.start, digits
    cdef Span code
    while i < line.end and not is_space(at(c, i)):
        i += 1
    h.fields[F_VERSION].start, h.fields[F_VERSION].end = line.start, i
    if find(c, line.start + 4, i, 0x2F) < i:        # SIP/2.0/UDP: the rest of a Via
        h.content = CON_OTHER
        return
    while i < line.end and is_space(at(c, i)):
        i += 1
    code.start = i
    while i < line.end and is_digit(at(c, i)):
        i += 1
    code.end = i
    digits = code.end - code.start
    if digits != 3 or at(c, code.start) < 0x31 or at(c, code.start) > 0x37:
        h.content = CON_OTHER
        if any_first_line:
            malformed(h, MAL_STATUS_CODE, code.start)
        return
    h.content = CON_RESPONSE
    h.method = M_OTHER
    h.code = <unsigned short> decimal(c, code)
    h.fields[F_CODE] = code
    h.fields[F_PHRASE] = trim(c, i, line.end)


cdef void _request_line(Cursor c, Span line, bint any_first_line, Head *h) noexcept nogil:
    """Method SP Request-URI SP SIP-Version, RFC 3261 7.1. Runs of SP and HTAB are tolerated and noted: some stacks do, too."""
    cdef uint32_t i = line.start, gap
    cdef Span method, version, uri
    while i < line.end and not is_space(at(c, i)):
        i += 1
    method.start, method.end = line.start, i
    version.end = line.end
    version.start = line.end
    while version.start > i and not is_space(at(c, version.start - 1)):
        version.start -= 1
    uri = trim(c, i, version.start)
    if not _is_sip_version(c, version) and not (has_sip_scheme(c, uri.start, uri.end) and find(c, version.start, version.end, 0x2F) < version.end):
        # Only where a SIP port and a method's name say that it was meant as SIP: NOTIFY * HTTP/1.1 is not.
        if any_first_line and find_method(c, method) != M_OTHER and find(c, i, line.end, 0x2F) >= line.end:
            malformed(h, MAL_START_LINE, i)
        elif any_first_line and find_method(c, method) != M_OTHER and has_sip_version(c, i, line.end):
            malformed(h, MAL_START_LINE, i)
        else:
            h.content = CON_OTHER
        return
    h.content = CON_REQUEST
    h.method = <unsigned char> find_method(c, method)
    h.fields[F_METHOD] = method
    h.fields[F_VERSION] = version
    gap = (uri.start - i) + (version.start - uri.end)
    if uri.start == uri.end:
        flag(h, A_START_LINE_PARTS)
    elif gap != 2 or at(c, i) != 0x20 or at(c, uri.end) != 0x20:
        flag(h, A_START_LINE_SPACING)
    if h.method == M_OTHER:
        flag(h, A_UNKNOWN_METHOD)
    for i in range(method.start, method.end):
        if 97 <= at(c, i) <= 122:
            flag(h, A_METHOD_CASE)
            break
    h.fields[F_URI] = uri
    read_uri(c, uri, &h.fields[F_URI_USER], &h.fields[F_URI_HOST], &h.fields[F_NONE])
    h.anomalies |= uri_anomalies(c, uri)


cdef bint has_sip_version(Cursor c, uint32_t start, uint32_t end) noexcept nogil:
    """"SIP/" somewhere in [start, end), as in a request line with words behind its version."""
    cdef Span four
    while True:
        start = find(c, start, end, 0x2F)
        if start >= end:
            return False
        four.start, four.end = start - 3, start
        if start >= 3 and same_nocase(c, four, cursor_over(b"SIP", 3)):
            return True
        start += 1


cdef uint32_t read_start_line(Cursor c, uint32_t i, int dialect, bint any_first_line, Head *h) noexcept nogil:
    """Reads the line at `i`; returns where the next one starts."""
    cdef uint32_t end = find_line_end(c, i, dialect, h)
    cdef uint32_t width
    cdef Span line = trim(c, i, end)
    cdef Span token
    h.fields[F_START_LINE] = line
    if line.start != i or line.end != end:
        flag(h, A_START_LINE_SPACING)
    if line.end - line.start > START_LINE_LONG:
        flag(h, A_LONG_START_LINE)
    token.start = line.start
    token.end = line.start + 5 if line.end - line.start > 5 else line.end
    if _is_sip_version(c, token):
        _status_line(c, line, any_first_line, h)
    else:
        _request_line(c, line, any_first_line, h)
    if h.content == CON_REQUEST or h.content == CON_RESPONSE:
        if not same_nocase(c, h.fields[F_VERSION], cursor_over(b"SIP/2.0", 7)):
            flag(h, A_VERSION)
    width = line_end(c, end, dialect, h)
    return end + width
