# cython: language_level=3, boundscheck=False, wraparound=False
"""The leaves of signatures that no automaton decides: presence, measures, order, equality, SIPVicious tags, anomalies.

Rules. A leaf is LEAF_WIDTH numbers; evaluating it reads the head's spans and keeps nothing. A field that repeats is tried at each occurrence.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from sipsensor.fastpath.automaton cimport NO, YES
from sipsensor.fastpath.cursor cimport ABSENT, Cursor, Span, at, decimal, is_digit, lower
from sipsensor.fastpath.fields cimport next_repeat, owner_of, read_repeat
from sipsensor.fastpath.names cimport F_COUNT, F_FROM_USER, FIRST_HEADER_FIELD
from sipsensor.fastpath.normal cimport FORM_URI, _hex_digit, form_of, take
from sipsensor.fastpath.sip cimport CON_FRAME, Head

from sipsensor.fastpath.names import ANOMALIES as _ANOMALIES, FIELDS as _FIELDS, HEADERS as _HEADERS

cdef enum:
    NO_UPPER_BOUND = 0x7FFFFFFF
    KIND_WHATS = 64

_KINDS = {name: number for number, name in enumerate("literal regex present length count integer order same tag anomaly digits frame".split())}


cdef int _known_field(field) except -1:
    number = int(field)
    if number not in _FIELDS.values():
        raise ValueError(f"no field has the number {field}")
    return number


def flatten_leaves(leaves):
    """(LEAF_WIDTH numbers per leaf, the header numbers of all order leaves). Raises ValueError for an unknown kind or field."""
    flat, orders = [], []
    for leaf in leaves:
        if leaf[0] not in _KINDS:
            raise ValueError(f"no leaf kind is called {leaf[0]!r}")
        kind, parts = _KINDS[leaf[0]], [0, 0, 0, 0]
        if kind in (K_LITERAL, K_REGEX, K_PRESENT):
            parts[0] = _known_field(leaf[1])
        elif kind in (K_LENGTH, K_INTEGER, K_DIGITS) or (kind == K_COUNT and leaf[1]):
            parts[:3] = [_known_field(leaf[1]), min(leaf[2], NO_UPPER_BOUND), min(leaf[3], NO_UPPER_BOUND)]
            if kind == K_COUNT and parts[0] < FIRST_HEADER_FIELD:
                raise ValueError("only lines of header fields can be counted")
        elif kind == K_COUNT:
            parts[:3] = [0, leaf[2], leaf[3]]
        elif kind == K_ORDER:
            parts[:3] = [bool(leaf[1]), len(orders), len(leaf[2])]
            if set(leaf[2]) - set(_HEADERS.values()):
                raise ValueError("an order names a header field that has no number")
            orders.extend(leaf[2])
        elif kind == K_SAME:
            parts[:2] = [_known_field(leaf[1]), _known_field(leaf[2])]
        elif kind == K_TAG:
            parts[:2] = [_known_field(leaf[1]), leaf[2]]
        elif kind == K_FRAME:
            if not -1 <= leaf[1] < KIND_WHATS:
                raise ValueError(f"no frame is of the kind {leaf[1]}")
            parts[0] = leaf[1]
        elif not 0 <= leaf[1] < len(_ANOMALIES):
            raise ValueError(f"no anomaly has the bit {leaf[1]}")
        else:
            parts[0] = leaf[1]
        flat += [kind, *parts]
    return flat, orders


cdef Span _span_of(Head *h, int field) noexcept nogil:
    cdef Span none
    none.start = none.end = ABSENT
    if field < FIRST_HEADER_FIELD:
        return h.fields[field]
    return h.lines[h.first[field - FIRST_HEADER_FIELD]].value if h.first[field - FIRST_HEADER_FIELD] >= 0 else none


cdef int evaluate_leaf(int *leaf, int *orders, Cursor c, Head *h) noexcept nogil:
    cdef int kind = leaf[0], field = leaf[1], i
    cdef int64_t value
    if kind == K_ANOMALY:
        return YES if h.anomalies >> field & 1 else NO
    if kind == K_FRAME:
        return YES if h.content == CON_FRAME and (field < 0 or h.method == field) else NO
    if kind == K_COUNT:
        value = h.seen[field - FIRST_HEADER_FIELD] if field else h.line_count
        return YES if leaf[2] <= value <= leaf[3] else NO
    if kind == K_ORDER:
        return _in_order(leaf[1], orders + leaf[2], leaf[3], h)
    if field < FIRST_HEADER_FIELD:
        return _derived(leaf, c, h)
    for i in range(h.line_count):
        if h.lines[i].number == field - FIRST_HEADER_FIELD and _on_span(leaf, c, h.lines[i].value, h, h.fields) == YES:
            return YES
    return NO


cdef int _derived(int *leaf, Cursor c, Head *h) noexcept nogil:
    """A leaf on a derived field, at each line of the header that it is derived from."""
    cdef Span fields[F_COUNT]
    cdef int i, owner = owner_of(leaf[1])
    if _on_span(leaf, c, h.fields[leaf[1]], h, h.fields) == YES:
        return YES
    i = next_repeat(h, owner, -1) if owner >= 0 else -1
    if i < 0:
        return NO
    memcpy(fields, h.fields, sizeof(fields))
    while i >= 0:
        read_repeat(c, owner, h.lines[i].value, fields)
        if _on_span(leaf, c, fields[leaf[1]], h, fields) == YES:
            return YES
        i = next_repeat(h, owner, i)
    return NO


cdef int _on_span(int *leaf, Cursor c, Span span, Head *h, Span *fields) noexcept nogil:
    cdef int kind = leaf[0], other = leaf[2]
    if span.start == ABSENT:
        return NO
    if kind == K_PRESENT:
        return YES
    if kind == K_SAME:
        return _same_text(c, span, form_of(leaf[1]), fields[other] if other < FIRST_HEADER_FIELD else _span_of(h, other), form_of(other))
    if kind == K_TAG:
        return _sipvicious_tag(c, span, leaf[2], fields[F_FROM_USER])
    return _measured(kind, leaf, c, span)


cdef int _measured(int kind, int *leaf, Cursor c, Span span) noexcept nogil:
    """Is the length, the number or the count of digits (-1 when something else stands there) between the leaf's bounds?"""
    cdef int64_t value
    cdef uint32_t i
    if kind == K_INTEGER:
        value = decimal(c, span)
    else:
        value = span.end - span.start
        for i in range(span.start, span.end if kind == K_DIGITS else span.start):
            if not is_digit(at(c, i)):
                return NO
    return YES if leaf[2] <= value and (value <= leaf[3] or leaf[3] == NO_UPPER_BOUND) else NO


