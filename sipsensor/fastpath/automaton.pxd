from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t, uint32_t

from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.sip cimport Head

# What a leaf may be worth. A regex whose literal was found is MAYBE: the caller confirms.
cdef enum:
    NO, YES, MAYBE, UNKNOWN

cdef struct Automaton:
    int field
    uint8_t form
    uint8_t anchored            # no literal may start behind the field's first byte: stop at the first miss
    uint8_t few_stops           # `stops` are all bytes that may leave the first state (repeated where there are less than four)
    uint8_t stops[4]
    int16_t owner               # the header whose repetition repeats the field, or -1
    uint16_t classes
    uint8_t class_of[256]
    uint8_t plain[256]          # PLAIN: stands for itself; IDLE: and leaves the first state where it is; 0: the form decides
    int32_t start
    int32_t *next               # state * classes + class
    int32_t *out                # per state, the start in `outs`; one more entry ends the last
    int32_t *outs               # leaf * 2, plus 1 where finding the literal is only MAYBE

# What the automata found in one message: a value per leaf, and the leaves that are not NO.
cdef struct Findings:
    uint8_t *truth
    int *reported
    int count
    int steady                  # so many of them were found in steady fields (see `shapes`)

cdef int *ints(values) except NULL
cdef int build_automaton(Automaton *automaton, int field, bint raw, bint cased, entries) except -1
cdef void free_automaton(Automaton *automaton) noexcept
cdef void run_on_field(Automaton *a, Cursor c, Head *h, Findings *found) noexcept nogil
