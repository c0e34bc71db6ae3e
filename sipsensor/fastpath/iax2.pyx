# cython: language_level=3, boundscheck=False, wraparound=False
"""One pass over a frame of IAX2 (RFC 5456 8): its header, and of a frame of type IAX every information element.

Rules. The scan sees what Asterisk would see: a subclass with its C bit taken out, the last of equal elements, text that ends at a zero byte; what
is odd about that becomes an anomaly bit. An element beyond the end, or one byte left over, and Asterisk takes nothing of the frame: malformed.
IAX2 has no magic bytes, so that the port is all that says what this is; whether a mini or meta frame is of a call, and whether
a frame that cannot be read is encrypted, only those know who saw the call begin. Work is linear in the payload.
"""

from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from sipsensor.fastpath.cursor cimport Cursor, at, be16, be32, find
from sipsensor.fastpath.lines cimport flag
from sipsensor.fastpath.names cimport ELEMENTS_KNOWN, F_DATAGRAM, FIRST_ELEMENT
from sipsensor.fastpath.sip cimport (
    A_ELEMENT_DUPLICATE, A_ELEMENT_NUL, A_ELEMENT_UNKNOWN, A_ELEMENT_WIDTH, A_FRAME_COMPRESSED, A_FRAME_LATE_START, A_FRAME_NO_SOURCE, A_FRAME_UNKNOWN,
    CON_FRAME, CON_FRAME_MALFORMED, CON_MEDIA_FRAME, CON_OTHER, LINES_MAX, MAL_ELEMENT_BOUNDARY, MAL_ELEMENT_OVERRUN, MAL_FRAME_SHORT,
    MAL_TOO_MANY_ELEMENTS, MAL_TRUNK_BOUNDARY, FrameHead, Header,
)

from sipsensor.fastpath.names import ELEMENTS as _ELEMENTS

WHAT_VOICE, WHAT_SIGNAL, WHAT_CLOSED = W_VOICE, W_SIGNAL, W_CLOSED
WHAT_MINI, WHAT_VIDEO_MINI, WHAT_TRUNK = W_MINI, W_VIDEO_MINI, W_TRUNK

cdef enum:
    LATE_START = 86_400_000     # ms: the time stamp of a call's first frame counts from the call's start
    MINI_HEADER = 4
    VIDEO_HEADER = 6
    TRUNK_COMMAND = 1
    TRUNK_TIMES = 1             # bit of the command data: each entry has a time stamp of its own

# How many bytes an element has, where Asterisk takes no other number; 0 where it takes any.
cdef uint8_t _width[ELEMENTS_KNOWN + 1]
# Whether Asterisk makes a C string of it.
cdef uint8_t _is_text[ELEMENTS_KNOWN + 1]
_WIDTHS = {
    1: "unknown calling-presentation calling-ton cause-code",
    2: "version adsicpe auth-methods refresh dialplan-status call-number message-count firmware-version calling-tns sampling-rate encryption delay",
    4: "capability format transfer-id date-time firmware-block provisioning-version jitter loss packets dropped out-of-order calling-ani2",
    9: "capability2 format2",
}
_TEXTS = (
    "called-number calling-number calling-ani calling-name called-context username password language dnid challenge md5-result rsa-result "
    "cause rdnis aes-provisioning device-type codec-preferences variable"
)
cdef int _VARIABLE = _ELEMENTS["variable"]


def _build():
    memset(_width, 0, sizeof(_width))
    memset(_is_text, 0, sizeof(_is_text))
    for width, names in _WIDTHS.items():
        for name in names.split():
            _width[<int> _ELEMENTS[name]] = width
    for name in _TEXTS.split():
        _is_text[<int> _ELEMENTS[name]] = 1


_build()


cdef void _malformed(Head *h, int why, uint32_t where) noexcept nogil:
    h.content, h.malformation, h.malformed_at = CON_FRAME_MALFORMED, <uint8_t> why, where


cdef uint64_t _subclass(int byte) noexcept nogil:
    """RFC 5456 8.1.1: with the C bit a power of two. 0xFF is -1 to Asterisk."""
    if byte == 0xFF:
        return <uint64_t> -1
    return <uint64_t> 1 << (byte & 0x3F) if byte & 0x80 else <uint64_t> byte


cdef int _what(FrameHead *frame) noexcept nogil:
    if frame.type == TYPE_IAX:
        return <int> frame.subclass if 0 < frame.subclass <= W_LAST else W_OTHER
    if frame.type == 0 or frame.type > TYPE_LAST:
        return W_CLOSED
    return W_VOICE if frame.type == TYPE_VOICE or frame.type == TYPE_VIDEO else W_SIGNAL


cdef void _element(Cursor c, uint32_t i, uint32_t size, Head *h) noexcept nogil:
    """Note the element whose type stands at `i`, with `size` bytes behind its length."""
    cdef Header *line = &h.lines[h.line_count]
    cdef int number = at(c, i)
    line.name.start, line.name.end = i, i + 1
    line.value.start, line.value.end = i + 2, i + 2 + size
    line.number = -1
    h.line_count += 1
    if not 0 < number <= ELEMENTS_KNOWN:
        flag(h, A_ELEMENT_UNKNOWN)
        return
    line.number = <int16_t> (FIRST_ELEMENT + number)
    if h.seen[line.number] and number != _VARIABLE:
        flag(h, A_ELEMENT_DUPLICATE)
    if h.seen[line.number] < 255:
        h.seen[line.number] += 1
    # Asterisk goes by the last one. A signature is tried on each.
    h.first[line.number] = <int16_t> (h.line_count - 1)
    if _width[number] and size != _width[number]:
        flag(h, A_ELEMENT_WIDTH)
    if _is_text[number] and find(c, i + 2, i + 2 + size, 0) < i + 2 + size:
        flag(h, A_ELEMENT_NUL)


