"""C types for what is asked of all credentials. The module is `credentials.py`."""

cimport cython
from libc.stdint cimport uint64_t

from sipsensor.fastpath.examined cimport Examined

cdef int _USERNAME, _MOST


@cython.locals(plain=uint64_t)
cpdef list accounts(Examined examined, uint64_t name)
cdef bint _is_clear(list users, list texts) except *
