"""C types for what is asked of every message. The module is `parsing.py`."""

cimport cython

from sipsensor.fastpath.examined cimport Examined
from sipsensor.protocols.base cimport View
from sipsensor.protocols.iax2.frame cimport parse as parse_iax2
from sipsensor.protocols.sip.message cimport parse as parse_sip

cdef int _FRAME, _MEDIA, _BROKEN


@cython.locals(content=int)
cpdef View parse(Examined examined)
