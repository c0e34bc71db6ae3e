# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Where the bounded tables keep what they hold: set-associative, keyed by 64-bit keyed hashes.

Rules. All memory is taken at construction. A look-up reads the eight keys of one set, one line of the cache, whatever the table holds, and then
one row: a slot, and the table's numbers right behind it. When the set is full, the slot of the lowest rank goes, and of these the one longest
untouched (by a counter, because time stamps may be equal): a flood of strangers cannot push out what outranks it. A key of 0 is no key: it is
never stored.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset


cdef class SlotTable:
    """The set-associative part: find a key's slot, or make room for it."""

    def __cinit__(self, int capacity, *args, **options):
        cdef uint64_t sets = 1
        if not WAYS <= capacity <= 1 << 26:
            raise ValueError(f"a table holds {WAYS} to {1 << 26} entries, not {capacity}")
        while sets * WAYS < <uint64_t> capacity:
            sets *= 2
        self.mask = sets - 1
        self.capacity = <int> (sets * WAYS)
        self.block = calloc(self.capacity * sizeof(uint64_t) + LINE, 1)
        if self.block == NULL:
            raise MemoryError
        self.keys = <uint64_t *> ((<size_t> self.block + LINE - 1) & ~<size_t> (LINE - 1))

    def __dealloc__(self):
        free(self.rows_block)
        free(self.block)

    cdef int _lay_out(self, int words) except -1:
        """Room for all rows, each a slot and so many numbers: whatever is looked up stands in one place."""
        cdef size_t size = sizeof(Slot) + words * sizeof(uint64_t)
        self.stride = LINE // 2 if size <= LINE // 2 else (size + LINE - 1) & ~<size_t> (LINE - 1)
        self.rows_block = calloc(self.capacity * self.stride + LINE, 1)
        if self.rows_block == NULL:
            raise MemoryError
        self.rows = <void *> ((<size_t> self.rows_block + LINE - 1) & ~<size_t> (LINE - 1))
        return 0

    cdef int _find(self, uint64_t key) noexcept nogil:
        """The index of the key's slot, or -1."""
        cdef int base = <int> ((key & self.mask) * WAYS), i
        if self.fill == 0:
            return -1
        for i in range(base, base + WAYS):
            if self.keys[i] == key:
                return i
        return -1

    cdef int _free(self, uint64_t key, int64_t now) noexcept nogil:
        """A free slot of the key's set, taken for it; -1 when there is none."""
        cdef int base = <int> ((key & self.mask) * WAYS), i
        for i in range(base, base + WAYS):
            if self.keys[i] == 0:
                self.fill += 1
                self.keys[i], self._slot(i).since, self._slot(i).count = key, now, 0
                return i
        return -1

    cdef int _room(self, uint64_t key, int64_t now, uint32_t rank) noexcept nogil:
        """A slot for a new key: a free one, else the least of those that do not outrank it; -1 when all do."""
        cdef int base = <int> ((key & self.mask) * WAYS), i, least = self._free(key, now)
        self.gone = 0
        if least >= 0:
            return least
        for i in range(base, base + WAYS):
            if self._slot(i).rank > rank:
                continue
            if least < 0 or self._slot(i).rank < self._slot(least).rank or (
                self._slot(i).rank == self._slot(least).rank and self._slot(i).touched < self._slot(least).touched
            ):
                least = i
        if least < 0:
            return -1
        self.evictions += 1
        self.gone = self.keys[least]
        self.keys[least], self._slot(least).since, self._slot(least).count = key, now, 0
        return least

    cdef void _touch(self, int slot, uint32_t rank) noexcept nogil:
        self.clock += 1
        self._slot(slot).touched = self.clock
        self._slot(slot).rank = rank

    def clear(self):
        """Forget everything."""
        memset(self.rows, 0, self.capacity * self.stride)
        memset(self.keys, 0, self.capacity * sizeof(uint64_t))
        self.fill = 0
