# cython: language_level=3, boundscheck=False, wraparound=False
"""The chain of the fast path: decode, scan, match, keys. Packet in, one `Examined` out.

Rules. `look` is all C and holds no Python object: a pump may call it without the GIL and wrap its facts only when Python must see them. An
`Examiner` has scratch memory, so each thread has its own. A head whose line ends are read differently by different stacks is scanned in both
dialects, and the signatures' hits of both count.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import os
from ipaddress import IPv6Address

from sipsensor.fastpath.cursor cimport ABSENT, Cursor, Span, at, cursor_over, host32, part
from sipsensor.fastpath.decode cimport (
    DEC_BROKEN, DEC_FRAGMENT, DEC_NOT_IP, DEC_OK, DEC_OTHER, DEC_UNKNOWN_LINK, Decoded, decode, decode_transport,
)
from sipsensor.fastpath.fields cimport owner_of, read_repeat
from sipsensor.fastpath.keys cimport account_key, source_key, source_port_key, transaction_key
from sipsensor.fastpath.matcher cimport Matcher
from sipsensor.fastpath.names cimport F_COUNT, FIRST_HEADER_FIELD, HEADERS_MAX
from sipsensor.fastpath.normal cimport FORM_RAW, form_of, take
from sipsensor.fastpath.sip cimport (
    A_AMBIGUOUS_LINE_ENDS, A_BARE_CR, CON_KEEPALIVE, CON_MALFORMED, CON_NONE, CON_OTHER, CON_REQUEST, CON_RESPONSE, CON_STUN,
    DIALECT_ANY_LINE_END, DIALECT_LF_LINE_END, LINES_MAX, Head, Header, forget, scan,
)
from sipsensor.fastpath.tables cimport Networks

DECODED_OK, DECODED_NOT_IP, DECODED_UNKNOWN_LINK = DEC_OK, DEC_NOT_IP, DEC_UNKNOWN_LINK
DECODED_BROKEN, DECODED_FRAGMENT, DECODED_OTHER = DEC_BROKEN, DEC_FRAGMENT, DEC_OTHER
CONTENT_NONE, CONTENT_KEEPALIVE, CONTENT_STUN, CONTENT_OTHER = CON_NONE, CON_KEEPALIVE, CON_STUN, CON_OTHER
CONTENT_REQUEST, CONTENT_RESPONSE, CONTENT_MALFORMED = CON_REQUEST, CON_RESPONSE, CON_MALFORMED

cdef enum:
    SKIP_MEDIA, SKIP_NOT_IP, SKIP_UNKNOWN_LINK, SKIP_BROKEN, SKIP_OTHER, SKIP_COUNT
    INDEX_RECORD = 16           # of a batch: seconds, fraction, offset, captured length, 32 bits each

_SKIPS = ("media", "not_ip", "unknown_link", "broken", "other_transport")


cdef Cursor _bytes(bytes data) noexcept:
    return cursor_over(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


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
    return str(IPv6Address(PyBytes_FromStringAndSize(<const char *> address, 16))) if version == 6 else ""


# --- the examiner --------------------------------------------------------------------------------------------------------------------------


cdef class Examiner:
    """Holds what examining needs: a matcher, ports, hash key, scratch memory. One per thread."""

    def __cinit__(self, Matcher matcher not None, sip_ports=(5060,), bytes seed=None):
        cdef uint64_t keys[2]
        cdef int port
        seed = os.urandom(16) if seed is None else seed
        if len(seed) != 16:
            raise ValueError("a seed has 16 bytes")
        memcpy(keys, <const char *> seed, 16)
        self.k0, self.k1 = keys[0], keys[1]
        self.matcher = matcher
        self.sip_ports = tuple(sip_ports)
        for port in self.sip_ports:
            if not 0 < port < 65536:
                raise ValueError(f"no port has the number {port}")
            self.port_is_sip[port >> 3] |= <uint8_t> (1 << (port & 7))
        self.findings.truth = <uint8_t *> malloc(matcher.leaf_count + 1)
        self.findings.reported = <int *> malloc((matcher.leaf_count + 1) * sizeof(int))
        self.found = <uint8_t *> malloc(matcher.rule_count + 1)
        if self.findings.truth == NULL or self.findings.reported == NULL or self.found == NULL:
            raise MemoryError
        self.scratch.head.lines = self.scratch_lines
        self.other.lines = self.other_lines

    def __dealloc__(self):
        free(self.findings.truth)
        free(self.findings.reported)
        free(self.found)

    cdef bint _on_sip_port(self, Decoded *d) noexcept nogil:
        return (self.port_is_sip[d.sport >> 3] >> (d.sport & 7) | self.port_is_sip[d.dport >> 3] >> (d.dport & 7)) & 1

    cdef void look(self, Cursor packet, int link, Facts *facts) noexcept nogil:
        """All facts of one packet. `facts.head.lines` must point to LINES_MAX lines."""
        cdef Cursor payload
        cdef int first
        decode(packet, link, &facts.decoded)
        facts.source_key = facts.source_port_key = facts.transaction_key = facts.account_key = 0
        facts.match_count = 0
        forget(&facts.head)
        if facts.decoded.status != DEC_OK:
            return
        payload = part(packet, facts.decoded.payload, facts.decoded.payload_size)
        first = at(payload, 0)
        if not self._on_sip_port(&facts.decoded) and (first >= 0x80 or first < 0x0A):
            facts.head.content = CON_OTHER        # media and the like, seen by its first byte alone
            return
        self.look_at_payload(payload, facts)

    cdef void look_at_payload(self, Cursor payload, Facts *facts) noexcept nogil:
        cdef bint stream = facts.decoded.transport == 6
        cdef bint partial = stream or facts.decoded.truncated
        # In a stream, a segment that starts with a method's name may well be the rest of an Allow header.
        cdef bint any_first_line = self._on_sip_port(&facts.decoded) and not stream
        scan(payload, DIALECT_ANY_LINE_END, any_first_line, partial, &facts.head)
        if facts.head.content == CON_OTHER and facts.head.anomalies >> A_BARE_CR & 1:
            scan(payload, DIALECT_LF_LINE_END, any_first_line, partial, &facts.head)   # a bare CR in what only some read as a start line
        facts.source_key = source_key(&facts.decoded, self.k0, self.k1)
        facts.source_port_key = source_port_key(&facts.decoded, self.k0, self.k1)
        if facts.head.content != CON_REQUEST and facts.head.content != CON_RESPONSE:
            if facts.head.content != CON_MALFORMED:
                facts.head.anomalies = 0        # of no message
            return
        facts.transaction_key = transaction_key(payload, &facts.decoded, &facts.head, self.k0, self.k1)
        facts.account_key = account_key(payload, &facts.head, self.k0, self.k1)
        memset(self.found, 0, self.matcher.rule_count)
        facts.match_count = self.matcher.match(payload, &facts.head, &self.findings, self.found)
        if facts.head.anomalies >> A_BARE_CR & 1:
            scan(payload, DIALECT_LF_LINE_END, any_first_line, partial, &self.other)
            if self.other.line_count != facts.head.line_count or self.other.head_end != facts.head.head_end:
                facts.head.anomalies |= <uint64_t> 1 << A_AMBIGUOUS_LINE_ENDS
            if self.other.content == CON_REQUEST or self.other.content == CON_RESPONSE:
                facts.match_count += self.matcher.match(payload, &self.other, &self.findings, self.found)

    cdef Examined wrap(self, bytes data, int link, int64_t ts, object number, int64_t wire_length, int arrival):
        """The scratch facts as an object of their own."""
        cdef Examined examined = Examined.__new__(Examined)
        cdef Header *lines = NULL
        cdef size_t size = self.scratch.head.line_count * sizeof(Header)
        memcpy(&examined.facts, &self.scratch, sizeof(Facts))
        examined.facts.head.lines = NULL
        if size:
            lines = <Header *> malloc(size)
            if lines == NULL:
                raise MemoryError
            memcpy(lines, self.scratch.head.lines, size)
            examined.facts.head.lines = lines
        examined.owner = self
        examined.data, examined.link, examined.ts, examined.number = data, link, ts, number
        examined.wire_length = <uint32_t> wire_length if wire_length >= 0 else <uint32_t> len(data)
        examined.arrival = self.scratch.decoded.arrival if self.scratch.decoded.arrival else arrival
        if self.scratch.match_count:
            examined.hits = tuple([i for i in range(self.matcher.rule_count) if self.found[i] == 1])
            examined.candidates = tuple([i for i in range(self.matcher.rule_count) if self.found[i] == 2])
        else:
            examined.hits = examined.candidates = ()
        return examined

    def examine(self, packet):
        """All facts of one packet. Never raises on its bytes."""
        cdef bytes data = packet.data
        self.look(_bytes(data), packet.link, &self.scratch)
        return self.wrap(data, packet.link, packet.ts, packet.number, packet.wire_length, packet.arrival)

    def examine_raw(self, bytes data not None, int link, int64_t ts, number=0, int64_t wire_length=-1, int arrival=0):
        """The same without a Packet."""
        self.look(_bytes(data), link, &self.scratch)
        return self.wrap(data, link, ts, number, wire_length, arrival)

    def examine_whole(self, Examined piece not None, bytes ip_payload not None):
        """A reassembled datagram: the completing piece's addresses with the transport header and payload in ``ip_payload``."""
        cdef Facts *f = &self.scratch
        f.decoded = piece.facts.decoded
        f.decoded.fragment_offset = f.decoded.fragment_more = f.decoded.truncated = 0
        f.decoded.body, f.decoded.body_size = 0, <uint32_t> len(ip_payload)
        f.source_key = f.source_port_key = f.transaction_key = f.account_key = 0
        f.match_count = 0
        forget(&f.head)
        decode_transport(_bytes(ip_payload), &f.decoded)
        if f.decoded.status == DEC_OK:
            self.look_at_payload(part(_bytes(ip_payload), f.decoded.payload, f.decoded.payload_size), f)
        return self.wrap(ip_payload, piece.link, piece.ts, piece.number, piece.wire_length, piece.arrival)

    def walk(self, bytes data not None, bytes index not None, int link, bint nanoseconds, first_number):
        """A batch: (what must be judged, packets, bytes, last ts). What nobody judges is skipped here and counted in ``skipped``."""
        cdef Cursor records = _bytes(index), all_data = _bytes(data), packet
        cdef uint32_t i
        cdef int64_t ts = 0, total = 0, count = records.size // INDEX_RECORD
        cdef list judged = []
        for i in range(<uint32_t> count):
            ts = host32(records, i * INDEX_RECORD) * 1_000_000_000
            ts += host32(records, i * INDEX_RECORD + 4) * (1 if nanoseconds else 1000)
            packet = part(all_data, <uint32_t> host32(records, i * INDEX_RECORD + 8), <uint32_t> host32(records, i * INDEX_RECORD + 12))
            total += packet.size
            self.look(packet, link, &self.scratch)
            if not self._skip(&self.scratch):
                judged.append(self.wrap(
                    PyBytes_FromStringAndSize(<const char *> packet.data, packet.size), link, ts, first_number + i, -1, 0,
                ))
        return judged, count, total, ts

    cdef bint _skip(self, Facts *facts) noexcept nogil:
        cdef int status = facts.decoded.status, content = facts.head.content
        cdef int why
        if status == DEC_OK:
            if content == CON_REQUEST or content == CON_RESPONSE or content == CON_MALFORMED or self._on_sip_port(&facts.decoded):
                return False
            why = SKIP_MEDIA
        elif status == DEC_FRAGMENT:
            return False
        elif status == DEC_NOT_IP:
            why = SKIP_NOT_IP
        elif status == DEC_UNKNOWN_LINK:
            why = SKIP_UNKNOWN_LINK
        else:
            why = SKIP_BROKEN if status == DEC_BROKEN else SKIP_OTHER
        self.skips[why] += 1
        return True

    @property
    def skipped(self):
        """What ``walk`` passed over, by why."""
        return {_SKIPS[i]: self.skips[i] for i in range(SKIP_COUNT)}