cdef void _elements(Cursor c, Head *h) noexcept nogil:
    """RFC 5456 8.6: type, length, value, to the very end."""
    cdef uint32_t i = FULL_HEADER, size
    while i + 2 <= c.size:
        size = at(c, i + 1)
        if size > c.size - i - 2:
            _malformed(h, MAL_ELEMENT_OVERRUN, i)
            return
        if h.line_count == LINES_MAX:
            _malformed(h, MAL_TOO_MANY_ELEMENTS, i)
            return
        _element(c, i, size, h)
        i += 2 + size
    if i < c.size:
        _malformed(h, MAL_ELEMENT_BOUNDARY, i)


cdef void _full(Cursor c, Head *h) noexcept nogil:
    cdef FrameHead *frame = &h.frame
    h.content = CON_FRAME
    h.fields[F_DATAGRAM].start, h.fields[F_DATAGRAM].end = 0, c.size
    frame.source_call = <uint16_t> (be16(c, 0) & 0x7FFF)
    if c.size < FULL_HEADER:
        _malformed(h, MAL_FRAME_SHORT, c.size)
        return
    frame.destination_call, frame.repeated = <uint16_t> (be16(c, 2) & 0x7FFF), at(c, 2) >> 7
    frame.timestamp = <uint32_t> be32(c, 4)
    frame.oseqno, frame.iseqno, frame.type = at(c, 8), at(c, 9), at(c, 10)
    frame.subclass = _subclass(at(c, 11))
    h.method = <uint8_t> _what(frame)
    h.head_end = FULL_HEADER
    if frame.type != TYPE_IAX:
        return
    if at(c, 11) & 0x80:
        flag(h, A_FRAME_COMPRESSED)     # 0x80 is 1, NEW: lawful, and written so by nobody
    if h.method == W_OTHER:
        flag(h, A_FRAME_UNKNOWN)
    if frame.source_call == 0 and frame.destination_call == 0:
        flag(h, A_FRAME_NO_SOURCE)      # who begins a call has a number for it
    if frame.destination_call == 0 and frame.oseqno == 0 and frame.timestamp > LATE_START:
        flag(h, A_FRAME_LATE_START)
    _elements(c, h)


cdef uint32_t next_entry(Cursor c, uint32_t i, uint32_t *call) noexcept nogil:
    """The call number of the entry at `i` of a trunk's meta frame, and where the next entry starts: behind the end where this one is not whole.
    (Asterisk's iax2.h: call, length, data; with times of their own length, call, time, data.)
    """
    cdef bint times = at(c, 3) & TRUNK_TIMES
    cdef int64_t size = be16(c, i if times else i + 2)
    cdef uint32_t width = 6 if times else 4
    call[0] = <uint32_t> (be16(c, i + 2 if times else i) & 0x7FFF)
    if size < 0 or c.size - i < width or size > c.size - i - width:
        return c.size + 1
    return i + width + <uint32_t> size


cdef void _trunk(Cursor c, Head *h) noexcept nogil:
    cdef uint32_t i = TRUNK_ENTRIES, call = 0, first = 0
    if c.size < TRUNK_ENTRIES:
        _malformed(h, MAL_FRAME_SHORT, c.size)
        return
    h.frame.timestamp = <uint32_t> be32(c, 4)
    while i < c.size:
        first = i
        i = next_entry(c, i, &call)
        if first == TRUNK_ENTRIES and i <= c.size:
            h.frame.source_call = <uint16_t> call
    if i > c.size:
        _malformed(h, MAL_TRUNK_BOUNDARY, first)


cdef void _meta(Cursor c, Head *h) noexcept nogil:
    """RFC 5456 8.1.3: two zero bytes, then video or a command. Of commands there is one, trunk."""
    if at(c, 2) & 0x80:
        h.method = W_VIDEO_MINI
        h.frame.source_call = <uint16_t> (be16(c, 2) & 0x7FFF)
        h.frame.timestamp = <uint32_t> be16(c, 4)
        if c.size < VIDEO_HEADER:
            _malformed(h, MAL_FRAME_SHORT, c.size)
    elif at(c, 2) == TRUNK_COMMAND:
        h.method = W_TRUNK
        _trunk(c, h)
    else:
        h.content = CON_OTHER


cdef void scan_frame(Cursor c, Head *h) noexcept nogil:
    """Fill `h` with what stands in a datagram that came from a port of IAX2 or goes to one. What has no shape of a frame is CON_OTHER."""
    cdef Header *lines = h.lines
    if c.size < MINI_HEADER:
        h.content = CON_OTHER
        return
    if at(c, 0) & 0x80 == 0 and be16(c, 0) != 0:
        # Most of it is media, so that as little is touched as can be.
        memset(&h.frame, 0, sizeof(h.frame))
        h.content, h.method = CON_MEDIA_FRAME, W_MINI
        h.frame.source_call, h.frame.timestamp = <uint16_t> be16(c, 0), <uint32_t> be16(c, 2)
        return
    memset(h, 0, sizeof(Head))
    h.lines = lines
    memset(h.first, 0xFF, sizeof(h.first))
    memset(h.fields, 0xFF, sizeof(h.fields))
    h.cseq_number = h.content_length = -1
    if at(c, 0) & 0x80:
        _full(c, h)
    else:
        h.content = CON_MEDIA_FRAME
        _meta(c, h)
