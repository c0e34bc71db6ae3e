from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from sipsensor.fastpath.automaton cimport Findings
from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.decode cimport Decoded
from sipsensor.fastpath.examined cimport Examined, Facts
from sipsensor.fastpath.matcher cimport Matcher
from sipsensor.fastpath.shapes cimport Shapes
from sipsensor.fastpath.sip cimport LINES_MAX, Head, Header

cdef class Examiner:
    cdef readonly Matcher matcher
    cdef readonly tuple sip_ports, iax2_ports
    cdef uint8_t port_is_sip[8192]          # a bit per port
    cdef uint8_t port_is_iax2[8192]
    cdef uint64_t k0
    cdef uint64_t k1
    cdef Findings findings
    cdef Shapes shapes
    cdef public bint recalls
    cdef uint8_t *found
    cdef Facts scratch
    cdef Header scratch_lines[LINES_MAX]
    cdef Head other                         # the second reading of an ambiguous head
    cdef Header other_lines[LINES_MAX]
    cdef uint64_t skips[8]
    cdef bint _on_sip_port(self, Decoded *d) noexcept nogil
    cdef bint _on_iax2_port(self, Decoded *d) noexcept nogil
    cdef bint _skip(self, Facts *facts) noexcept nogil
    cdef void look(self, Cursor packet, int link, Facts *facts) noexcept nogil
    cdef void look_at_payload(self, Cursor payload, Facts *facts) noexcept nogil
    cdef void _look_at_frame(self, Cursor payload, Facts *facts) noexcept nogil
    cdef bint _recall(self, Cursor payload, uint64_t tag, Facts *facts) noexcept nogil
    cdef Examined examine_one(self, bytes data, int link, int64_t ts, object number, int64_t wire_length, int arrival)
    cdef Examined wrap(self, bytes data, int link, int64_t ts, object number, int64_t wire_length, int arrival)


cdef class Walk:
    cdef Examiner _examiner
    cdef bytes _data, _index
    cdef int _link
    cdef int64_t _unit, _number
    cdef uint32_t _at
    cdef readonly uint32_t packets
    cdef readonly int64_t bytes, last

    cdef Examined next(self)
