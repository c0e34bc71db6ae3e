"""C types for what is asked of every request. The module is `standing.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.folding cimport pair_key
from sipsensor.fastpath.tables cimport RateTable, Records
from sipsensor.model cimport Observation
from sipsensor.track.ends cimport End

cdef int _PROVEN, _TRUSTED, _SOURCES_MOST
cdef int64_t _PROVEN_LIFE, _KNOWN_LIFE, _FRESH


@cython.final
cdef class Held:
    cdef public int standing, port, behind
    cdef public uint64_t account, name, high, low


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
    @cython.locals(ts=int64_t, account=uint64_t, trusted=bint)
    cpdef recognize(self, Observation observation, End end)
    cpdef prove(self, uint64_t port, Held held, int64_t now)
    @cython.locals(weeks=int64_t)
    cpdef bint accept(self, uint64_t port, uint64_t source, Held held, uint64_t call, int64_t now, int64_t until) except -1
    cpdef bint trusts(self, uint64_t port, uint64_t account, int64_t now) noexcept
    cpdef bint trust(self, uint64_t port, Held held, int64_t now, int64_t until) except -1
    @cython.locals(table=Records)
    cdef bint _put(self, uint64_t port, Held held, int64_t now, int64_t until, int rank) except -1
    @cython.locals(sources=Records, pair=uint64_t, count=int, listed=bint, new=bint, place=int, index=int, other=uint64_t)
    cdef bint _know(self, uint64_t account, uint64_t source, uint64_t call, int64_t now, int64_t until) except -1
