# cython: language_level=3, boundscheck=False, wraparound=False
"""Signatures in C: one Aho-Corasick automaton per field, view and case over all literals, then the rules' trees over what was found.

Rules. Built once in Python, read-only afterwards, so threads share it; what a packet needs is in the caller's `truth` (a byte per leaf) and
`found` (a byte per rule). A rule that needs a literal is looked at only when one of its literals was found; the few others always. Leaf values
are three-valued: a regex whose literal was found is MAYBE, and the caller confirms the rule. Anchors are symbols of the alphabet: a literal
that must start the field begins with BEGIN, one that must end it ends with END.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from sipsensor.fastpath.cursor cimport ABSENT, Cursor, Span, at, decimal, is_digit, lower
from sipsensor.fastpath.fields cimport read_name_addr, read_via
from sipsensor.fastpath.names cimport (
    F_CONTACT_DISPLAY, F_CONTACT_TAG, F_COUNT, F_FROM_DISPLAY, F_FROM_TAG, F_FROM_USER, F_TO_DISPLAY, F_TO_TAG, F_VIA_MADDR, F_VIA_TRANSPORT,
    FIRST_HEADER_FIELD, H_CONTACT, H_FROM, H_TO, H_VIA, HEADERS_MAX,
)
from sipsensor.fastpath.normal cimport FORM_RAW, FORM_TEXT, FORM_URI, _hex_digit, form_of, take
from sipsensor.fastpath.sip cimport Head

import itertools

from sipsensor.fastpath.names import ANOMALIES, HEADERS

VIEW_NORM = 0
VIEW_RAW = 1

cdef enum:
    NO, YES, MAYBE, UNKNOWN

cdef enum:
    K_LITERAL, K_REGEX, K_PRESENT, K_LENGTH, K_COUNT, K_INTEGER, K_ORDER, K_SAME, K_TAG, K_ANOMALY, K_DIGITS

cdef enum:
    LEAF_WIDTH = 5
    OP_NOT = -1                 # then -(2 * n) is "all of n", -(2 * n + 1) is "any of n", n >= 1
    STACK_MAX = 64
    NO_UPPER_BOUND = 0x7FFFFFFF

_KINDS = {name: number for number, name in enumerate("literal regex present length count integer order same tag anomaly digits".split())}
_BEGIN, _END = 256, 257         # symbols beside the 256 bytes


cdef int _known_field(field) except -1:
    number = int(field)
    if not (0 < number < F_COUNT or FIRST_HEADER_FIELD <= number < FIRST_HEADER_FIELD + len(HEADERS)):
        raise ValueError(f"no field has the number {field}")
    return number


cdef int *_ints(values) except NULL:
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


cdef class Matcher:
    """Immutable once built. Raises ValueError for an unknown leaf kind, field or an empty literal."""

    def __cinit__(self, leaves=(), rules=()):
        if len(leaves) > LEAVES_MAX or len(rules) > RULES_MAX:
            raise ValueError(f"more than {RULES_MAX} rules or {LEAVES_MAX} leaves")
        self.leaf_count, self.rule_count = <int> len(leaves), <int> len(rules)
        self.plan = (tuple(leaves), tuple(rules))
        self._build_leaves(leaves)
        self._build_automata(leaves)
        self._build_rules(leaves, rules)

    def __dealloc__(self):
        cdef int i
        for i in range(self.automaton_count):
            free(self.automata[i].next)
            free(self.automata[i].out)
            free(self.automata[i].outs)
        free(self.automata)
        free(self.leaves)
        free(self.orders)
        free(self.programs)
        free(self.program_of)
        free(self.trigger_of)
        free(self.triggers)
        free(self.always)

    cdef _build_leaves(self, leaves):
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
                orders.extend(leaf[2])
            elif kind == K_SAME:
                parts[:2] = [_known_field(leaf[1]), _known_field(leaf[2])]
            elif kind == K_TAG:
                parts[:2] = [_known_field(leaf[1]), leaf[2]]
            elif not 0 <= leaf[1] < len(ANOMALIES):
                raise ValueError(f"no anomaly has the bit {leaf[1]}")
            else:
                parts[0] = leaf[1]
            flat += [kind, *parts]
        self.leaves = _ints(flat)
        self.orders = _ints(orders)

    cdef _build_automata(self, leaves):
        groups = {}
        for number, leaf in enumerate(leaves):
            if leaf[0] == "literal":
                group = groups.setdefault((leaf[1], leaf[2], bool(leaf[3])), [])
                group += [(_symbols(text, start, end, leaf[3]), number) for text, start, end in leaf[4]]
            elif leaf[0] == "regex":
                group = groups.setdefault((leaf[1], leaf[2], bool(leaf[3])), [])
                group += [(_symbols(text, False, False, leaf[3]), number) for text in leaf[4]]
        self.automata = <Automaton *> calloc(len(groups) + 1, sizeof(Automaton))
        if self.automata == NULL:
            raise MemoryError
        for (field, view, cased), entries in sorted(groups.items()):
            self._build_automaton(&self.automata[self.automaton_count], field, view, cased, entries)
            self.automaton_count += 1

    cdef _build_automaton(self, Automaton *automaton, int field, int view, bint cased, entries):
        cdef int byte, symbol
        children, failure, reports = _trie(entries)
        used = sorted({symbol for symbols, _ in entries for symbol in symbols if symbol < 256})
        class_of = {symbol: number for number, symbol in enumerate(used, 3)}       # 0 other bytes, 1 BEGIN, 2 END
        automaton.field = field
        automaton.form = FORM_RAW if view == VIEW_RAW else <uint8_t> form_of(field)
        automaton.anchored = all(symbols[0] == _BEGIN for symbols, _ in entries)
        automaton.classes = <unsigned short> (len(used) + 3)
        for byte in range(256):
            folded = byte if cased or not 65 <= byte <= 90 else byte + 32
            automaton.class_of[byte] = <uint8_t> class_of.get(folded, 0)
        if len(used) + 3 > 255:
            raise ValueError("the literals of one field use more than 252 different bytes")
        table = []
        for state in range(len(children)):
            table.append(_step(children, failure, state, -1))
            table.append(_step(children, failure, state, _BEGIN))
            table.append(_step(children, failure, state, _END))
            table += [_step(children, failure, state, symbol) for symbol in used]
        starts = list(itertools.accumulate((len(report) for report in reports), initial=0))
        automaton.next = <int32_t *> _ints(table)
        automaton.out = <int32_t *> _ints(starts)
        automaton.outs = <int32_t *> _ints([leaf for report in reports for leaf in sorted(report)])
        automaton.start = automaton.next[1]
        self.state_count += <int> len(children)

    cdef _build_rules(self, leaves, rules):
        programs, starts, always = [], [0], []
        triggers = [[] for _ in leaves]
        for number, tree in enumerate(rules):
            program = []
            if _flatten(tree, program, len(leaves)) > STACK_MAX:
                raise ValueError("a rule's tree is too wide")
            programs += program
            starts.append(len(programs))
            literals = {op for op in program if op >= 0 and leaves[op][0] in ("literal", "regex")}
            if _possible(tree, literals):
                always.append(number)
            for leaf in literals:
                triggers[leaf].append(number)
        self.programs, self.program_of = _ints(programs), _ints(starts)
        self.always, self.always_count = _ints(always), <int> len(always)
        self.trigger_of = _ints(list(itertools.accumulate((len(part) for part in triggers), initial=0)))
        self.triggers = _ints([rule for part in triggers for rule in part])

    cdef int match(self, Cursor c, Head *h, uint8_t *truth, uint8_t *found) noexcept nogil:
        """Set found[rule] to YES or MAYBE where it matches; returns how many did. `found` may hold an earlier scan's answers."""
        cdef int i, j, rule, total = 0
        cdef int value
        cdef bint any_literal = False
        memset(truth, UNKNOWN, self.leaf_count)
        for i in range(self.leaf_count):
            if self.leaves[i * LEAF_WIDTH] <= K_REGEX:
                truth[i] = NO
        for i in range(self.automaton_count):
            if _run_on_field(&self.automata[i], c, h, self.leaves, truth):
                any_literal = True
        if any_literal:
            for i in range(self.leaf_count):
                if self.leaves[i * LEAF_WIDTH] > K_REGEX or truth[i] == NO:
                    continue
                for j in range(self.trigger_of[i], self.trigger_of[i + 1]):
                    total += self._judge(self.triggers[j], c, h, truth, found)
        for i in range(self.always_count):
            total += self._judge(self.always[i], c, h, truth, found)
        return total

    cdef int _judge(self, int rule, Cursor c, Head *h, uint8_t *truth, uint8_t *found) noexcept nogil:
        cdef int value
        if found[rule] == YES:
            return 0
        value = self._evaluate(rule, c, h, truth)
        if value == NO or value <= found[rule]:
            return 0
        found[rule] = <uint8_t> value if found[rule] == NO or value == YES else found[rule]
        return 1

    cdef int _evaluate(self, int rule, Cursor c, Head *h, uint8_t *truth) noexcept nogil:
        cdef int stack[STACK_MAX]
        cdef int depth = 0, op, i, n, value, k
        for i in range(self.program_of[rule], self.program_of[rule + 1]):
            op = self.programs[i]
            if op >= 0:
                if truth[op] == UNKNOWN:
                    truth[op] = <uint8_t> _leaf(self.leaves + op * LEAF_WIDTH, self.orders, c, h)
                stack[depth] = truth[op]
                depth += 1
            elif op == OP_NOT:
                value = stack[depth - 1]
                stack[depth - 1] = YES if value == NO else NO if value == YES else MAYBE
            else:
                n = -op // 2
                value = NO if op & 1 else YES
                for k in range(depth - n, depth):
                    value = _any(value, stack[k]) if op & 1 else _all(value, stack[k])
                depth -= n
                stack[depth] = value
                depth += 1
        return stack[0] if depth == 1 else NO


