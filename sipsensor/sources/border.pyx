# cython: language_level=3, boundscheck=False, wraparound=False
"""How a packet reached us: from outside, from those we protect, or from somebody who says he is one of them.

Rules. Direction decides who is believed, so addresses alone never decide it (DESIGN 2). A border never changes once it is made, so that
whoever holds one may ask it without the GIL while others make the next. Limits: 64 inside interfaces.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from sipsensor.fastpath.cursor cimport Cursor, at, copy_out
from sipsensor.fastpath.ranges cimport Networks
from sipsensor.sources.netlink cimport HOOK_LOCAL_IN, HOOK_LOCAL_OUT


cdef class Border:
    """See `border.pyi`."""

    def __cinit__(self, Networks protected not None, inside=()):
        cdef int i
        self.protected = protected
        self.inside = tuple(inside)
        if len(self.inside) > INSIDE_MAX:
            raise ValueError(f"at most {INSIDE_MAX} inside interfaces, not {len(self.inside)}")
        self._count = <int> len(self.inside)
        for i in range(self._count):
            self._inside[i] = self.inside[i]

    cdef int arrival(self, int hook, uint32_t indev, Cursor packet) noexcept nogil:
        """`indev` is 0 for what no interface brought. Reads the source address alone."""
        cdef uint8_t source[16]
        cdef bint known
        cdef int i
        if hook == HOOK_LOCAL_OUT or indev == 0:
            return OUTBOUND
        for i in range(self._count):
            if self._inside[i] == indev:
                return INBOUND if hook == HOOK_LOCAL_IN else OUTBOUND
        memset(source, 0, 16)
        source[10] = source[11] = 0xFF
        if at(packet, 0) >> 4 == 4:
            known = copy_out(packet, 12, &source[12], 4)
        else:
            known = copy_out(packet, 8, source, 16)
        return FORGED if known and self.protected.holds(source) else INBOUND