cdef int _in_order(bint full, int *wanted, int count, Head *h) noexcept nogil:
    cdef int i, previous = -1
    if full:
        if h.line_count != count:
            return NO
        for i in range(count):
            if h.lines[i].number != wanted[i]:
                return NO
        return YES
    for i in range(count):
        if h.first[wanted[i]] <= previous:
            return NO
        previous = h.first[wanted[i]]
    return YES


cdef int _same_text(Cursor c, Span a, int form_a, Span b, int form_b) noexcept nogil:
    cdef uint32_t i = a.start, j = b.start
    cdef int x, y
    if b.start == ABSENT:
        return NO
    while True:
        x, y = take(c, &i, a.end, form_a), take(c, &j, b.end, form_b)
        if (x | 0x20 if 65 <= x <= 90 else x) != (y | 0x20 if 65 <= y <= 90 else y):
            return NO
        if x < 0:
            return YES


cdef inline int _tag_byte(Cursor c, uint32_t i) noexcept nogil:
    """The byte whose lower-case hex stands at `i`, or -1."""
    cdef int high = at(c, i), low = at(c, i + 1)
    if 65 <= high <= 90 or 65 <= low <= 90 or _hex_digit(high) < 0 or _hex_digit(low) < 0:
        return -1
    return _hex_digit(high) * 16 + _hex_digit(low)


cdef int _sipvicious_tag(Cursor c, Span tag, int form, Span user) noexcept nogil:
    """SIPVicious' covert store (threats.md 1.2): hex of data, 0x01, 1 to 11 decimals. Data: target address and port, user, or user:guess."""
    cdef uint32_t size = tag.end - tag.start, i, mark, j
    cdef int byte
    if size % 2 or size < 6:
        return NO
    mark = tag.start
    while mark < tag.end and _tag_byte(c, mark) > 1:
        mark += 2
    if mark >= tag.end or _tag_byte(c, mark) != 1 or mark == tag.start or not 2 <= tag.end - mark - 2 <= 22:
        return NO
    for i in range(mark + 2, tag.end, 2):
        if not is_digit(_tag_byte(c, i)):
            return NO
    if form == TAG_ANY:
        return YES
    if form == TAG_ADDRESS:
        return _address_data(c, tag.start, mark)
    i = tag.start
    if user.start == ABSENT:
        return NO
    j = user.start
    byte = take(c, &j, user.end, FORM_URI)
    while byte >= 0 and i < mark and _tag_byte(c, i) == byte:
        i += 2
        byte = take(c, &j, user.end, FORM_URI)
    if byte >= 0:
        return NO
    return YES if (form == TAG_USER and i == mark) or (form == TAG_GUESS and i < mark and _tag_byte(c, i) == 0x3A) else NO


cdef int _address_data(Cursor c, uint32_t i, uint32_t mark) noexcept nogil:
    """8 hex digits of an IPv4 address, or those of an IPv6 address without its colons (one for ::1), and 4 of a port: 5 to 36 in all."""
    cdef int byte
    if not 10 <= mark - i <= 72:
        return NO
    while i < mark:
        byte = _tag_byte(c, i)
        if not (is_digit(byte) or 97 <= lower(byte) <= 102):
            return NO
        i += 2
    return YES
