from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    WAYS = 8
    LIMITS_MAX = 4
    WORDS_MAX = 16
    LINE = 64                   # bytes of a cache line: the keys of one set


cdef struct Slot:
    uint64_t touched
    int64_t since               # first sight; of a record, the time until which it holds as others were told
    uint32_t count
    uint32_t rank


cdef class _Table:
    cdef void *block            # what holds `keys`, from the first whole line on
    cdef uint64_t *keys
    cdef Slot *slots            # beside them
    cdef uint64_t mask          # number of sets - 1
    cdef uint64_t clock
    cdef readonly int fill
    cdef readonly int capacity
    cdef readonly uint64_t evictions
    cdef uint64_t gone          # the key that the last new one took the place of; 0 where there was room

    cdef int _find(self, uint64_t key) noexcept nogil
    cdef int _free(self, uint64_t key, int64_t now) noexcept nogil
    cdef int _room(self, uint64_t key, int64_t now, uint32_t rank) noexcept nogil
    cdef void _touch(self, int slot, uint32_t rank) noexcept nogil


cdef class RateTable(_Table):
    cdef int limit_count
    cdef int64_t interval[LIMITS_MAX]       # ns that one unit takes to leak
    cdef int64_t depth[LIMITS_MAX]          # ns that a full bucket takes to leak
    cdef int64_t *empty                     # per slot and limit: when the bucket will be empty

    cpdef int charge(self, uint64_t key, int64_t now, uint32_t rank=*) noexcept
    cpdef void refund(self, uint64_t key, int64_t now) noexcept
    cpdef double level(self, uint64_t key, int64_t now, int limit=*) except -1


cdef class SeenTable(_Table):
    cdef int64_t life

    cpdef uint32_t touch(self, uint64_t key, int64_t now) noexcept
    cpdef uint32_t seen(self, uint64_t key, int64_t now) noexcept
    cpdef void forget(self, uint64_t key) noexcept


cdef class Records(_Table):
    cdef int width
    cdef uint64_t *words                    # per slot: the time until which it holds, then its numbers
    cdef uint64_t drafted[WORDS_MAX]        # numbers for the next `put_drafted`
    cdef set changed                        # keys written or forgotten since `changes`; None where nobody asks

    cdef uint64_t *_held(self, uint64_t key, int64_t now) noexcept nogil
    cdef int _spent(self, uint64_t key, int64_t now) noexcept nogil
    cdef object _entry(self, int slot)
    cpdef bint holds(self, uint64_t key, int64_t now) noexcept
    cpdef uint64_t first(self, uint64_t key, int64_t now, uint64_t missing=*) noexcept
    cpdef int find(self, uint64_t key, int64_t now) noexcept
    cpdef uint64_t number(self, int place, int index) noexcept
    cdef int _place(self, uint64_t key, int64_t now, int64_t until, uint32_t rank) except -2
    cdef int _note(self, int slot) except -1
    cdef bint _is_new(self, int slot, int64_t now, int64_t until, uint32_t rank, uint64_t *numbers) noexcept nogil
    cdef bint _put(self, uint64_t key, int64_t now, int64_t until, uint32_t rank, uint64_t *numbers) except -1
    cpdef int keep(self, uint64_t key, int64_t now, int64_t until, uint32_t rank=*) except -2
    cpdef void draft(self, int index, uint64_t number) noexcept
    cpdef bint put_drafted(self, uint64_t key, int64_t now, int64_t until, uint32_t rank=*) except -1
    cpdef void fill_in(self, int place, int index, uint64_t number) noexcept
    cpdef bint put_one(self, uint64_t key, int64_t now, int64_t until, uint64_t number, uint32_t rank=*) except -1
    cpdef void forget(self, uint64_t key) except *
