"""C types for what is made once a message. The module is `message.py`."""

from sipsensor.fastpath.examined cimport Examined

cdef int _URI, _PHRASE, _START_LINE, _BODY, _METHOD, _VERSION, _CSEQ_METHOD, _USER_AGENT, _SERVER, _AUTHORIZATION, _PROXY_AUTHORIZATION
cdef int _REQUEST, _RESPONSE, _MALFORMED, _STATUS


cdef class SipMessage:
    cdef readonly Examined examined
    cdef readonly bint is_request
    cdef readonly int what

    cpdef object get(self, str name)
    cpdef object norm(self, str name)


cpdef object parse(Examined examined)
