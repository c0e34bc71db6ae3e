"""C types for what every packet passes. The module is `engine.py`."""

cimport cython
from libc.stdint cimport int64_t

from sipsensor.counters cimport Counters
from sipsensor.decide.ledger cimport Ledger
from sipsensor.decide.policy cimport Policy
from sipsensor.detect.base cimport Observer
from sipsensor.detect.kinds cimport KindTable
from sipsensor.fastpath.examined cimport Examined
from sipsensor.model cimport Alert, Decision, Observation
from sipsensor.protocols.base cimport View
from sipsensor.protocols.parsing cimport parse
from sipsensor.reassembly.assembler cimport Assembler
from sipsensor.track.tracker cimport Tracker

cdef int _FORGED, _INBOUND, _INWARD, _TCP


cdef class Engine:
    cdef readonly object examiner
    cdef public Assembler assembler
    cdef readonly object streams
    cdef public Tracker tracker
    cdef readonly tuple detectors
    cdef public Policy policy
    cdef public Ledger ledger
    cdef public object safety, scores
    cdef readonly KindTable kinds
    cdef readonly Counters counters
    cdef public object on_error, on_unseen, report_error

    cpdef Decision process(self, packet)
    @cython.locals(decision=Decision)
    cpdef Decision judge(self, Examined examined)
    @cython.locals(examined=Examined, decision=Decision)
    cpdef judge_each(self, walk, set sources, tell)
    @cython.locals(decision=Decision, unseen=bint)
    cdef Decision _judge(self, Examined examined)
    @cython.locals(piece=Examined, message=View, decisions=list)
    cdef Decision _judge_whole(self, Examined examined)
    @cython.locals(message=View)
    cdef Decision _judge_piece(self, Examined piece)
    @cython.locals(observation=Observation, decision=Decision, learner=Observer)
    cdef Decision _judge_message(self, View message, Examined examined)
    @cython.locals(decision=Decision, asks=bint)
    cdef Decision _decide(self, View message, Observation observation)
    @cython.locals(decision=Decision)
    cdef Decision _behaviour(self, Observation observation, Decision before)
    @cython.locals(detector=Observer)
    cdef object _detect(self, Observation observation, tuple detectors)
    @cython.locals(alert=Alert, cuts=list)
    cdef tuple _cut(self, alerts, Observation observation)
    cdef Decision _failed(self, Examined examined, Exception error)
    cdef bint _from_stranger(self, Examined examined) except *