cdef inline int _all(int a, int b) noexcept nogil:
    return NO if a == NO or b == NO else YES if a == YES and b == YES else MAYBE


cdef inline int _any(int a, int b) noexcept nogil:
    return YES if a == YES or b == YES else NO if a == NO and b == NO else MAYBE


def _flatten(tree, program, leaf_count):
    """Append the tree in postfix; returns how deep the stack gets."""
    if isinstance(tree, int):
        if not 0 <= tree < leaf_count:
            raise ValueError(f"no leaf has the number {tree}")
        program.append(tree)
        return 1
    if tree[0] == "not":
        depth = _flatten(tree[1], program, leaf_count)
        program.append(OP_NOT)
        return depth
    if tree[0] not in ("all", "any") or not tree[1]:
        raise ValueError(f"a tree is all, any or not over something, not {tree[0]!r}")
    depth = max(index + _flatten(child, program, leaf_count) for index, child in enumerate(tree[1]))
    program.append(-2 * len(tree[1]) - (tree[0] == "any"))
    return depth


def _possible(tree, absent):
    """Could the tree be true with these leaves false and all others free?"""
    return _outcomes(tree, absent)[1]


def _outcomes(tree, absent):
    """(may be false, may be true)."""
    if isinstance(tree, int):
        return (True, tree not in absent)
    if tree[0] == "not":
        false, true = _outcomes(tree[1], absent)
        return (true, false)
    parts = [_outcomes(child, absent) for child in tree[1]]
    if tree[0] == "all":
        return (any(false for false, _ in parts), all(true for _, true in parts))
    return (all(false for false, _ in parts), any(true for _, true in parts))


