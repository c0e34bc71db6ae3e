# cython: language_level=3, boundscheck=False, wraparound=False
"""What messages of the same two ends have in common: a phone's hundredth REGISTER is its first one but for a few random words.

Rules. Only a whole message without any anomaly is kept, with what the scan found in it. A later one of the same length is the same message to the
scan when it differs only inside values that the scan takes as they are (branch, tags, Call-ID, the number of CSeq, a digest's nonces and
response, Date), and there only in bytes that mean nothing to any reader (`is_opaque`) and stand where such bytes stood: then every span, count and
anomaly is the same, and only the CSeq number is read anew. What signatures find in such values is looked for again, always; in all others it is
what it was. Memory is taken at construction, touched only when it is used, and given to whoever repeats himself: a flood of strangers, each met
once, learns nothing and takes nothing.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from sipsensor.fastpath.names import HEADERS as _HEADERS
from sipsensor.fastpath.automaton cimport Findings
from sipsensor.fastpath.cursor cimport ABSENT, Cursor, Span, alike, at, copy_out, cursor_over, decimal, is_opaque, word64
from sipsensor.fastpath.decode cimport Decoded
from sipsensor.fastpath.fields cimport read_credentials
from sipsensor.fastpath.names cimport (
    F_AUTH_CNONCE, F_AUTH_NC, F_AUTH_NONCE, F_AUTH_RESPONSE, F_COUNT, F_CSEQ_NUMBER, F_DATAGRAM, F_FROM_TAG, F_HEAD, F_TO_TAG, F_VIA_BRANCH,
    FIRST_HEADER_FIELD, H_AUTHORIZATION, H_CALL_ID, H_CSEQ, H_FROM, H_PROXY_AUTHORIZATION, H_TO, H_VIA,
)
from sipsensor.fastpath.sip cimport CON_REQUEST, CON_RESPONSE, Head, Header

cdef enum:
    SHAPES = 4096               # of two messages for each of 2,000 phones
    WAYS = 4                    # rows that a message may stand in
    MET = 16384
    CREDIT_MAX = 15

# Values, or parts of one, that the scan takes as they are.
cdef enum:
    LOOSE_FIELDS = 8
cdef int _loose_fields[LOOSE_FIELDS]
_loose_fields[:] = [F_VIA_BRANCH, F_FROM_TAG, F_TO_TAG, F_CSEQ_NUMBER, F_AUTH_NONCE, F_AUTH_RESPONSE, F_AUTH_NC, F_AUTH_CNONCE]
cdef int _DATE = _HEADERS["date"]
cdef int _WWW_AUTHENTICATE = _HEADERS["www-authenticate"]
cdef int _PROXY_AUTHENTICATE = _HEADERS["proxy-authenticate"]


cdef uint64_t tag_of(Cursor payload, Decoded *d) noexcept nogil:
    """Where to look for the message's like: both ends, the length and the first eight bytes. A collision costs time and proves nothing."""
    cdef Cursor ends = cursor_over(d.src, 16), others = cursor_over(d.dst, 16)
    cdef uint64_t tag = word64(ends, 0) ^ word64(others, 0) * <uint64_t> 0x9E3779B97F4A7C15
    tag = (tag ^ tag >> 29 ^ word64(ends, 8)) * <uint64_t> 0xBF58476D1CE4E5B9
    tag = (tag ^ tag >> 32 ^ word64(others, 8)) * <uint64_t> 0x94D049BB133111EB
    tag = (tag ^ tag >> 29 ^ (<uint64_t> d.sport << 48 | <uint64_t> d.dport << 32 | payload.size)) * <uint64_t> 0xBF58476D1CE4E5B9
    tag = (tag ^ tag >> 32 ^ word64(payload, 0)) * <uint64_t> 0x9E3779B97F4A7C15
    return (tag ^ tag >> 32) | 1


