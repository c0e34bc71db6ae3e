# cython: language_level=3, boundscheck=False, wraparound=False
"""Aho-Corasick over the literals of one field, view and case: built in Python, run in C.

Rules. Anchors are symbols of the alphabet: a literal that must start the field begins with BEGIN, one that must end it ends with END; what white
space, quoted pairs and escapes mean is the form's business (`normal.pxd`). Read-only once built, so threads share it. A field that repeats is
searched at each occurrence: which of them a stack reads differs.
"""

from libc.stdint cimport int16_t, int32_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free


from sipsensor.fastpath.cursor cimport ABSENT, Cursor, Span, at, find_any
from sipsensor.fastpath.fields cimport next_repeat, owner_of, read_repeat
from sipsensor.fastpath.names cimport F_COUNT, FIRST_HEADER_FIELD, H_AUTHORIZATION, H_PROXY_AUTHORIZATION
from sipsensor.fastpath.normal cimport FORM_ENDED, FORM_QUOTED, FORM_RAW, FORM_URI, form_of, take
from sipsensor.fastpath.sip cimport Head

import itertools as _itertools

_BEGIN, _END = 256, 257         # symbols beside the 256 bytes
_CLASSES_MAX = 255

cdef enum:
    PLAIN = 1
    IDLE = 2


cdef int *ints(values) except NULL:
    """The values as a C array, which the caller frees."""
    cdef int *array = <int *> calloc(len(values) + 1, sizeof(int))
    cdef Py_ssize_t i
    if array == NULL:
        raise MemoryError
    for i in range(len(values)):
        array[i] = values[i]
    return array


def _symbols(literal, at_start, at_end, cased):
    if not literal:
        raise ValueError("an empty literal matches everything")
    text = literal if cased else literal.lower()
    return ([_BEGIN] if at_start else []) + list(text) + ([_END] if at_end else [])


def _trie(entries):
    """Aho-Corasick: (transitions per state, failure links, leaves reported per state), from (symbols, leaf) pairs."""
    children, reports = [{}], [set()]
    for symbols, leaf in entries:
        state = 0
        for symbol in symbols:
            if symbol not in children[state]:
                children[state][symbol] = len(children)
                children.append({})
                reports.append(set())
            state = children[state][symbol]
        reports[state].add(leaf)
    failure, order = [0] * len(children), list(children[0].values())
    for state in order:
        for symbol, child in children[state].items():
            back = failure[state]
            while back and symbol not in children[back]:
                back = failure[back]
            target = children[back].get(symbol, 0)
            failure[child] = target if target != child else 0
            reports[child] |= reports[failure[child]]
            order.append(child)
    return children, failure, reports


def _step(children, failure, state, symbol):
    while state and symbol not in children[state]:
        state = failure[state]
    return children[state].get(symbol, 0)


cdef int build_automaton(Automaton *automaton, int field, bint raw, bint cased, entries) except -1:
    """Fill the automaton from (literal, at start, at end, output) entries; returns its number of states. Raises ValueError for an empty literal."""
    cdef int byte, i
    pairs = [(_symbols(text, start, end, cased), output) for text, start, end, output in entries]
    children, failure, reports = _trie(pairs)
    used = sorted({symbol for symbols, _ in pairs for symbol in symbols if symbol < 256})
    class_of = {symbol: number for number, symbol in enumerate(used, 3)}       # 0 other bytes, 1 BEGIN, 2 END
    if len(used) + 3 > _CLASSES_MAX:
        raise ValueError("the literals of one field use more than 252 different bytes")
    automaton.field = field
    automaton.form = FORM_RAW if raw else <uint8_t> form_of(field)
    automaton.anchored = all(symbols[0] == _BEGIN for symbols, _ in pairs)
    automaton.classes = <unsigned short> (len(used) + 3)
    automaton.owner = <int16_t> (owner_of(field) if field < FIRST_HEADER_FIELD else -1)
    stops = []
    for byte in range(256):
        folded = byte if cased or not 65 <= byte <= 90 else byte + 32
        automaton.class_of[byte] = <uint8_t> class_of.get(folded, 0)
        # A blank, an escape's percent sign and a quoted pair's backslash may stand for another byte, a zero byte for the end.
        special = byte in b" \t\r\n" or (byte, automaton.form) in ((0x25, FORM_URI), (0x5C, FORM_QUOTED), (0, FORM_ENDED))
        automaton.plain[byte] = 0 if special else PLAIN if folded in children[0] else IDLE
        if byte in b" \t\r\n" and automaton.form != FORM_RAW:
            leaves_root = 0x20 in children[0]
        else:
            leaves_root = special and automaton.form != FORM_RAW or folded in children[0]
        if leaves_root:
            stops.append(byte)
    automaton.few_stops = 0 < len(stops) <= 4
    for i in range(4 if automaton.few_stops else 0):
        automaton.stops[i] = stops[min(i, len(stops) - 1)]
    table = []
    for state in range(len(children)):
        table += [_step(children, failure, state, symbol) for symbol in (-1, _BEGIN, _END, *used)]
    starts = list(_itertools.accumulate((len(report) for report in reports), initial=0))
    automaton.next = <int32_t *> ints(table)
    automaton.out = <int32_t *> ints(starts)
    automaton.outs = <int32_t *> ints([output for report in reports for output in sorted(report)])
    automaton.start = automaton.next[1]
    return <int> len(children)


