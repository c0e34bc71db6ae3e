from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor, Span
from sipsensor.fastpath.names cimport F_COUNT, HEADERS_MAX

cdef enum:
    LINES_MAX = 256             # header lines in one message; more is malformed

cdef enum:
    CON_NONE, CON_KEEPALIVE, CON_STUN, CON_OTHER, CON_MEDIA_FRAME, CON_REQUEST, CON_RESPONSE, CON_MALFORMED, CON_FRAME, CON_FRAME_MALFORMED

cdef enum:
    MAL_NONE, MAL_START_LINE, MAL_STATUS_CODE, MAL_NO_HEADER, MAL_TOO_MANY_HEADERS,
    MAL_FRAME_SHORT, MAL_ELEMENT_OVERRUN, MAL_ELEMENT_BOUNDARY, MAL_TOO_MANY_ELEMENTS, MAL_TRUNK_BOUNDARY

# Bit numbers; the order is that of `_ANOMALIES` in names.pyx.
cdef enum:
    A_LEADING_BYTES, A_BARE_LF, A_BARE_CR, A_FOLD, A_FOLD_BEFORE_COLON, A_SPACE_BEFORE_COLON, A_CONTROL_BEFORE_COLON, A_NUL_IN_HEAD,
    A_CONTROL_IN_HEAD, A_START_LINE_SPACING, A_VERSION, A_METHOD_CASE, A_UNKNOWN_METHOD, A_BROKEN_HEADER_LINE, A_NO_HEAD_END,
    A_DUPLICATE_FROM, A_DUPLICATE_TO, A_DUPLICATE_CALL_ID, A_DUPLICATE_CSEQ, A_LENGTH_UNREADABLE, A_LENGTH_DIFFERS, A_LENGTH_SHORT,
    A_LENGTH_LONG, A_CSEQ_UNREADABLE, A_CSEQ_METHOD, A_MISSING_VIA, A_MISSING_FROM, A_MISSING_TO, A_MISSING_CALL_ID, A_MISSING_CSEQ,
    A_URI_ESCAPE, A_URI_SPACE, A_VIA_UNREADABLE, A_MANY_HEADERS, A_MANY_VIAS, A_FOLLOWING_MESSAGE, A_NUL_IN_BODY, A_LONG_START_LINE,
    A_HEADER_UNTERMINATED, A_UNBALANCED, A_START_LINE_PARTS, A_AMBIGUOUS_LINE_ENDS, A_LENGTH_EMPTY,
    A_ELEMENT_NUL, A_ELEMENT_UNKNOWN, A_ELEMENT_DUPLICATE, A_ELEMENT_WIDTH, A_FRAME_LATE_START, A_FRAME_COMPRESSED, A_FRAME_UNKNOWN,
    A_FRAME_NO_SOURCE

# What ends a line. Kamailio reads a bare CR as part of the value, pjsip and sofia as a line end (threats.md 3.4).
cdef enum:
    DIALECT_ANY_LINE_END, DIALECT_LF_LINE_END

# What the payload is of its message: all; all but what a short capture cut off; a segment, which may start and stop anywhere.
cdef enum:
    EXTENT_WHOLE, EXTENT_CUT, EXTENT_SEGMENT

cdef struct Header:
    Span name
    Span value                  # trimmed; folds still inside
    int16_t number              # of the closed list, or -1

# Behind the addresses of a frame of IAX2 (RFC 5456 8.1).
cdef struct FrameHead:
    uint16_t source_call
    uint16_t destination_call
    uint32_t timestamp          # of a mini frame its lower half; ms since the start of the call
    uint8_t oseqno
    uint8_t iseqno
    uint8_t type
    uint8_t repeated            # the R bit
    uint64_t subclass           # with the C bit already taken out; all bits for 0xFF

cdef struct Head:
    uint8_t content
    uint8_t malformation
    uint8_t method
    uint16_t code
    uint16_t line_count
    uint32_t malformed_at
    uint32_t head_end           # behind the blank line: where the body starts
    uint32_t following          # where the next message starts; 0 when none
    uint64_t anomalies
    int64_t cseq_number
    int64_t content_length
    int16_t first[HEADERS_MAX]  # index into lines of a header's first occurrence, or -1
    uint8_t seen[HEADERS_MAX]   # how many lines it has, at most 255
    Span fields[F_COUNT]
    FrameHead frame             # of CON_MEDIA_FRAME, CON_FRAME and CON_FRAME_MALFORMED alone
    Header *lines               # room for LINES_MAX, given by whoever owns the head

cdef inline void forget(Head *h) noexcept nogil:
    """No message: what is told of a packet whose payload was not scanned. Without it the packet before would show."""
    h.content, h.malformation, h.method, h.code, h.line_count = CON_NONE, MAL_NONE, 0, 0, 0
    h.malformed_at = h.head_end = h.following = 0
    h.anomalies = 0
    h.cseq_number = h.content_length = -1


cdef void scan(Cursor c, int dialect, bint any_first_line, int extent, Head *h) noexcept nogil
