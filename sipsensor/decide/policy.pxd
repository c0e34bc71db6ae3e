"""C types for what is decided of every message. The module is `policy.py`."""

cimport cython

from sipsensor.decide.trust cimport Trust
from sipsensor.model cimport Alert, Decision, Observation


cdef class Policy:
    cdef public object mode
    cdef public Trust trust
    cdef readonly dict actions

    cpdef object action_of(self, rule)
    @cython.locals(decision=Decision, alert=Alert, standing=list)
    cpdef Decision decide(self, Observation observation, object alerts, object tipped=*)
    @cython.locals(decision=Decision)
    cpdef Decision accept(self, Observation observation)
    @cython.locals(decision=Decision)
    cpdef Decision drop(self, object reason, object rule=*, tuple alerts=*, object observation=*)
    cpdef Decision spare(self, Decision decision)
    cpdef Decision exempt(self, Observation observation)
    cpdef object effect(self, object verdict)


cdef object _worse(one, other)
