"""C types for what every message passes. The module is `tracker.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.folding cimport fold, pair_key
from sipsensor.model cimport Observation, kind_of
from sipsensor.protocols.base cimport View
from sipsensor.track.challenges cimport Challenges
from sipsensor.track.credentials cimport accounts
from sipsensor.track.dialogs cimport Dialogs
from sipsensor.track.direction cimport Directions
from sipsensor.track.ends cimport End, Ends
from sipsensor.track.replies cimport Replies
from sipsensor.track.standing cimport Held, Standings
from sipsensor.track.transactions cimport Request, Transactions

cdef int _OUTBOUND, _PROVEN, _TRUSTED, _PROOF_OWN, _CHALLENGED_ANSWERED, _MALFORMED, _RESPONSE_CONTENT, _TRUSTED_HERE, _IAX2, _TCP, _IPV6, _SYN
cdef int _TO_USER, _FROM_USER, _URI_USER, _URI, _NONCE, _CALL_ID, _CONTACT, _TO_TAG, _AUTHORIZATION, _PROXY_AUTHORIZATION
cdef int _REGISTER, _INVITE, _OPTIONS, _ACK, _BYE, _CANCEL
cdef int _SUCCESS_CLASS, _UNAUTHORIZED, _PROXY_UNAUTHORIZED, _BINDS, _REMOVES, _EXPIRES_DEFAULT, _CALL_SECONDS
cdef int64_t _SECONDS_MOST, _SECOND


cdef class Tracker:
    cdef readonly Directions directions
    cdef readonly Transactions transactions
    cdef readonly Challenges challenges
    cdef readonly Standings standings
    cdef readonly Ends ends
    cdef readonly Dialogs dialogs
    cdef readonly object connections, calls
    cdef readonly Replies replies

    @cython.locals(
        request=bint, protocol=int, what=int, direction=int, outgoing=bint, end=End, standing=int, connected=bint, kind=int,
        observation=Observation,
    )
    cpdef Observation track(self, View message, Examined examined)
    @cython.locals(asks=bint)
    cpdef bint segment(self, Examined examined) except *
    cpdef dropped(self, Observation observation)
    @cython.locals(ts=int64_t, what=int, standings=Standings, asks=bint, name=uint64_t, account=uint64_t, call=uint64_t)
    cdef _request(self, Observation observation, Examined examined, End end)
    cdef _prove(self, Examined examined, End end)
    @cython.locals(plain=uint64_t, names_tried=list)
    cdef _credentials(self, Observation observation, Examined examined, End end)
    @cython.locals(what=int, exchange=uint64_t, earned=bint, request=Request)
    cdef _wait(self, Observation observation, Examined examined, End end, uint64_t call)
    @cython.locals(code=int, request=Request)
    cdef _answer(self, Observation observation, Examined examined, End end)
    @cython.locals(ts=int64_t, until=int64_t, seconds=int64_t, name=uint64_t, held=Held)
    cdef _accepted(self, Observation observation, Examined examined, Request request, End end)
    cdef _own_request(self, Observation observation, Examined examined, End end)
    @cython.locals(ts=int64_t, until=int64_t, seconds=int64_t, code=int, held=Held)
    cdef _answer_to_us(self, Observation observation, Examined examined, End end)


@cython.locals(named=uint64_t)
cdef uint64_t _asked_about(Examined examined, uint64_t to) except? 0
@cython.locals(binds=int)
cdef int _binding(int what, Examined examined, bint earned) except -1
cdef int _binds(int what, Examined examined) except -1
@cython.locals(held=Held)
cdef Held _held(int standing, uint64_t account, uint64_t name, End end)
cdef int64_t _granted(Examined examined) except -1
@cython.locals(found=int64_t)
cdef int64_t _seconds(Examined examined) except -1
