# cython: language_level=3, boundscheck=False, wraparound=False
"""What state is kept by: keyed hashes of a source, a transaction, an account. 0 means there is nothing to key.

Rules. Keys come out of one pass over bytes that the scan already found; text that goes into one is cut at KEY_TEXT_MAX bytes of its normal form.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport ABSENT, Cursor, Span, cursor_over, few64, lower, lower64, part, same_nocase, word64
from sipsensor.fastpath.decode cimport Decoded
from sipsensor.fastpath.hashing cimport Hash, hash_end, hash_part, hash_start, hash_word
from sipsensor.fastpath.names cimport (
    F_CSEQ_METHOD, F_FROM_TAG, F_TO_HOST, F_TO_URI, F_TO_USER, F_VIA_BRANCH, F_VIA_HOST, F_VIA_PORT, H_CALL_ID, find_method,
)
from sipsensor.fastpath.normal cimport FORM_URI, is_plain, take
from sipsensor.fastpath.sip cimport CON_RESPONSE, Head

cdef enum:
    KEY_TEXT_MAX = 256


cdef uint64_t source_key(Decoded *d, uint64_t k0, uint64_t k1) noexcept nogil:
    """IPv6 counts per /64: whoever has one address of it has them all."""
    cdef Hash h = hash_start(k0, k1)
    hash_part(&h, cursor_over(d.src, 8 if d.version == 6 else 16))
    return hash_end(&h)


cdef uint64_t end_key(const uint8_t *address, uint32_t size, uint32_t port, uint64_t k0, uint64_t k1) noexcept nogil:
    """One end of a packet: `size` bytes of its address, and its port where one is given."""
    cdef Hash h = hash_start(k0, k1)
    hash_part(&h, cursor_over(address, size))
    if port:
        hash_word(&h, port)
    return hash_end(&h)


cdef uint64_t both_key(Decoded *d, bint outgoing, uint64_t k0, uint64_t k1) noexcept nogil:
    """A connection: the remote end, then ours."""
    cdef Hash h = hash_start(k0, k1)
    hash_part(&h, cursor_over(&d.dst[0] if outgoing else &d.src[0], 16))
    hash_part(&h, cursor_over(&d.src[0] if outgoing else &d.dst[0], 16))
    hash_word(&h, (<uint64_t> d.dport << 16 | d.sport) if outgoing else (<uint64_t> d.sport << 16 | d.dport))
    return hash_end(&h)


cdef uint64_t text_key(const uint8_t *text, uint32_t size, uint64_t k0, uint64_t k1) noexcept nogil:
    """A value that is in its normal form already."""
    cdef Hash h = hash_start(k0, k1)
    hash_part(&h, cursor_over(text, size))
    return hash_end(&h)


cdef void _hash_plain(Hash *h, Cursor c, Span span) noexcept nogil:
    """A span that is its own normal form, in lower case: what `hash_part` makes of that, eight bytes at a time."""
    cdef uint32_t i = span.start
    while i < span.end:
        hash_word(h, lower64(few64(c, i, span.end - i)))
        i += 8
    hash_word(h, span.end - span.start)


cdef uint64_t normal_key(Cursor c, Span span, int form, uint64_t k0, uint64_t k1) noexcept nogil:
    """The same of a value as sent: its normal form in lower case, however long, without a copy of it."""
    cdef Hash h = hash_start(k0, k1)
    cdef uint8_t eight[8]
    cdef uint32_t i = span.start, size = 0
    cdef int byte
    if is_plain(c, span, form):
        _hash_plain(&h, c, span)
        return hash_end(&h)
    byte = take(c, &i, span.end, form)
    while byte >= 0:
        eight[size & 7] = lower(byte)
        size += 1
        if not size & 7:
            hash_word(&h, word64(cursor_over(eight, 8), 0))
        byte = take(c, &i, span.end, form)
    if size & 7:
        hash_word(&h, word64(cursor_over(eight, size & 7), 0))
    hash_word(&h, size)
    return hash_end(&h)


cdef uint64_t source_port_key(Decoded *d, uint64_t k0, uint64_t k1) noexcept nogil:
    cdef Hash h = hash_start(k0, k1)
    hash_part(&h, cursor_over(d.src, 16))
    hash_word(&h, d.sport)
    return hash_end(&h)


cdef void _hash_normal(Hash *h, Cursor c, Span span) noexcept nogil:
    """A URI part in lower-case normal form, cut at KEY_TEXT_MAX."""
    cdef uint8_t text[KEY_TEXT_MAX]
    cdef uint32_t i = span.start, size = 0
    cdef int byte
    if span.end - span.start <= KEY_TEXT_MAX and is_plain(c, span, FORM_URI):
        _hash_plain(h, c, span)
        return
    while size < KEY_TEXT_MAX:
        byte = take(c, &i, span.end, FORM_URI)
        if byte < 0:
            break
        text[size] = lower(byte)
        size += 1
    hash_part(h, cursor_over(text, size))


cdef inline Cursor _of(Cursor c, Span span) noexcept nogil:
    return part(c, span.start, span.end - span.start) if span.start != ABSENT else part(c, 0, 0)


cdef uint64_t transaction_key(Cursor c, Decoded *d, Head *head, uint64_t k0, uint64_t k1) noexcept nogil:
    """RFC 3261 17.1.3 and 17.2.3: top branch, sent-by and CSeq; where the branch has no cookie, Call-ID and From tag join (RFC 2543)."""
    cdef Hash h = hash_start(k0, k1)
    cdef Span branch = head.fields[F_VIA_BRANCH], cookie
    cdef bint response = head.content == CON_RESPONSE
    cdef uint64_t method = head.method
    if head.cseq_number < 0 or (branch.start == ABSENT and head.first[H_CALL_ID] < 0):
        return 0
    if response:
        method = find_method(c, head.fields[F_CSEQ_METHOD])
    hash_part(&h, cursor_over(&d.dst[0] if response else &d.src[0], 16))
    hash_part(&h, _of(c, branch))
    hash_part(&h, _of(c, head.fields[F_VIA_HOST]))
    hash_part(&h, _of(c, head.fields[F_VIA_PORT]))
    hash_word(&h, <uint64_t> head.cseq_number << 8 | method)
    if branch.start != ABSENT:
        cookie.start, cookie.end = branch.start, branch.start + 7
        if branch.end - branch.start >= 7 and same_nocase(c, cookie, cursor_over(b"z9hG4bK", 7)):
            return hash_end(&h)
    if head.first[H_CALL_ID] >= 0:
        hash_part(&h, _of(c, head.lines[head.first[H_CALL_ID]].value))
    hash_part(&h, _of(c, head.fields[F_FROM_TAG]))
    return hash_end(&h)


cdef uint64_t account_key(Cursor c, Head *head, uint64_t k0, uint64_t k1) noexcept nogil:
    """User and host of the To URI: the AOR of a REGISTER (RFC 3261 10.2)."""
    cdef Hash h
    if head.fields[F_TO_URI].start == ABSENT:
        return 0
    h = hash_start(k0, k1)
    _hash_normal(&h, c, head.fields[F_TO_USER])
    _hash_normal(&h, c, head.fields[F_TO_HOST])
    return hash_end(&h)
