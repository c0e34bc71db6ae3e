"""C types for what a replay counts of each packet that a rule fired on. The module is `summary.py`."""

cimport cython
from libc.stdint cimport int64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.model cimport Alert, Decision

cdef class RuleTotal:
    cdef readonly object rule, first_number
    cdef readonly int64_t first_ts
    cdef public int64_t alerts, dropped
    cdef readonly set sources


cdef class SourceTotal:
    cdef readonly str name
    cdef public int64_t drops
    cdef public object rule


cdef class Summary:
    cdef public int64_t packets, sip_messages, iax2_frames, malformed, errors, accepted, dropped
    cdef public object first_ts, last_ts, elapsed, drops_by_reason
    cdef readonly dict rules, drops_by_source
    cdef readonly list cuts
    cdef readonly int64_t _other_drops, _forgotten_sources
    cdef readonly set sources_of_messages
    cdef int _sources_max

    @cython.locals(source=bytes, alert=Alert, total=RuleTotal, known=SourceTotal)
    cpdef count(self, Examined examined, Decision decision)
    @cython.locals(known=SourceTotal)
    cdef SourceTotal _drop(self, Examined examined, Decision decision, bytes source)
