# cython: language_level=3, boundscheck=False, wraparound=False
"""Signatures in C: one automaton per field, view and case over all literals, then the rules' trees over what was found.

Rules. Built once in Python, read-only afterwards, so threads share it; what a packet needs is in the caller's `findings` and `found` (a byte per
rule). A rule that needs a literal is looked at only when one of its literals was found; the few others always. Of these, what the count of header
lines or a tag leaf rules out is passed over. Leaves and trees are three-valued: a regex whose literal was found is MAYBE, and the caller confirms
the rule. A tree stops at the first child that decides it.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from sipsensor.fastpath.automaton cimport MAYBE, NO, UNKNOWN, YES, Automaton, Findings, build_automaton, free_automaton, ints, run_on_field
from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.leaves cimport K_LITERAL, K_REGEX, K_TAG, LEAF_WIDTH, TAG_ANY, evaluate_leaf
from sipsensor.fastpath.names cimport F_METHOD
from sipsensor.fastpath.shapes cimport is_steady
from sipsensor.fastpath.sip cimport Head

import functools
import itertools
import operator

from sipsensor.fastpath.leaves import flatten_leaves

VIEW_NORM = 0
VIEW_RAW = 1

cdef enum:
    # A node of a tree is a leaf's number, or one of these, the node's size in numbers, and its children.
    OP_NOT = -1
    OP_ALL = -2
    OP_ANY = -3
    DEPTH_MAX = 32


cdef class Matcher:
    """Immutable once built. Raises ValueError for an unknown leaf kind, field or an empty literal."""

    def __cinit__(self, leaves=(), rules=()):
        cdef int i
        if len(leaves) > LEAVES_MAX or len(rules) > RULES_MAX:
            raise ValueError(f"more than {RULES_MAX} rules or {LEAVES_MAX} leaves")
        self.leaf_count, self.rule_count = <int> len(leaves), <int> len(rules)
        flat, orders = flatten_leaves(leaves)
        self.leaves, self.orders = ints(flat), ints(orders)
        self.unseen = <uint8_t *> calloc(self.leaf_count + 1, 1)
        if self.unseen == NULL:
            raise MemoryError
        for i in range(self.leaf_count):
            self.unseen[i] = NO if self.leaves[i * LEAF_WIDTH] <= K_REGEX else UNKNOWN
        self._build_automata(leaves)
        self._build_rules(leaves, rules)

    def __dealloc__(self):
        cdef int i
        for i in range(self.automaton_count):
            free_automaton(&self.automata[i])
        free(self.automata)
        free(self.unseen)
        free(self.leaves)
        free(self.orders)
        free(self.programs)
        free(self.program_of)
        free(self.trigger_of)
        free(self.triggers)
        free(self.always)
        free(self.line_counts)
        free(self.guards)

    cdef _build_automata(self, leaves):
        groups = {}
        for number, leaf in enumerate(leaves):
            if leaf[0] == "literal":
                group = groups.setdefault((leaf[1], leaf[2], bool(leaf[3])), [])
                group += [(text, start, end, number * 2) for text, start, end in leaf[4]]
            elif leaf[0] == "regex":
                group = groups.setdefault((leaf[1], leaf[2], bool(leaf[3])), [])
                group += [(text, False, False, number * 2 + 1) for text in leaf[4]]
        self.automata = <Automaton *> calloc(len(groups) + 1, sizeof(Automaton))
        if self.automata == NULL:
            raise MemoryError
        for (field, view, cased), entries in sorted(groups.items(), key=_steady_first):
            self.automaton_count += 1
            self.steady_count += is_steady(field)
            self.state_count += build_automaton(&self.automata[self.automaton_count - 1], field, view == VIEW_RAW, cased, entries)

    cdef _build_rules(self, leaves, rules):
        programs, starts, always = [], [], []
        triggers = [[] for _ in leaves]
        for number, tree in enumerate(rules):
            starts.append(len(programs))
            used = set()
            programs += _flatten(tree, len(leaves), used, DEPTH_MAX)
            literals = {leaf for leaf in used if leaves[leaf][0] in ("literal", "regex")}
            if _possible(tree, literals):
                always.append(number)
            for leaf in _needed_literals(tree, leaves) or literals:
                triggers[leaf].append(number)
        self.programs, self.program_of = ints(programs), ints(starts)
        self._build_always(leaves, rules, always)
        self.line_counts = <uint64_t *> calloc(self.rule_count + 1, sizeof(uint64_t))
        if self.line_counts == NULL:
            raise MemoryError
        for number, tree in enumerate(rules):
            self.line_counts[number] = _line_counts(tree, leaves)
        self.trigger_of = ints(list(itertools.accumulate((len(part) for part in triggers), initial=0)))
        self.triggers = ints([rule for part in triggers for rule in part])

    cdef _build_always(self, leaves, rules, always):
        self.always, self.always_count = ints(always), <int> len(always)
        tags = [_needed_tag(rules[rule], leaves) for rule in always]
        self.guards = ints([number for field in tags for number in ((K_TAG, field, TAG_ANY, 0, 0) if field else (K_LITERAL, 0, 0, 0, 0))])

    cdef int match(self, Cursor c, Head *h, Findings *findings, uint8_t *found) noexcept nogil:
        """Set found[rule] to YES or MAYBE where it matches; returns how many did. `found` may hold an earlier scan's answers."""
        cdef int i
        memcpy(findings.truth, self.unseen, self.leaf_count)
        findings.count = 0
        for i in range(self.steady_count):
            run_on_field(&self.automata[i], c, h, findings)
        findings.steady = findings.count
        return self._match_rest(c, h, findings, found)

    cdef int match_again(self, Cursor c, Head *h, const int *known, int count, Findings *findings, uint8_t *found) noexcept nogil:
        """The same of a message whose steady fields hold what is known of another one: `count` leaves, each with its value in two bits."""
        cdef int i
        memcpy(findings.truth, self.unseen, self.leaf_count)
        for i in range(count):
            findings.reported[i] = known[i] >> 2
            findings.truth[known[i] >> 2] = known[i] & 3
        findings.count = findings.steady = count
        return self._match_rest(c, h, findings, found)

    cdef int _match_rest(self, Cursor c, Head *h, Findings *findings, uint8_t *found) noexcept nogil:
        cdef int i, j, total = 0
        for i in range(self.steady_count, self.automaton_count):
            run_on_field(&self.automata[i], c, h, findings)
        for i in range(findings.count):
            for j in range(self.trigger_of[findings.reported[i]], self.trigger_of[findings.reported[i] + 1]):
                total += self._judge(self.triggers[j], c, h, findings, found)
        return total + self._judge_always(c, h, findings, found)

    cdef int _judge_always(self, Cursor c, Head *h, Findings *findings, uint8_t *found) noexcept nogil:
        cdef int i, total = 0, tag_field = 0, tag = NO
        cdef int *guard
        for i in range(self.always_count):
            guard = self.guards + i * LEAF_WIDTH
            if guard[0] == K_TAG:
                if guard[1] != tag_field:
                    tag_field, tag = guard[1], evaluate_leaf(guard, self.orders, c, h)
                if tag == NO:
                    continue
            total += self._judge(self.always[i], c, h, findings, found)
        return total

    cdef int _judge(self, int rule, Cursor c, Head *h, Findings *findings, uint8_t *found) noexcept nogil:
        cdef int value
        if found[rule] == YES or not self.line_counts[rule] >> (h.line_count if h.line_count < 63 else 63) & 1:
            return 0
        value = self._evaluate(self.programs + self.program_of[rule], c, h, findings)
        if value == NO or value == found[rule]:
            return 0
        found[rule] = <uint8_t> value
        return 1

    cdef int _evaluate(self, int *node, Cursor c, Head *h, Findings *findings) noexcept nogil:
        cdef int op = node[0], i = 2, value, child
        if op >= 0:
            if findings.truth[op] == UNKNOWN:
                findings.truth[op] = <uint8_t> evaluate_leaf(self.leaves + op * LEAF_WIDTH, self.orders, c, h)
            return findings.truth[op]
        if op == OP_NOT:
            value = self._evaluate(node + 2, c, h, findings)
            return YES if value == NO else NO if value == YES else MAYBE
        value = YES if op == OP_ALL else NO
        while i < node[1]:
            child = self._evaluate(node + i, c, h, findings)
            if child == (NO if op == OP_ALL else YES):
                return child
            if child == MAYBE:
                value = MAYBE
            i += 1 if node[i] >= 0 else node[i + 1]
        return value


