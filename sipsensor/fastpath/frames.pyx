# cython: language_level=3, boundscheck=False, wraparound=False
"""What a frame of IAX2 says besides its elements, which `Examined` has as fields.

Rules. Made when it is asked for, from what the scan found; nothing is parsed twice. A call is known by both ends and a call number of one of them: numbers
alone are 15 bits, and anybody may name them.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor, Span, at
from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.folding cimport fold
from sipsensor.fastpath.iax2 cimport TRUNK_ENTRIES, W_TRUNK, next_entry
from sipsensor.fastpath.names cimport ELEMENTS_KNOWN, FIRST_ELEMENT
from sipsensor.fastpath.sip cimport CON_FRAME, CON_FRAME_MALFORMED, CON_MEDIA_FRAME, Head

cdef enum:
    NUMBER_BYTES = 8


cdef class Frame:
    """See `frames.pyi`."""

    cpdef int64_t number(self, int element) noexcept:
        cdef Head *head = &self._examined.facts.head
        cdef Cursor c
        cdef Span value
        cdef uint32_t i
        cdef int64_t number = 0
        if head.content != CON_FRAME or not 0 < element <= ELEMENTS_KNOWN or head.seen[FIRST_ELEMENT + element] == 0:
            return -1
        c = self._examined.message()
        value = head.lines[head.first[FIRST_ELEMENT + element]].value
        if not 0 < value.end - value.start <= NUMBER_BYTES or at(c, value.start) & 0x80 and value.end - value.start == NUMBER_BYTES:
            return -1
        for i in range(value.start, value.end):
            number = number << 8 | at(c, i)
        return number

    cpdef list calls(self):
        cdef Cursor c
        cdef uint32_t i = TRUNK_ENTRIES, call = 0
        cdef list found = []
        if self.what != W_TRUNK:
            return [self.source_call]
        c = self._examined.message()
        while i < c.size:
            i = next_entry(c, i, &call)
            if i <= c.size:
                found.append(call)
        return found

    cpdef uint64_t call_key(self, bint outgoing, int call) noexcept:
        return fold(self._examined.connection_key(outgoing), <uint64_t> call)


cpdef Frame frame_of(Examined examined):
    """See `frames.pyi`."""
    cdef Head *head = &examined.facts.head
    cdef Frame frame
    if head.content != CON_FRAME and head.content != CON_MEDIA_FRAME and head.content != CON_FRAME_MALFORMED:
        return None
    frame = Frame.__new__(Frame)
    frame._examined, frame.what = examined, head.method
    frame.source_call, frame.destination_call = head.frame.source_call, head.frame.destination_call
    frame.timestamp, frame.oseqno, frame.iseqno = head.frame.timestamp, head.frame.oseqno, head.frame.iseqno
    frame.type, frame.subclass, frame.repeated = head.frame.type, head.frame.subclass, head.frame.repeated
    return frame
