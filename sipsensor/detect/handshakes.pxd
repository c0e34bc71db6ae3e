"""C types for what judges many messages. The module is `handshakes.py`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from sipsensor.detect.base cimport Observer
from sipsensor.fastpath.tables cimport RateTable
from sipsensor.model cimport Observation
from sipsensor.track.transactions cimport Request

cdef int _OUTBOUND, _REFUSED, _OWN


cdef class Handshakes(Observer):
    cdef readonly object settings
    cdef readonly RateTable senders

    cpdef object observe(self, Observation observation)
    cdef object _answered(self, Observation observation, Request request)
