"""C types for what is made once a message. The module is `message.py`."""

cimport cython

from sipsensor.fastpath.examined cimport Examined
from sipsensor.protocols.base cimport View

cdef int _URI, _PHRASE, _START_LINE, _BODY, _METHOD, _VERSION, _CSEQ_METHOD, _USER_AGENT, _SERVER, _AUTHORIZATION, _PROXY_AUTHORIZATION
cdef int _REQUEST, _RESPONSE, _MALFORMED, _STATUS, _SIP


@cython.final
cdef class SipMessage(View):
    cdef void read(self, Examined examined)
    cpdef object get(self, str name)
    cpdef object norm(self, str name)


@cython.locals(content=int, message=SipMessage)
cpdef View parse(Examined examined)
