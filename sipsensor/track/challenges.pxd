"""C types for what is asked of every challenge and of all credentials. The module is `challenges.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.folding cimport pair_key
from sipsensor.fastpath.tables cimport Records

cdef int _NONCE, _PROVES_NONE, _PROVES_SHARED, _PROVES_OTHERS, _PROVES_OWN
cdef uint64_t _SHARED


cdef class Challenges:
    cdef readonly Records table, exchanges, foreign
    cdef int64_t _life

    @cython.locals(ts=int64_t, until=int64_t, nonce=uint64_t, alone=bint)
    cpdef sent(self, Examined examined, uint64_t to, uint64_t exchange)
    @cython.locals(ts=int64_t, nonce=uint64_t)
    cpdef came(self, Examined examined, bint asked)
    @cython.locals(nonce=uint64_t)
    cpdef bint asked_for(self, Examined examined, uint64_t address, uint64_t exchange, uint64_t sole) except *
    @cython.locals(nonces=list, nonce=uint64_t, proves=int)
    cpdef int proof(self, Examined examined, uint64_t address, uint64_t sole) except -1
    @cython.locals(held=uint64_t, place=int)
    cdef int _proof(self, uint64_t nonce, uint64_t address, int64_t now) noexcept


cdef uint64_t _one_of(list keys) except? 0
