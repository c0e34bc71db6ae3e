# cython: language_level=3, boundscheck=False, wraparound=False
"""What is known of one message of one packet, as Python sees it.

Rules. It holds the packet's bytes and spans into them; a value is cut out when it is asked for, and nothing is parsed twice. Only `examine` makes one.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free

from sipsensor.fastpath import names
from ipaddress import IPv6Address as _IPv6Address

from sipsensor.fastpath.cursor cimport ABSENT, Cursor, Span, at, be32, cursor_over, part
from sipsensor.fastpath.bindings cimport expires
from sipsensor.fastpath.credentials cimport credentials_key, plain_username, words_in
from sipsensor.fastpath.decode cimport DEC_FRAGMENT, Decoded
from sipsensor.fastpath.fields cimport next_repeat, owner_of, read_credentials, read_repeat
from sipsensor.fastpath.keys cimport both_key, end_key, normal_key, text_key
from sipsensor.fastpath.names cimport F_AUTH_NONCE, F_COUNT, F_CSEQ_METHOD, FIRST_HEADER_FIELD, HEADERS_MAX, M_OTHER, find_method
from sipsensor.fastpath.normal cimport FORM_RAW, form_of, take
from sipsensor.fastpath.sip cimport A_BARE_CR, CON_REQUEST, CON_RESPONSE, DIALECT_LF_LINE_END, LINES_MAX, Head, Header, scan
from sipsensor.fastpath.ranges cimport Networks
from sipsensor.fastpath.folding cimport fold

cdef int _WWW_AUTHENTICATE = names.HEADERS["www-authenticate"]
cdef int _PROXY_AUTHENTICATE = names.HEADERS["proxy-authenticate"]


cdef bytes _slice(Cursor c, Span span):
    cdef Cursor p = part(c, span.start, span.end - span.start)
    return PyBytes_FromStringAndSize(<const char *> p.data, p.size)


cdef bytes _normal(Cursor c, Span span, int form):
    cdef uint32_t i = span.start
    cdef int byte
    out = bytearray()
    while True:
        byte = take(c, &i, span.end, form)
        if byte < 0:
            return bytes(out)
        out.append(byte)


cdef str _address_text(const uint8_t *address, int version):
    if version == 4:
        return f"{address[12]}.{address[13]}.{address[14]}.{address[15]}"
    return str(_IPv6Address(PyBytes_FromStringAndSize(<const char *> address, 16))) if version == 6 else ""


cdef class Examined:
    """One message's worth of facts about one packet. Offsets count from the start of the payload."""

    def __dealloc__(self):
        free(self.facts.head.lines)

    cdef void show(self) noexcept:
        """What Python sees of the facts, once they are there."""
        cdef Decoded *d = &self.facts.decoded
        cdef Head *head = &self.facts.head
        self.decoded, self.version, self.transport, self.tcp_flags = d.status, d.version, d.transport, d.tcp_flags
        self.sequence, self.acknowledged, self.segment_length = d.sequence, d.acknowledged, d.payload_size
        self.truncated = d.truncated != 0
        self.content, self.code, self.anomalies = head.content, head.code, head.anomalies
        self.method = -1 if head.content == CON_RESPONSE else head.method
        self.has_following = head.following != 0
        self.transaction_key, self.account_key = self.facts.transaction_key, self.facts.account_key

    cdef Cursor message(self) noexcept:
        cdef Decoded *d = &self.facts.decoded
        cdef Cursor payload = part(cursor_of(self.data), d.payload, d.payload_size)
        return part(payload, self.message_at, payload.size)

    @property
    def src(self): return PyBytes_FromStringAndSize(<const char *> self.facts.decoded.src, 16)
    @property
    def dst(self): return PyBytes_FromStringAndSize(<const char *> self.facts.decoded.dst, 16)
    @property
    def sport(self): return self.facts.decoded.sport
    @property
    def dport(self): return self.facts.decoded.dport
    @property
    def src_text(self): return _address_text(self.facts.decoded.src, self.facts.decoded.version)
    @property
    def dst_text(self): return _address_text(self.facts.decoded.dst, self.facts.decoded.version)
    @property
    def recorded_verdict(self): return self.facts.decoded.recorded - 1
    @property
    def payload_length(self): return self.message().size
    @property
    def payload(self):
        cdef Cursor c = self.message()
        return PyBytes_FromStringAndSize(<const char *> c.data, c.size)
    @property
    def fragment_offset(self): return self.facts.decoded.fragment_offset
    @property
    def fragment_more(self): return bool(self.facts.decoded.fragment_more)
    @property
    def malformation(self): return self.facts.head.malformation
    @property
    def malformed_at(self): return self.facts.head.malformed_at
    @property
    def source_key(self): return self.facts.source_key
    @property
    def source_port_key(self): return self.facts.source_port_key
    @property
    def header_count(self): return self.facts.head.line_count
    @property
    def body_start(self): return self.facts.head.head_end
    @property
    def cseq_number(self): return self.facts.head.cseq_number
    @property
    def content_length(self): return self.facts.head.content_length
    @property
    def is_following(self): return self.message_at != 0

    cpdef uint64_t address_key(self, bint outgoing) noexcept:
        """Keyed hash of the whole address of the remote end: the destination of an outgoing packet, else the source."""
        cdef Decoded *d = &self.facts.decoded
        if d.version != 6:
            return self.network_key(outgoing)
        return end_key(&d.dst[0] if outgoing else &d.src[0], 16, 0, self.facts.k0, self.facts.k1)

    cpdef uint64_t network_key(self, bint outgoing) noexcept:
        """The same of what counts as one source: an IPv4 address, the /64 of an IPv6 one."""
        cdef Decoded *d = &self.facts.decoded
        if not outgoing and self.facts.source_key:
            return self.facts.source_key
        return end_key(&d.dst[0] if outgoing else &d.src[0], 8 if d.version == 6 else 16, 0, self.facts.k0, self.facts.k1)

    cpdef uint64_t prefix_key(self, bint outgoing, int bytes4, int bytes6) noexcept:
        """The same of the first bytes of the remote address: so many of an IPv4 one, so many of an IPv6 one."""
        cdef Decoded *d = &self.facts.decoded
        return end_key(&d.dst[0] if outgoing else &d.src[0], bytes6 if d.version == 6 else 12 + bytes4, 0, self.facts.k0, self.facts.k1)

    cpdef uint64_t remote_half(self, bint outgoing, uint32_t start) noexcept:
        """Eight bytes of the remote end's address, as a number in network order."""
        cdef Cursor c = cursor_over(&self.facts.decoded.dst[0] if outgoing else &self.facts.decoded.src[0], 16)
        return <uint64_t> be32(c, start) << 32 | <uint64_t> be32(c, start + 4)

    cpdef int remote_port(self, bint outgoing) noexcept:
        return self.facts.decoded.dport if outgoing else self.facts.decoded.sport

    cpdef tuple remote(self, bint outgoing):
        """Address (16 bytes) and port of the remote end."""
        cdef Decoded *d = &self.facts.decoded
        cdef const uint8_t *address = &d.dst[0] if outgoing else &d.src[0]
        return PyBytes_FromStringAndSize(<const char *> address, 16), d.dport if outgoing else d.sport

    cpdef uint64_t key(self, bytes text) except? 0:
        """Keyed hash of any text, as the other keys are made."""
        if text is None:
            raise TypeError("a key is of bytes")
        return text_key(<const uint8_t *> PyBytes_AS_STRING(text), <uint32_t> len(text), self.facts.k0, self.facts.k1)

    cpdef uint64_t port_key(self, bint outgoing) noexcept:
        """The same of the whole address and its port."""
        cdef Decoded *d = &self.facts.decoded
        if outgoing:
            return end_key(&d.dst[0], 16, d.dport, self.facts.k0, self.facts.k1)
        if self.facts.source_port_key and d.sport:
            return self.facts.source_port_key
        return end_key(&d.src[0], 16, d.sport, self.facts.k0, self.facts.k1)

    cpdef uint64_t connection_key(self, bint outgoing) noexcept:
        """The same of both ends with their ports, the remote one first: of a connection, whichever way its packet goes."""
        cdef Decoded *d = &self.facts.decoded
        return both_key(d, outgoing, self.facts.k0, self.facts.k1)

    cpdef list keys(self, int field):
        """Keyed hashes of all values of a field that signatures would compare, normal and in lower case."""
        cdef Head *head = &self.facts.head
        cdef Cursor c
        cdef Span fields[F_COUNT]
        cdef int i, owner, form
        cdef uint64_t k0 = self.facts.k0, k1 = self.facts.k1
        cdef list found = []
        if head.anomalies >> A_BARE_CR & 1:         # two readings
            return [self.key(value.lower()) for value in self.values(field)]
        if head.content < CON_REQUEST or field <= 0 or F_COUNT <= field < FIRST_HEADER_FIELD:
            return found
        c, form = self.message(), form_of(field)
        if field >= FIRST_HEADER_FIELD:
            for i in range(head.line_count):
                if head.lines[i].number == field - FIRST_HEADER_FIELD:
                    found.append(normal_key(c, head.lines[i].value, form, k0, k1))
            return found
        if head.fields[field].start != ABSENT:
            found.append(normal_key(c, head.fields[field], form, k0, k1))
        owner = owner_of(field)
        i = next_repeat(head, owner, -1) if owner >= 0 else -1
        while i >= 0:
            read_repeat(c, owner, head.lines[i].value, fields)
            if fields[field].start != ABSENT:
                found.append(normal_key(c, fields[field], form, k0, k1))
            i = next_repeat(head, owner, i)
        return found

    cpdef uint64_t named(self, int field) except? 0:
        """One key of all values of a field, as `keys` has them; 0 where there is none."""
        cdef Head *head = &self.facts.head
        cdef uint64_t key, found = 0
        found = self.sole(field)
        if found:
            return fold(0, found)
        if head.content < CON_REQUEST:
            return 0
        for key in self.keys(field):
            found = fold(found, key)
        return found

    cpdef uint64_t sole(self, int field) noexcept:
        """Key of the field's one value; 0 where there is none, or there may be several."""
        cdef Span alone = self._alone(field)
        return 0 if alone.start == ABSENT else normal_key(self.message(), alone, form_of(field), self.facts.k0, self.facts.k1)

    cpdef uint64_t text_key(self, int field) noexcept:
        """Keyed hash of the bytes of a field's first occurrence as sent; of none, where it is absent. Of a header, see `named`."""
        cdef Span span
        cdef Cursor c
        if not 0 < field < F_COUNT or self.facts.head.content < CON_REQUEST or self.facts.head.fields[field].start == ABSENT:
            # Not of NULL: where lines are traced for coverage, the cursor over it is shown to the tracer as bytes.
            return text_key(self.message().data, 0, self.facts.k0, self.facts.k1)
        span = self.facts.head.fields[field]
        c = part(self.message(), span.start, span.end - span.start)
        return text_key(c.data, c.size, self.facts.k0, self.facts.k1)

    cpdef bint mentions(self, int field, bytes word) noexcept:
        """Whether the bytes of a field's first occurrence hold that word, in lower case or not. ``word`` is in lower case."""
        cdef Head *head = &self.facts.head
        cdef Span span
        cdef Cursor c, sought
        if word is None or not word or not self.has(field):
            return False
        span = head.fields[field] if field < F_COUNT else head.lines[head.first[field - FIRST_HEADER_FIELD]].value
        c, sought = self.message(), cursor_of(word)
        return words_in(c, span, sought, True) > 0

    cpdef int cseq_method(self) noexcept:
        """The number of the method that a response answers, of the closed list."""
        cdef Span sent = self.facts.head.fields[F_CSEQ_METHOD]
        return find_method(self.message(), sent) if self.facts.head.content >= CON_REQUEST and sent.start != ABSENT else M_OTHER

    cpdef int64_t expires(self) noexcept:
        """See `bindings`."""
        return expires(self.message(), &self.facts.head)

    cpdef uint64_t plain_username(self) noexcept:
        """See `credentials`."""
        return plain_username(self.message(), &self.facts.head, self.facts.k0, self.facts.k1)

    cpdef uint64_t credentials_key(self) noexcept:
        """See `credentials`."""
        return credentials_key(self.message(), &self.facts.head, self.facts.k0, self.facts.k1)

    cdef Span _alone(self, int field) noexcept:
        """Where the field's one value stands, for which no list need be made; nowhere, where there is none, or there may be several."""
        cdef Head *head = &self.facts.head
        cdef Span span
        cdef int owner, number = field - FIRST_HEADER_FIELD
        span.start = span.end = ABSENT
        if head.content < CON_REQUEST or head.anomalies >> A_BARE_CR & 1:
            return span
        if 0 < field < F_COUNT:
            owner = owner_of(field)
            return head.fields[field] if owner < 0 or next_repeat(head, owner, -1) < 0 else span
        if 0 <= number < HEADERS_MAX and head.line_count > 0 and head.seen[number] == 1:
            return head.lines[head.first[number]].value
        return span

    cpdef bint has(self, int field) noexcept:
        """Whether the field is there: `raw` would give it."""
        cdef Head *head = &self.facts.head
        if 0 < field < F_COUNT:
            return head.content >= CON_REQUEST and head.fields[field].start != ABSENT
        return FIRST_HEADER_FIELD <= field < FIRST_HEADER_FIELD + HEADERS_MAX and head.line_count > 0 and head.first[field - FIRST_HEADER_FIELD] >= 0

    cpdef list nonce_keys(self):
        """Keyed hashes of the nonces of all challenges in a response (WWW-Authenticate, Proxy-Authenticate)."""
        cdef Head *head = &self.facts.head
        cdef Cursor c = self.message()
        cdef Span fields[F_COUNT]
        cdef int i
        found = []
        for i in range(head.line_count if head.content == CON_RESPONSE else 0):
            if head.lines[i].number == _WWW_AUTHENTICATE or head.lines[i].number == _PROXY_AUTHENTICATE:
                fields[F_AUTH_NONCE].start = ABSENT
                read_credentials(c, head.lines[i].value, fields)
                if fields[F_AUTH_NONCE].start != ABSENT:
                    found.append(self.key(_normal(c, fields[F_AUTH_NONCE], form_of(F_AUTH_NONCE)).lower()))
        return found

    cpdef bint src_in(self, Networks networks) noexcept:
        """Is the source address in one of the networks?"""
        return networks is not None and networks.holds(self.facts.decoded.src)

    cpdef bint dst_in(self, Networks networks) noexcept:
        """Is the destination address in one of the networks?"""
        return networks is not None and networks.holds(self.facts.decoded.dst)

    @property
    def fragment_key(self):
        """What the fragments of one datagram share; empty when this is none (RFC 791 3.2, RFC 8200 4.5)."""
        cdef Decoded *d = &self.facts.decoded
        if d.status != DEC_FRAGMENT:
            return b""
        return self.src + self.dst + d.fragment_id.to_bytes(4, "big") + bytes((d.transport if d.version == 4 else 0, d.version))

    @property
    def fragment(self):
        """This fragment's piece of the IP payload."""
        cdef Cursor c = part(cursor_of(self.data), self.facts.decoded.body, self.facts.decoded.body_size)
        return PyBytes_FromStringAndSize(<const char *> c.data, c.size)

    cdef object _list_of(self, int field, bint normal):
        """The values of a header field or derived field, in order."""
        cdef Head *head = &self.facts.head
        cdef Cursor c = self.message()
        cdef int i, form = form_of(field) if normal else FORM_RAW
        if 0 < field < F_COUNT:
            span = head.fields[field]
            return [] if span.start == ABSENT or head.content < CON_REQUEST else [_normal(c, span, form) if normal else _slice(c, span)]
        if field < FIRST_HEADER_FIELD:
            return []
        return [
            _normal(c, head.lines[i].value, form) if normal else _slice(c, head.lines[i].value)
            for i in range(head.line_count) if head.lines[i].number == field - FIRST_HEADER_FIELD
        ]

    cpdef object raw(self, int field):
        """The bytes of the field's first occurrence as sent, without surrounding white space; None when absent."""
        cdef Head *head = &self.facts.head
        cdef int first
        if 0 < field < F_COUNT:
            if head.content < CON_REQUEST or head.fields[field].start == ABSENT:
                return None
            return _slice(self.message(), head.fields[field])
        if not FIRST_HEADER_FIELD <= field < FIRST_HEADER_FIELD + HEADERS_MAX or head.line_count == 0:
            return None
        first = head.first[field - FIRST_HEADER_FIELD]
        return _slice(self.message(), head.lines[first].value) if first >= 0 else None

    cpdef object norm(self, int field):
        """The same in its normal form."""
        cdef list values = self._list_of(field, True)
        return values[0] if values else None

    cpdef list occurrences(self, int field):
        """All values of a header field, raw."""
        return self._list_of(field, False)

    cpdef list values(self, int field, bint raw=False):
        """All that the signatures compared: the field at each line of its header, and in both readings of an ambiguous head."""
        cdef Head other
        cdef Header lines[LINES_MAX]
        cdef int form = FORM_RAW if raw else form_of(field)
        found = self._values_in(&self.facts.head, field, form)
        if self.facts.head.anomalies >> A_BARE_CR & 1:
            other.lines = lines
            scan(self.message(), DIALECT_LF_LINE_END, False, extent_of(&self.facts.decoded), &other)
            if other.content == CON_REQUEST or other.content == CON_RESPONSE:
                found += self._values_in(&other, field, form)
        return found

    cdef list _values_in(self, Head *head, int field, int form):
        cdef Cursor c = self.message()
        cdef Span fields[F_COUNT]
        cdef int i, owner
        cdef list found = []
        if head.content < CON_REQUEST or field <= 0 or F_COUNT <= field < FIRST_HEADER_FIELD:
            return found
        if field >= FIRST_HEADER_FIELD:
            for i in range(head.line_count):
                if head.lines[i].number == field - FIRST_HEADER_FIELD:
                    found.append(_normal(c, head.lines[i].value, form))
            return found
        if head.fields[field].start != ABSENT:
            found.append(_normal(c, head.fields[field], form))
        owner = owner_of(field)
        i = next_repeat(head, owner, -1) if owner >= 0 else -1
        while i >= 0:
            read_repeat(c, owner, head.lines[i].value, fields)
            if fields[field].start != ABSENT:
                found.append(_normal(c, fields[field], form))
            i = next_repeat(head, owner, i)
        return found

    def headers(self):
        """(number or -1, name as sent, raw value) of every header line, in order."""
        cdef Head *head = &self.facts.head
        cdef Cursor c = self.message()
        cdef int i
        return [
            (head.lines[i].number, _slice(c, head.lines[i].name), _slice(c, head.lines[i].value)) for i in range(head.line_count)
        ]

    cpdef object following(self):
        """The next message in the same datagram or segment, behind this one's Content-Length; None when there is none."""
        return self.owner.behind(self) if self.facts.head.following else None
