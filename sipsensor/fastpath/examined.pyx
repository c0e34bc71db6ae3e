# cython: language_level=3, boundscheck=False, wraparound=False
"""What is known of one message of one packet, as Python sees it.

Rules. It holds the packet's bytes and spans into them; a value is cut out when it is asked for, and nothing is parsed twice. Only `examine` makes one.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free


from sipsensor.fastpath import names

from ipaddress import IPv6Address as _IPv6Address

from sipsensor.fastpath.cursor cimport ABSENT, Cursor, Span, at, part
from sipsensor.fastpath.decode cimport DEC_FRAGMENT, Decoded
from sipsensor.fastpath.fields cimport next_repeat, owner_of, read_credentials, read_repeat
from sipsensor.fastpath.keys cimport account_key, both_key, end_key, normal_key, source_key, source_port_key, text_key, transaction_key

from sipsensor.fastpath.names cimport F_AUTH_NONCE, F_COUNT, FIRST_HEADER_FIELD, HEADERS_MAX
from sipsensor.fastpath.normal cimport FORM_RAW, form_of, take
from sipsensor.fastpath.sip cimport (
    A_BARE_CR, CON_REQUEST, CON_RESPONSE, DIALECT_LF_LINE_END, LINES_MAX, Head, Header, scan,
)
from sipsensor.fastpath.ranges cimport Networks


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

    cdef Cursor message(self) noexcept:
        cdef Decoded *d = &self.facts.decoded
        cdef Cursor payload = part(cursor_of(self.data), d.payload, d.payload_size)
        return part(payload, self.message_at, payload.size)

    @property
    def decoded(self): return self.facts.decoded.status
    @property
    def content(self): return self.facts.head.content
    @property
    def truncated(self): return bool(self.facts.decoded.truncated)
    @property
    def version(self): return self.facts.decoded.version
    @property
    def transport(self): return self.facts.decoded.transport
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
    def tcp_flags(self): return self.facts.decoded.tcp_flags
    @property
    def sequence(self): return self.facts.decoded.sequence
    @property
    def acknowledged(self): return self.facts.decoded.acknowledged
    @property
    def segment_length(self): return self.facts.decoded.payload_size
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
    def method(self): return -1 if self.facts.head.content == CON_RESPONSE else self.facts.head.method
    @property
    def code(self): return self.facts.head.code
    @property
    def anomalies(self): return self.facts.head.anomalies
    @property
    def malformation(self): return self.facts.head.malformation
    @property
    def malformed_at(self): return self.facts.head.malformed_at
    @property
    def source_key(self): return self.facts.source_key
    @property
    def source_port_key(self): return self.facts.source_port_key
    @property
    def transaction_key(self): return self.facts.transaction_key
    @property
    def account_key(self): return self.facts.account_key
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
    @property
    def has_following(self): return self.facts.head.following != 0

    def address_key(self, bint outgoing):
        """Keyed hash of the whole address of the remote end: the destination of an outgoing packet, else the source."""
        cdef Decoded *d = &self.facts.decoded
        return end_key(&d.dst[0] if outgoing else &d.src[0], 16, 0, self.facts.k0, self.facts.k1)

    def network_key(self, bint outgoing):
        """The same of what counts as one source: an IPv4 address, the /64 of an IPv6 one."""
        cdef Decoded *d = &self.facts.decoded
        return end_key(&d.dst[0] if outgoing else &d.src[0], 8 if d.version == 6 else 16, 0, self.facts.k0, self.facts.k1)

    def prefix_key(self, bint outgoing, int bytes4, int bytes6):
        """The same of the first bytes of the remote address: so many of an IPv4 one, so many of an IPv6 one."""
        cdef Decoded *d = &self.facts.decoded
        return end_key(&d.dst[0] if outgoing else &d.src[0], bytes6 if d.version == 6 else 12 + bytes4, 0, self.facts.k0, self.facts.k1)

    def remote(self, bint outgoing):
        """Address (16 bytes) and port of the remote end."""
        cdef Decoded *d = &self.facts.decoded
        cdef const uint8_t *address = &d.dst[0] if outgoing else &d.src[0]
        return PyBytes_FromStringAndSize(<const char *> address, 16), d.dport if outgoing else d.sport

    def key(self, bytes text not None):
        """Keyed hash of any text, as the other keys are made."""
        return self._key_of(text)

    def port_key(self, bint outgoing):
        """The same of the whole address and its port."""
        cdef Decoded *d = &self.facts.decoded
        if outgoing:
            return end_key(&d.dst[0], 16, d.dport, self.facts.k0, self.facts.k1)
        return end_key(&d.src[0], 16, d.sport, self.facts.k0, self.facts.k1)

    def connection_key(self, bint outgoing):
        """The same of both ends with their ports, the remote one first: of a connection, whichever way its packet goes."""
        cdef Decoded *d = &self.facts.decoded
        return both_key(d, outgoing, self.facts.k0, self.facts.k1)

    def keys(self, int field):
        """Keyed hashes of all values of a field that signatures would compare, normal and in lower case."""
        cdef Head *head = &self.facts.head
        cdef Cursor c
        cdef Span fields[F_COUNT]
        cdef int i, owner, form
        cdef uint64_t k0 = self.facts.k0, k1 = self.facts.k1
        cdef list found = []
        if head.anomalies >> A_BARE_CR & 1:         # two readings
            return [self._key_of(value.lower()) for value in self.values(field)]
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

    def nonce_keys(self):
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
                    found.append(self._key_of(_normal(c, fields[F_AUTH_NONCE], form_of(F_AUTH_NONCE)).lower()))
        return found

    cdef object _key_of(self, bytes text):
        return text_key(<const uint8_t *> PyBytes_AS_STRING(text), <uint32_t> len(text), self.facts.k0, self.facts.k1)

    def src_in(self, Networks networks not None):
        """Is the source address in one of the networks?"""
        return networks.holds(self.facts.decoded.src)

    def dst_in(self, Networks networks not None):
        """Is the destination address in one of the networks?"""
        return networks.holds(self.facts.decoded.dst)

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

    def raw(self, int field):
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

    def norm(self, int field):
        """The same in its normal form."""
        cdef list values = self._list_of(field, True)
        return values[0] if values else None

    def occurrences(self, int field):
        """All values of a header field, raw."""
        return self._list_of(field, False)

    def values(self, int field, bint raw=False):
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

    def following(self):
        """The next message in the same datagram or segment, behind this one's Content-Length; None when there is none."""
        return self.owner.behind(self) if self.facts.head.following else None
