"""C types for what is made once a frame. The module is `frame.py`."""

cimport cython
from libc.stdint cimport int64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.frames cimport Frame
from sipsensor.protocols.base cimport View

cdef int _IAX, _USERNAME, _CALLED, _TOKEN, _MALFORMED


@cython.final
cdef class IaxFrame(View):
    cdef readonly Frame frame

    cpdef object get(self, str name)
    cpdef int64_t number(self, str name) except? -1
    cdef object _text(self, int field)


@cython.locals(frame=Frame)
cpdef View parse(Examined examined)