cdef void free_automaton(Automaton *automaton) noexcept:
    free(automaton.next)
    free(automaton.out)
    free(automaton.outs)


cdef inline void _report(Automaton *a, int32_t state, Findings *found) noexcept nogil:
    cdef int32_t i
    cdef int leaf
    for i in range(a.out[state], a.out[state + 1]):
        leaf = a.outs[i] >> 1
        if found.truth[leaf] == NO:
            found.truth[leaf] = MAYBE if a.outs[i] & 1 else YES
            found.reported[found.count] = leaf
            found.count += 1


cdef void _run(Automaton *a, Cursor c, Span span, Findings *found) noexcept nogil:
    cdef uint32_t i = span.start
    cdef int32_t state = a.start
    cdef int byte
    while i < span.end:
        byte = at(c, i)
        if state == 0:
            if a.anchored:
                return
            if a.few_stops:
                i = find_any(c, i, span.end, a.stops[0], a.stops[1], a.stops[2], a.stops[3])
            else:
                while i < span.end and a.plain[at(c, i)] == IDLE:
                    i += 1
            if i >= span.end:
                break
            byte = at(c, i)
        if a.plain[byte]:
            i += 1
        else:
            byte = take(c, &i, span.end, a.form)
            if byte < 0:
                break
        state = a.next[state * a.classes + a.class_of[byte]]
        if a.out[state] < a.out[state + 1]:
            _report(a, state, found)
    _report(a, a.next[state * a.classes + 2], found)


cdef void run_on_field(Automaton *a, Cursor c, Head *h, Findings *found) noexcept nogil:
    """Search every occurrence of the automaton's field; what is found goes into `found`, whose leaves must be NO before the first run."""
    cdef int number, i
    if a.field >= FIRST_HEADER_FIELD:
        number = a.field - FIRST_HEADER_FIELD
        if h.seen[number] == 1:
            _run(a, c, h.lines[h.first[number]].value, found)
            return
        for i in range(h.line_count if h.seen[number] else 0):
            if h.lines[i].number == number:
                _run(a, c, h.lines[i].value, found)
        return
    if h.fields[a.field].start != ABSENT:
        _run(a, c, h.fields[a.field], found)
    if a.owner >= 0 and h.seen[a.owner] + (h.seen[H_PROXY_AUTHORIZATION] if a.owner == H_AUTHORIZATION else 0) > 1:
        _run_on_repeats(a, a.owner, c, h, found)


cdef void _run_on_repeats(Automaton *a, int owner, Cursor c, Head *h, Findings *found) noexcept nogil:
    cdef Span fields[F_COUNT]
    cdef int i = next_repeat(h, owner, -1)
    while i >= 0:
        read_repeat(c, owner, h.lines[i].value, fields)
        if fields[a.field].start != ABSENT:
            _run(a, c, fields[a.field], found)
        i = next_repeat(h, owner, i)
