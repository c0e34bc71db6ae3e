from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

from sipsensor.fastpath.cursor cimport Cursor, Span
from sipsensor.fastpath.sip cimport Head

cdef enum:
    RULES_MAX = 4096
    LEAVES_MAX = 8192

cdef struct Automaton:
    int field
    uint8_t form
    uint8_t anchored            # no literal may start behind the field's first byte: stop at the first miss
    uint16_t classes
    uint8_t class_of[256]
    int32_t start
    int32_t *next               # state * classes + class
    int32_t *out                # per state, the start in `outs`; one more entry ends the last
    int32_t *outs               # leaf numbers

cdef class Matcher:
    cdef readonly int rule_count
    cdef readonly int leaf_count
    cdef readonly int state_count
    cdef int automaton_count
    cdef Automaton *automata
    cdef object plan
    cdef int *leaves            # per leaf: kind and up to four numbers
    cdef int *orders            # header numbers of the order leaves
    cdef int *programs          # postfix trees
    cdef int *program_of        # per rule, its start in `programs`; one more entry ends the last
    cdef int *trigger_of        # per leaf, its start in `triggers`
    cdef int *triggers          # the rules that a literal of that leaf may make true
    cdef int *always            # rules that may match without any literal
    cdef int always_count

    cdef int match(self, Cursor c, Head *h, uint8_t *truth, uint8_t *found) noexcept nogil
    cdef int _judge(self, int rule, Cursor c, Head *h, uint8_t *truth, uint8_t *found) noexcept nogil
    cdef int _evaluate(self, int rule, Cursor c, Head *h, uint8_t *truth) noexcept nogil
    cdef _build_leaves(self, leaves)
    cdef _build_automata(self, leaves)
    cdef _build_automaton(self, Automaton *automaton, int field, int view, bint cased, entries)
    cdef _build_rules(self, leaves, rules)

cdef int owner_of(int field) noexcept nogil
cdef void read_repeat(Cursor c, int owner, Span value, Span *fields) noexcept nogil