# --- running ---------------------------------------------------------------------------------------------------------------------------


cdef inline bint _report(Automaton *a, int32_t state, int *leaves, uint8_t *truth) noexcept nogil:
    cdef int32_t i
    for i in range(a.out[state], a.out[state + 1]):
        truth[a.outs[i]] = YES if leaves[a.outs[i] * LEAF_WIDTH] == K_LITERAL else MAYBE
    return a.out[state] < a.out[state + 1]


cdef bint _run(Automaton *a, Cursor c, Span span, int *leaves, uint8_t *truth) noexcept nogil:
    cdef uint32_t i = span.start
    cdef int32_t state = a.start
    cdef int byte
    cdef bint hit = False
    while True:
        byte = take(c, &i, span.end, a.form)
        if byte < 0:
            break
        state = a.next[state * a.classes + a.class_of[byte]]
        if a.out[state] < a.out[state + 1]:
            hit = _report(a, state, leaves, truth) or hit
        if state == 0 and a.anchored:
            return hit
    state = a.next[state * a.classes + 2]
    return _report(a, state, leaves, truth) or hit


cdef int owner_of(int field) noexcept nogil:
    """The header whose repetition repeats a derived field, or -1."""
    if F_FROM_DISPLAY <= field <= F_FROM_TAG:
        return H_FROM
    if F_TO_DISPLAY <= field <= F_TO_TAG:
        return H_TO
    if F_CONTACT_DISPLAY <= field <= F_CONTACT_TAG:
        return H_CONTACT
    if F_VIA_TRANSPORT <= field <= F_VIA_MADDR:
        return H_VIA
    return -1


