"""C types for what is counted of every packet. The module is `counters.py`."""

cimport cython
from libc.stdint cimport uint64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.model cimport Decision, Observation

cdef int _TCP, _NONE, _MALFORMED


cdef class Counters:
    cdef public uint64_t packets, bytes, accepted, dropped, malformed, unassembled_tcp, truncated, uncuts, grants
    cdef public uint64_t errors
    cdef readonly dict reasons, alerts, anomalies, cuts
    cdef readonly list kinds

    cpdef count(self, Examined examined, Decision decision)
    @cython.locals(anomalies=uint64_t)
    cpdef count_message(self, Observation observation, Examined examined)
