"""C types for what is made once a packet. The module is `model.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef int _WHATS


@cython.final
cdef class Observation:
    cdef public object message, examined, end, request, grant
    cdef public tuple also
    cdef public int protocol, direction, kind, standing, what, repeats, outcome, proof, accounts_at
    cdef public int64_t ts
    cdef public uint64_t transaction, source_key, port_key, sender_key, once_key, account_key, pair_key, name_key, call_key, nonce_key
    cdef public bint has_credentials, known, call_known, name_known, relieved, offender, harmless, trusted_here, stalled, blind
    cdef public bint excused, spared, connected, in_call

    cdef void begin(
        self, object message, object examined, int64_t ts, uint64_t transaction, int protocol, int direction, int kind, int standing
    )


@cython.final
cdef class Alert:
    cdef public object rule, scope
    cdef public Observation observation
    cdef public dict evidence
    cdef public int score


@cython.final
cdef class Decision:
    cdef public object verdict, reason, rule, observation, effect
    cdef public tuple alerts, cuts, grants, uncuts

    cdef void begin(self, object verdict, object reason, object observation)


cpdef int kind_of(int protocol, int direction, int standing, int what) noexcept
