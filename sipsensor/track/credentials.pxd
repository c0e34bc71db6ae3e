"""C types for what is asked of all credentials. The module is `credentials.py`."""

cimport cython
from libc.stdint cimport uint64_t

from sipsensor.fastpath.examined cimport Examined
from sipsensor.fastpath.tables cimport fold

cdef int _USERNAME, _RESPONSE, _MOST


@cython.locals(plain=uint64_t)
cpdef list accounts(Examined examined, uint64_t name)
cpdef uint64_t tried(Examined examined) except? 0
cdef bint _is_clear(list users, list texts) except *
