"""C types for what is asked of every message. The module is `transactions.py`."""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.tables cimport Records, SeenTable

cdef int _INVITE, _REGISTER, _UNAUTHORIZED, _PROXY_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TRYING, _PROVISIONAL, _SUCCESS, _OWN_FAULT
cdef int _PENDING, _ACCEPTED, _REFUSED, _WIDTH
cdef int64_t _ANSWER, _TRANSACTION


@cython.final
cdef class Request:
    cdef public uint64_t account, name, pair, port, source, sender, call, exchange
    cdef public int what, proof, known, name_known, binds, taken, earned, call_known

    @cython.locals(flags=uint64_t)
    cpdef void read(self, Records table, int place) noexcept
    @cython.locals(flags=uint64_t)
    cpdef void write(self, Records table, int place) noexcept


cdef class Transactions:
    cdef readonly SeenTable seen
    cdef readonly Records waiting, own, passed_on

    cpdef uint32_t repeats(self, uint64_t key, int64_t now) noexcept
    cpdef void forget(self, Examined examined, uint64_t once) except *
    cpdef void asked(self, Examined examined, uint64_t port) except *
    cpdef bint was_asked(self, Examined examined, uint64_t port) noexcept
    cpdef void went_out(self, Examined examined) except *
    cpdef bint is_answer(self, Examined examined) noexcept
    @cython.locals(key=uint64_t, ts=int64_t, place=int, held=Request)
    cpdef void began(self, Examined examined, Request request) except *
    @cython.locals(key=uint64_t, code=int, place=int, request=Request, what=int, stale=bint)
    cpdef object ended(self, Examined examined)
    @cython.locals(place=int)
    cdef void _wait(self, uint64_t key, int64_t ts, Request request) except *


cdef bint _same(Request before, Request after) noexcept
cpdef int outcome(Request request, int code, bint stale=*) noexcept
cdef bint _is_stale(Examined examined) except -1
