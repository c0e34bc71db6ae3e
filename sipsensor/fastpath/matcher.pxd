from libc.stdint cimport uint8_t, uint64_t

from sipsensor.fastpath.automaton cimport Automaton, Findings
from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.sip cimport Head

cdef enum:
    RULES_MAX = 4096
    LEAVES_MAX = 8192

cdef class Matcher:
    cdef readonly int rule_count
    cdef readonly int leaf_count
    cdef readonly int state_count
    cdef int automaton_count
    cdef int steady_count       # so many automata, the first, search steady fields (see `shapes`)
    cdef Automaton *automata
    cdef uint8_t *unseen        # a leaf's value before anything was looked at
    cdef int *leaves
    cdef int *orders            # header numbers of the order leaves
    cdef int *programs          # the rules' trees
    cdef int *program_of        # per rule, its start in `programs`
    cdef uint64_t *line_counts  # per rule, bit n: a message of n header lines (63: or more) may match it
    cdef int *trigger_of        # per leaf, its start in `triggers`; one more entry ends the last
    cdef int *triggers          # the rules that a literal of that leaf may make true
    cdef int *always            # rules that may match without any literal
    cdef int *guards            # per such rule, LEAF_WIDTH numbers: a leaf without which it cannot match, or K_LITERAL for none
    cdef int always_count

    cdef int match(self, Cursor c, Head *h, Findings *findings, uint8_t *found) noexcept nogil
    cdef int match_again(self, Cursor c, Head *h, const int *known, int count, Findings *findings, uint8_t *found) noexcept nogil
    cdef int _match_rest(self, Cursor c, Head *h, Findings *findings, uint8_t *found) noexcept nogil
    cdef int _judge_always(self, Cursor c, Head *h, Findings *findings, uint8_t *found) noexcept nogil
    cdef int _judge(self, int rule, Cursor c, Head *h, Findings *findings, uint8_t *found) noexcept nogil
    cdef int _evaluate(self, int *node, Cursor c, Head *h, Findings *findings) noexcept nogil
    cdef _build_automata(self, leaves)
    cdef _build_rules(self, leaves, rules)
    cdef _build_always(self, leaves, rules, always)
