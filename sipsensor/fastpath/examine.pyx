# cython: language_level=3, boundscheck=False, wraparound=False
"""The chain of the fast path: decode, scan, match, keys. Packet in, one `Examined` out. A port says what a datagram is scanned as.

Rules. `look` is all C and holds no Python object: a pump may call it without the GIL and wrap its facts only when Python must see them. An
`Examiner` has scratch memory, so each thread has its own. A head whose line ends are read differently by different stacks is scanned in both
dialects, and the signatures' hits of both count.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import os

from sipsensor.fastpath.cursor cimport Cursor, at, host32, part
from sipsensor.fastpath.decode cimport (
    DEC_BROKEN, DEC_FRAGMENT, DEC_NOT_IP, DEC_OK, DEC_OTHER, DEC_UNKNOWN_LINK, Decoded, decode, decode_body,
)
from sipsensor.fastpath.examined cimport Examined, Facts, cursor_of, extent_of
from sipsensor.fastpath.iax2 cimport W_LAST, scan_frame
from sipsensor.fastpath.keys cimport account_key, source_key, source_port_key, transaction_key
from sipsensor.fastpath.matcher cimport Matcher
from sipsensor.fastpath.shapes cimport Shape, Shapes, tag_of
from sipsensor.fastpath.sip cimport (
    A_AMBIGUOUS_LINE_ENDS, A_BARE_CR, CON_FRAME, CON_FRAME_MALFORMED, CON_KEEPALIVE, CON_MALFORMED, CON_MEDIA_FRAME, CON_NONE, CON_OTHER,
    CON_REQUEST, CON_RESPONSE, CON_STUN, DIALECT_ANY_LINE_END, DIALECT_LF_LINE_END, EXTENT_SEGMENT, EXTENT_WHOLE, LINES_MAX, Header, forget, scan,
)


DECODED_OK, DECODED_NOT_IP, DECODED_UNKNOWN_LINK = DEC_OK, DEC_NOT_IP, DEC_UNKNOWN_LINK
DECODED_BROKEN, DECODED_FRAGMENT, DECODED_OTHER = DEC_BROKEN, DEC_FRAGMENT, DEC_OTHER
CONTENT_NONE, CONTENT_KEEPALIVE, CONTENT_STUN, CONTENT_OTHER = CON_NONE, CON_KEEPALIVE, CON_STUN, CON_OTHER
CONTENT_REQUEST, CONTENT_RESPONSE, CONTENT_MALFORMED = CON_REQUEST, CON_RESPONSE, CON_MALFORMED
CONTENT_FRAME, CONTENT_MEDIA_FRAME, CONTENT_FRAME_MALFORMED = CON_FRAME, CON_MEDIA_FRAME, CON_FRAME_MALFORMED

cdef enum:
    SKIP_MEDIA, SKIP_NOT_IP, SKIP_UNKNOWN_LINK, SKIP_BROKEN, SKIP_OTHER, SKIP_COUNT
    UDP = 17
    INDEX_RECORD = 16           # of a batch: seconds, fraction, offset, captured length, 32 bits each

# The class is known to C by its cimport; Python finds it here, where it is made.
globals()["Examined"] = Examined
_SKIPS = ("media", "not_ip", "unknown_link", "broken", "other_transport")


cdef void _mark(uint8_t *bits, tuple ports):
    cdef int port
    for port in ports:
        if not 0 < port < 65536:
            raise ValueError(f"no port has the number {port}")
        bits[port >> 3] |= <uint8_t> (1 << (port & 7))


cdef inline bint _either(const uint8_t *bits, Decoded *d) noexcept nogil:
    """Whether the port of one of the two ends is marked."""
    return (bits[d.sport >> 3] >> (d.sport & 7) | bits[d.dport >> 3] >> (d.dport & 7)) & 1


cdef class Examiner:
    """Holds what examining needs: a matcher, ports, hash key, scratch memory. One per thread.

    ``recalls``: whether a message like an earlier one is spared the scan (see `shapes`). The facts are the same with and without.
    """

    def __cinit__(self, Matcher matcher not None, sip_ports=(5060,), bytes seed=None, bint recalls=True, iax2_ports=(4569,)):
        cdef uint64_t keys[2]
        seed = os.urandom(16) if seed is None else seed
        if len(seed) != 16:
            raise ValueError("a seed has 16 bytes")
        memcpy(keys, <const char *> seed, 16)
        self.k0, self.k1 = keys[0], keys[1]
        self.matcher = matcher
        self.sip_ports, self.iax2_ports = tuple(sip_ports), tuple(iax2_ports)
        _mark(self.port_is_sip, self.sip_ports)
        _mark(self.port_is_iax2, self.iax2_ports)
        self.findings.truth = <uint8_t *> malloc(matcher.leaf_count + 1)
        self.findings.reported = <int *> malloc((matcher.leaf_count + 1) * sizeof(int))
        self.found = <uint8_t *> malloc(matcher.rule_count + 1)
        if self.findings.truth == NULL or self.findings.reported == NULL or self.found == NULL:
            raise MemoryError
        self.scratch.head.lines = self.scratch_lines
        self.other.lines = self.other_lines
        self.shapes, self.recalls = Shapes(), recalls

    def __dealloc__(self):
        free(self.findings.truth)
        free(self.findings.reported)
        free(self.found)

    cdef bint _on_sip_port(self, Decoded *d) noexcept nogil:
        return _either(self.port_is_sip, d)

    cdef bint _on_iax2_port(self, Decoded *d) noexcept nogil:
        """IAX2 is of UDP alone (RFC 5456 7.1). A port of SIP says more: it is asked first."""
        return d.transport == UDP and _either(self.port_is_iax2, d)

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
        if not self._on_sip_port(&facts.decoded) and (first >= 0x80 or first < 0x0A) and not self._on_iax2_port(&facts.decoded):
            facts.head.content = CON_OTHER        # media and the like, seen by its first byte alone
            return
        self.look_at_payload(payload, facts)

    cdef void look_at_payload(self, Cursor payload, Facts *facts) noexcept nogil:
        cdef int extent = extent_of(&facts.decoded)
        # In a stream, a segment that starts with a method's name may well be the rest of an Allow header.
        cdef bint on_port = self._on_sip_port(&facts.decoded), any_first_line = on_port and extent != EXTENT_SEGMENT
        cdef uint64_t tag = 0
        facts.k0, facts.k1 = self.k0, self.k1
        facts.source_key = source_key(&facts.decoded, self.k0, self.k1)
        facts.source_port_key = source_port_key(&facts.decoded, self.k0, self.k1)
        if not on_port and self._on_iax2_port(&facts.decoded):
            self._look_at_frame(payload, facts)
            return
        if self.recalls and extent == EXTENT_WHOLE:
            tag = tag_of(payload, &facts.decoded)
        if tag and self._recall(payload, tag, facts):
            return
        scan(payload, DIALECT_ANY_LINE_END, any_first_line, extent, &facts.head)
        if facts.head.content == CON_OTHER and facts.head.anomalies >> A_BARE_CR & 1:
            scan(payload, DIALECT_LF_LINE_END, any_first_line, extent, &facts.head)   # a bare CR in what only some read as a start line
        if facts.head.content != CON_REQUEST and facts.head.content != CON_RESPONSE:
            if facts.head.content != CON_MALFORMED:
                facts.head.anomalies = 0        # of no message
            return
        facts.transaction_key = transaction_key(payload, &facts.decoded, &facts.head, self.k0, self.k1)
        facts.account_key = account_key(payload, &facts.head, self.k0, self.k1)
        memset(self.found, 0, self.matcher.rule_count)
        facts.match_count = self.matcher.match(payload, &facts.head, &self.findings, self.found)
        if tag:
            self.shapes.keep(payload, tag, &facts.head, facts.account_key, &self.findings)
        if facts.head.anomalies >> A_BARE_CR & 1:
            scan(payload, DIALECT_LF_LINE_END, any_first_line, extent, &self.other)
            if self.other.line_count != facts.head.line_count or self.other.head_end != facts.head.head_end:
                facts.head.anomalies |= <uint64_t> 1 << A_AMBIGUOUS_LINE_ENDS
            if self.other.content == CON_REQUEST or self.other.content == CON_RESPONSE:
                facts.match_count += self.matcher.match(payload, &self.other, &self.findings, self.found)

    cdef void _look_at_frame(self, Cursor payload, Facts *facts) noexcept nogil:
        scan_frame(payload, &facts.head)
        if facts.head.content == CON_FRAME and facts.head.method <= W_LAST:
            memset(self.found, 0, self.matcher.rule_count)
            facts.match_count = self.matcher.match(payload, &facts.head, &self.findings, self.found)

    cdef bint _recall(self, Cursor payload, uint64_t tag, Facts *facts) noexcept nogil:
        """The facts of a payload that is like an earlier one; False when it must be scanned."""
        cdef Shape *shape = self.shapes.recall(payload, tag, &facts.head)
        if shape == NULL:
            return False
        facts.transaction_key = transaction_key(payload, &facts.decoded, &facts.head, self.k0, self.k1)
        facts.account_key = shape.account_key
        memset(self.found, 0, self.matcher.rule_count)
        facts.match_count = self.matcher.match_again(
            payload, &facts.head, shape.findings, shape.finding_count, &self.findings, self.found
        )
        return True

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
        examined.show()
        return examined

    def examine(self, packet):
        """All facts of one packet. Never raises on its bytes."""
        cdef bytes data = packet.data
        self.look(cursor_of(data), packet.link, &self.scratch)
        return self.wrap(data, packet.link, packet.ts, packet.number, packet.wire_length, packet.arrival)

    def examine_raw(self, bytes data not None, int link, int64_t ts, number=0, int64_t wire_length=-1, int arrival=0):
        """The same without a Packet."""
        return self.examine_one(data, link, ts, number, wire_length, arrival)

    cdef Examined examine_one(self, bytes data, int link, int64_t ts, object number, int64_t wire_length, int arrival):
        self.look(cursor_of(data), link, &self.scratch)
        return self.wrap(data, link, ts, number, wire_length, arrival)

    def examine_whole(self, Examined piece not None, bytes ip_payload not None, int protocol=-1):
        """A reassembled datagram: the completing piece's addresses with what stands behind the IP header in ``ip_payload``.

        ``protocol`` is the next header that its first fragment names: the others may say anything (RFC 8200 4.5). Default: the piece's.
        """
        cdef Facts *f = &self.scratch
        f.decoded = piece.facts.decoded
        f.decoded.fragment_offset = f.decoded.fragment_more = f.decoded.truncated = 0
        f.decoded.body, f.decoded.body_size = 0, <uint32_t> len(ip_payload)
        f.source_key = f.source_port_key = f.transaction_key = f.account_key = 0
        f.match_count = 0
        forget(&f.head)
        if protocol >= 0:
            f.decoded.transport = <uint8_t> protocol
        decode_body(cursor_of(ip_payload), &f.decoded)
        if f.decoded.status == DEC_OK:
            self.look_at_payload(part(cursor_of(ip_payload), f.decoded.payload, f.decoded.payload_size), f)
        return self.wrap(ip_payload, piece.link, piece.ts, piece.number, piece.wire_length, piece.arrival)

    def behind(self, Examined first not None):
        """The message behind the Content-Length of ``first``, which has one: see ``Examined.following``."""
        cdef Facts *f = &self.scratch
        cdef Examined examined
        f.decoded = first.facts.decoded
        f.transaction_key = f.account_key = 0
        f.match_count = 0
        self.look_at_payload(part(first.message(), first.facts.head.following, first.facts.decoded.payload_size), f)
        examined = self.wrap(first.data, first.link, first.ts, first.number, first.wire_length, first.arrival)
        examined.message_at = first.message_at + first.facts.head.following
        return examined

    def walk(self, bytes data not None, bytes index not None, int link, bint nanoseconds, first_number):
        """The packets of a batch that must be judged, one by one. What nobody judges is skipped in C and counted in ``skipped``."""
        return Walk(self, data, index, link, nanoseconds, first_number)

    cdef bint _skip(self, Facts *facts) noexcept nogil:
        cdef int status = facts.decoded.status, content = facts.head.content
        cdef int why
        if status == DEC_OK:
            if content >= CON_REQUEST or self._on_sip_port(&facts.decoded) or self._on_iax2_port(&facts.decoded):
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
    def recalled(self):
        """Messages that were spared the scan."""
        return self.shapes.recalled

    @property
    def skipped(self):
        """What ``walk`` passed over, by why."""
        return {_SKIPS[i]: self.skips[i] for i in range(SKIP_COUNT)}


cdef class Walk:
    """A batch of a capture file on its way through an `Examiner`, a packet at a time: what was examined is still in the cache when it is judged."""

    def __cinit__(self, Examiner examiner not None, bytes data, bytes index, int link, bint nanoseconds, int64_t first_number):
        self._examiner, self._data, self._index = examiner, data, index
        self._link, self._unit, self._number = link, 1 if nanoseconds else 1000, first_number
        self.packets = len(index) // INDEX_RECORD

    def __iter__(self):
        return self

    def __next__(self):
        cdef Examined examined = self.next()
        if examined is None:
            raise StopIteration
        return examined

    cdef Examined next(self):
        """The next that must be judged; None at the end."""
        cdef Cursor records = cursor_of(self._index), data = cursor_of(self._data), packet
        cdef Examiner examiner = self._examiner
        cdef uint32_t at
        while self._at < self.packets:
            at = self._at * INDEX_RECORD
            self.last = host32(records, at) * 1_000_000_000 + host32(records, at + 4) * self._unit
            packet = part(data, <uint32_t> host32(records, at + 8), <uint32_t> host32(records, at + 12))
            self._at += 1
            self.bytes += packet.size
            examiner.look(packet, self._link, &examiner.scratch)
            if not examiner._skip(&examiner.scratch):
                return examiner.wrap(
                    PyBytes_FromStringAndSize(<const char *> packet.data, packet.size), self._link, self.last,
                    self._number + self._at - 1, -1, 0,
                )
        return None
