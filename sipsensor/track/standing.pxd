"""C types for what is asked of every request. The module is `standing.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.folding cimport pair_key
from sipsensor.fastpath.tables cimport RateTable, Records

cdef int _PROVEN, _TRUSTED


cdef class Standings:
    cdef readonly Records table, known, sources, offices
    cdef readonly RateTable ports
    cdef public int withdrawn

    cpdef bint knows(self, uint64_t account, uint64_t source, int64_t now) noexcept
    cpdef uint64_t known_call(self, uint64_t account, uint64_t source, int64_t now) noexcept
    cpdef bint is_account(self, uint64_t account, int64_t now) noexcept
    cpdef int accounts_at(self, uint64_t source, int64_t now) noexcept
    cpdef int level(self, uint64_t port, int64_t now) noexcept
    @cython.locals(place=int, held=uint64_t)
    cpdef bint trusted_for(self, uint64_t port, uint64_t account, int64_t now) noexcept
    cpdef bint is_provider(self, uint64_t port, int64_t now) noexcept