cdef bint _run_on_field(Automaton *a, Cursor c, Head *h, int *leaves, uint8_t *truth) noexcept nogil:
    cdef int number, i, owner
    cdef bint hit = False
    if a.field >= FIRST_HEADER_FIELD:
        number = a.field - FIRST_HEADER_FIELD
        if h.seen[number] == 1:
            return _run(a, c, h.lines[h.first[number]].value, leaves, truth)
        for i in range(h.line_count if h.seen[number] else 0):
            if h.lines[i].number == number:
                hit = _run(a, c, h.lines[i].value, leaves, truth) or hit
        return hit
    if h.fields[a.field].start != ABSENT:
        hit = _run(a, c, h.fields[a.field], leaves, truth)
    owner = owner_of(a.field)
    if owner >= 0 and h.seen[owner] > 1:
        hit = _run_on_repeats(a, owner, c, h, leaves, truth) or hit
    return hit


cdef void read_repeat(Cursor c, int owner, Span value, Span *fields) noexcept nogil:
    """Fill the fields derived from header `owner` with those of another of its lines."""
    if owner == H_VIA:
        memset(&fields[F_VIA_TRANSPORT], 0xFF, (F_VIA_MADDR - F_VIA_TRANSPORT + 1) * sizeof(Span))
        read_via(c, value, fields)
        return
    cdef int first = F_FROM_DISPLAY if owner == H_FROM else F_TO_DISPLAY if owner == H_TO else F_CONTACT_DISPLAY
    memset(&fields[first], 0xFF, (F_FROM_TAG - F_FROM_DISPLAY + 1) * sizeof(Span))
    read_name_addr(c, value, &fields[first])


cdef bint _run_on_repeats(Automaton *a, int owner, Cursor c, Head *h, int *leaves, uint8_t *truth) noexcept nogil:
    """A second From (or To, Contact, Via): which of them a stack reads differs, so all count."""
    cdef Span fields[F_COUNT]
    cdef int i
    cdef bint hit = False
    for i in range(h.first[owner] + 1, h.line_count):
        if h.lines[i].number == owner:
            read_repeat(c, owner, h.lines[i].value, fields)
            if fields[a.field].start != ABSENT:
                hit = _run(a, c, fields[a.field], leaves, truth) or hit
    return hit


# --- leaves without literals -------------------------------------------------------------------------------------------------------------


cdef Span _span_of(Head *h, int field) noexcept nogil:
    cdef Span none
    none.start = none.end = ABSENT
    if field < FIRST_HEADER_FIELD:
        return h.fields[field]
    return h.lines[h.first[field - FIRST_HEADER_FIELD]].value if h.first[field - FIRST_HEADER_FIELD] >= 0 else none


cdef int _leaf(int *leaf, int *orders, Cursor c, Head *h) noexcept nogil:
    cdef int kind = leaf[0], field = leaf[1], i
    cdef int64_t value
    if kind == K_ANOMALY:
        return YES if h.anomalies >> field & 1 else NO
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
    if owner < 0 or h.seen[owner] < 2:
        return NO
    memcpy(fields, h.fields, sizeof(fields))
    for i in range(h.first[owner] + 1, h.line_count):
        if h.lines[i].number == owner:
            read_repeat(c, owner, h.lines[i].value, fields)
            if _on_span(leaf, c, fields[leaf[1]], h, fields) == YES:
                return YES
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
    if form == 0:
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
    return YES if (form == 1 and i == mark) or (form == 2 and i < mark and _tag_byte(c, i) == 0x3A) else NO


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