cdef void _loosen(Shape *shape, Cursor payload, Span span) noexcept nogil:
    cdef uint32_t i
    if span.start == ABSENT:
        return
    for i in range(span.start, span.end):
        if is_opaque(at(payload, i)):
            shape.loose[i // 16] |= <uint16_t> (1 << i % 16)


cdef void _loosen_all(Shape *shape, Cursor payload, Head *head) noexcept nogil:
    """Nothing that a steady field holds."""
    cdef Span fields[F_COUNT]
    cdef int i, number
    for i in range(LOOSE_FIELDS):
        _loosen(shape, payload, head.fields[_loose_fields[i]])
    for i in range(head.line_count):
        number = head.lines[i].number
        if number == H_CALL_ID or number == _DATE:
            _loosen(shape, payload, head.lines[i].value)
        elif number == _WWW_AUTHENTICATE or number == _PROXY_AUTHENTICATE:
            fields[F_AUTH_NONCE].start = ABSENT
            read_credentials(payload, head.lines[i].value, fields)
            _loosen(shape, payload, fields[F_AUTH_NONCE])


cdef inline int _set_of(uint64_t tag) noexcept nogil:
    return <int> (tag >> 40) % (SHAPES // WAYS) * WAYS


cdef bint is_steady(int field) noexcept:
    """Whether a field (of `names`) is the same in all messages of one shape."""
    cdef int i
    for i in range(LOOSE_FIELDS):
        if field == _loose_fields[i]:
            return False
    return field != F_HEAD and field != F_DATAGRAM and field - FIRST_HEADER_FIELD not in (
        H_VIA, H_FROM, H_TO, H_CALL_ID, H_CSEQ, H_AUTHORIZATION, H_PROXY_AUTHORIZATION, _DATE, _WWW_AUTHENTICATE, _PROXY_AUTHENTICATE,
    )


cdef class Shapes:
    """The messages that were kept, for one `Examiner`. ``recalled`` and ``kept`` count."""

    def __cinit__(self):
        self.rows = <Shape *> calloc(SHAPES, sizeof(Shape))
        self.tags = <uint64_t *> calloc(SHAPES, sizeof(uint64_t))
        self.met = <uint32_t *> calloc(MET, sizeof(uint32_t))
        self.credit = <uint8_t *> calloc(SHAPES, 1)
        if self.rows == NULL or self.tags == NULL or self.met == NULL or self.credit == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.rows)
        free(self.tags)
        free(self.met)
        free(self.credit)

    cdef int _room_for(self, uint64_t tag) noexcept nogil:
        """The row that may be given to it; -1 while others need theirs more, or it was never met before."""
        cdef int first = _set_of(tag), i, weakest = first
        cdef uint32_t *met = &self.met[<uint32_t> tag % MET & ~1]
        cdef uint32_t sign = <uint32_t> (tag >> 16)
        if met[0] != sign and met[1] != sign:
            met[1], met[0] = met[0], sign
            return -1
        for i in range(first, first + WAYS):
            if self.tags[i] == tag:
                weakest = i
                break
            if self.credit[i] < self.credit[weakest]:
                weakest = i
        if self.credit[weakest]:
            self.credit[weakest] -= 1
            return -1
        return weakest

    cdef Shape *recall(self, Cursor payload, uint64_t tag, Head *head) noexcept nogil:
        """The shape that the payload has, with `head` filled as `scan` would fill it; NULL when it must be scanned."""
        cdef int first = _set_of(tag), i
        cdef Shape *shape
        cdef Header *lines = head.lines
        cdef int64_t number
        for i in range(first, first + WAYS):
            if self.tags[i] != tag:
                continue
            shape = &self.rows[i]
            if alike(payload, cursor_over(shape.text, shape.size), shape.loose):
                number = decimal(payload, shape.head.fields[F_CSEQ_NUMBER])
                if 0 <= number <= 0x7FFFFFFF:
                    memcpy(head, &shape.head, sizeof(Head))
                    memcpy(lines, shape.lines, shape.head.line_count * sizeof(Header))
                    head.lines, head.cseq_number = lines, number
                    if self.credit[i] < CREDIT_MAX:
                        self.credit[i] += 1
                    self.recalled += 1
                    return shape
        return NULL

    cdef void keep(self, Cursor payload, uint64_t tag, Head *head, uint64_t account_key, Findings *findings) noexcept nogil:
        """Keep a message that was scanned and compared with the signatures, if it may be kept and there is room for it.

        `findings.steady`: how many of them the steady automata made, which are the first.
        """
        cdef int i, j
        cdef Shape *shape
        if (
            head.anomalies or (head.content != CON_REQUEST and head.content != CON_RESPONSE) or payload.size > SHAPE_TEXT
            or head.line_count > SHAPE_LINES or findings.steady > SHAPE_FINDINGS
        ):
            return
        i = self._room_for(tag)
        if i < 0:
            return
        shape = &self.rows[i]
        self.tags[i] = tag
        self.credit[i] = 2
        self.kept += 1
        memset(shape.loose, 0, sizeof(shape.loose))
        shape.size = payload.size
        copy_out(payload, 0, shape.text, payload.size)
        memcpy(&shape.head, head, sizeof(Head))
        memcpy(shape.lines, head.lines, head.line_count * sizeof(Header))
        shape.head.lines = NULL
        shape.account_key = account_key
        shape.finding_count = findings.steady
        for j in range(findings.steady):
            shape.findings[j] = findings.reported[j] << 2 | findings.truth[findings.reported[j]]
        _loosen_all(shape, payload, head)