cdef class Examined:
    """One message's worth of facts about one packet. Offsets count from the start of the payload."""

    def __dealloc__(self):
        free(self.facts.head.lines)

    cdef Cursor message(self) noexcept:
        cdef Decoded *d = &self.facts.decoded
        cdef Cursor payload = part(_bytes(self.data), d.payload, d.payload_size)
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
    def has_following(self): return self.facts.head.following != 0

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
        cdef Cursor c = part(_bytes(self.data), self.facts.decoded.body, self.facts.decoded.body_size)
        return PyBytes_FromStringAndSize(<const char *> c.data, c.size)

    cdef object _list_of(self, int field, bint normal):
        """The values of a header field or derived field, in order."""
        cdef Head *head = &self.facts.head
        cdef Cursor c = self.message()
        cdef int i, form = form_of(field) if normal else FORM_RAW
        if 0 < field < F_COUNT:
            span = head.fields[field]
            return [] if span.start == ABSENT or head.content < CON_REQUEST else [_normal(c, span, form) if normal else _slice(c, span)]
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
        cdef Head *other = &self.owner.other
        cdef int form = FORM_RAW if raw else form_of(field)
        found = self._values_in(&self.facts.head, field, form)
        if self.facts.head.anomalies >> A_BARE_CR & 1:
            scan(self.message(), DIALECT_LF_LINE_END, False, True, other)
            if other.content == CON_REQUEST or other.content == CON_RESPONSE:
                found += self._values_in(other, field, form)
        return found

    cdef list _values_in(self, Head *head, int field, int form):
        cdef Cursor c = self.message()
        cdef Span fields[F_COUNT]
        cdef int i, owner
        cdef list found = []
        if head.content < CON_REQUEST:
            return found
        if field >= F_COUNT:
            for i in range(head.line_count):
                if head.lines[i].number == field - FIRST_HEADER_FIELD:
                    found.append(_normal(c, head.lines[i].value, form))
            return found
        if head.fields[field].start != ABSENT:
            found.append(_normal(c, head.fields[field], form))
        owner = owner_of(field)
        if owner >= 0 and head.seen[owner] > 1:
            for i in range(head.first[owner] + 1, head.line_count):
                if head.lines[i].number == owner:
                    read_repeat(c, owner, head.lines[i].value, fields)
                    if fields[field].start != ABSENT:
                        found.append(_normal(c, fields[field], form))
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
        cdef Examiner owner = self.owner
        cdef Facts *f = &owner.scratch
        cdef Examined examined
        cdef uint32_t start = self.message_at + self.facts.head.following
        if self.facts.head.following == 0:
            return None
        f.decoded = self.facts.decoded
        f.transaction_key = f.account_key = 0
        f.match_count = 0
        owner.look_at_payload(part(self.message(), self.facts.head.following, 0xFFFFFFFF), f)
        examined = owner.wrap(self.data, self.link, self.ts, self.number, self.wire_length, self.arrival)
        examined.message_at = start
        return examined
