from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    WAYS = 8
    LINE = 64                   # bytes of a cache line: the keys of one set


cdef struct Slot:
    uint64_t touched
    int64_t since               # first sight; of a record, the time until which it holds as others were told
    uint32_t count
    uint32_t rank


cdef class SlotTable:
    cdef void *block            # what holds `keys`, from the first whole line on
    cdef uint64_t *keys
    cdef void *rows_block       # what holds `rows`, aligned likewise
    cdef void *rows             # beside them: a slot each, with the numbers of the table behind it
    cdef size_t stride
    cdef uint64_t mask          # number of sets - 1
    cdef uint64_t clock
    cdef readonly int fill
    cdef readonly int capacity
    cdef readonly uint64_t evictions
    cdef uint64_t gone          # the key that the last new one took the place of; 0 where there was room

    cdef int _lay_out(self, int words) except -1
    cdef int _find(self, uint64_t key) noexcept nogil
    cdef int _free(self, uint64_t key, int64_t now) noexcept nogil
    cdef int _room(self, uint64_t key, int64_t now, uint32_t rank) noexcept nogil
    cdef void _touch(self, int slot, uint32_t rank) noexcept nogil

    cdef inline Slot *_slot(self, int slot) noexcept nogil:
        return <Slot *> (<char *> self.rows + <size_t> slot * self.stride)

    cdef inline uint64_t *_numbers(self, int slot) noexcept nogil:
        """What stands behind the slot."""
        return <uint64_t *> (self._slot(slot) + 1)
