from libc.stdint cimport int64_t, uint32_t, uint64_t

from sipsensor.fastpath.slots cimport SlotTable

cdef enum:
    LIMITS_MAX = 4
    WORDS_MAX = 16


# Behind the slot: per limit the time at which its bucket will be empty.
cdef class RateTable(SlotTable):
    cdef int limit_count
    cdef int64_t interval[LIMITS_MAX]       # ns that one unit takes to leak
    cdef int64_t depth[LIMITS_MAX]          # ns that a full bucket takes to leak

    cpdef int charge(self, uint64_t key, int64_t now, uint32_t rank=*) noexcept
    cpdef void refund(self, uint64_t key, int64_t now) noexcept
    cpdef double level(self, uint64_t key, int64_t now, int limit=*) except -1


cdef class SeenTable(SlotTable):
    cdef int64_t life

    cpdef uint32_t touch(self, uint64_t key, int64_t now) noexcept
    cpdef uint32_t seen(self, uint64_t key, int64_t now) noexcept
    cpdef void forget(self, uint64_t key) noexcept


# Behind the slot: the time until which it holds, then its numbers.
cdef class Records(SlotTable):
    cdef int width
    cdef uint64_t drafted[WORDS_MAX]        # numbers for the next `put_drafted`
    cdef set changed                        # keys written or forgotten since `changes`; None where nobody asks

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
    cpdef int64_t ends(self, int place) noexcept
    cpdef int keep(self, uint64_t key, int64_t now, int64_t until, uint32_t rank=*) except -2
    cpdef void draft(self, int index, uint64_t number) noexcept
    cpdef bint put_drafted(self, uint64_t key, int64_t now, int64_t until, uint32_t rank=*) except -1
    cpdef void fill_in(self, int place, int index, uint64_t number) noexcept
    cpdef bint put_one(self, uint64_t key, int64_t now, int64_t until, uint64_t number, uint32_t rank=*) except -1
    cpdef void forget(self, uint64_t key) except *