def _steady_first(group):
    return not is_steady(group[0][0]), group[0]


def _flatten(tree, leaf_count, used, depth):
    """The tree's nodes as numbers, children behind their parent; its leaves go into ``used``."""
    if depth == 0:
        raise ValueError("a rule's tree is too deep")
    if isinstance(tree, int):
        if not 0 <= tree < leaf_count:
            raise ValueError(f"no leaf has the number {tree}")
        used.add(tree)
        return [tree]
    if tree[0] == "not":
        children, op = _flatten(tree[1], leaf_count, used, depth - 1), OP_NOT
    elif tree[0] in ("all", "any") and tree[1]:
        children = [number for child in tree[1] for number in _flatten(child, leaf_count, used, depth - 1)]
        op = OP_ALL if tree[0] == "all" else OP_ANY
    else:
        raise ValueError(f"a tree is all, any or not over something, not {tree[0]!r}")
    return [op, len(children) + 2, *children]


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


def _needed_literals(tree, leaves):
    """Leaves with literals of which the tree needs at least one, those that traffic holds least often; empty where there is no such choice."""
    if isinstance(tree, int):
        return {tree} if leaves[tree][0] in ("literal", "regex") else set()
    if tree[0] == "not":
        return set()
    choices = [_needed_literals(child, leaves) for child in tree[1]]
    if tree[0] == "all":
        return max(filter(None, choices), key=lambda choice: min(_rarity(leaves[leaf]) for leaf in choice), default=set())
    return set().union(*choices) if all(choices) else set()


def _rarity(leaf):
    """The shortest literal's length, but every request has one of few methods."""
    if leaf[1] == F_METHOD:
        return 0
    return min(len(entry[0] if leaf[0] == "literal" else entry) for entry in leaf[4])


_ANY_COUNT = 2**64 - 1


def _line_counts(tree, leaves):
    """Bit n: the tree may be true of a message with n header lines (63: or more)."""
    if isinstance(tree, int):
        if leaves[tree][0] == "order" and leaves[tree][1]:
            return operator.lshift(1, min(len(leaves[tree][2]), 63))     # Python's: C's `1 <<` has too few bits
        return _ANY_COUNT
    if tree[0] == "not":
        return _ANY_COUNT
    parts = [_line_counts(child, leaves) for child in tree[1]]
    return functools.reduce(operator.and_ if tree[0] == "all" else operator.or_, parts)


def _needed_tag(tree, leaves):
    """The field in which the tree needs a SIPVicious tag, or 0."""
    if isinstance(tree, int):
        return leaves[tree][1] if leaves[tree][0] == "tag" else 0
    if tree[0] == "not":
        return 0
    fields = [_needed_tag(child, leaves) for child in tree[1]]
    if tree[0] == "all":
        return next(filter(None, fields), 0)
    return fields[0] if len(set(fields)) == 1 else 0
