from libc.stdint cimport uint32_t

from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.fastpath.sip cimport Head

# What a frame is of a kind: the subclass of a frame of type IAX, 1 to 40 (RFC 5456 8.2), or one of these.
cdef enum:
    W_OTHER = 0                 # a subclass of type IAX that the list does not have
    W_LAST = 40
    W_VOICE = 41                # a full frame of voice or video: it sets format and time of the mini frames behind it
    W_SIGNAL = 42               # a full frame of any other type: control, DTMF, text …
    W_CLOSED = 43               # a full frame of no type: broken, or encrypted, which leaves call numbers alone in clear
    W_MINI = 44
    W_VIDEO_MINI = 45
    W_TRUNK = 46

# Frame types (RFC 5456 8.2).
cdef enum:
    TYPE_VOICE = 2
    TYPE_VIDEO = 3
    TYPE_IAX = 6
    TYPE_LAST = 12

cdef enum:
    FULL_HEADER = 12
    TRUNK_ENTRIES = 8           # where the first entry of a trunk's meta frame stands

cdef uint32_t next_entry(Cursor c, uint32_t i, uint32_t *call) noexcept nogil
cdef void scan_frame(Cursor c, Head *h) noexcept nogil
