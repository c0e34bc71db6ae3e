from libc.stdint cimport uint8_t, uint16_t, uint32_t

from sipsensor.fastpath.cursor cimport Cursor

cdef enum:
    DEC_OK, DEC_NOT_IP, DEC_UNKNOWN_LINK, DEC_BROKEN, DEC_FRAGMENT, DEC_OTHER

cdef struct Decoded:
    uint8_t status
    uint8_t version             # 4, 6, or 0 when not IP
    uint8_t transport           # IP protocol number of the last header
    uint8_t truncated           # the capture holds less than the IP header says
    uint8_t fragment_more
    uint8_t arrival             # of our own recordings; 0 otherwise
    uint8_t recorded            # verdict in our own recordings + 1; 0 otherwise
    uint8_t src[16]
    uint8_t dst[16]
    uint16_t sport
    uint16_t dport
    uint8_t tcp_flags           # of TCP alone, as are the next two
    uint32_t sequence
    uint32_t acknowledged
    uint32_t payload            # where the transport payload starts in the packet
    uint32_t payload_size
    uint32_t fragment_id
    uint32_t fragment_offset    # bytes
    uint32_t body               # where the IP payload (behind extension headers) starts
    uint32_t body_size

cdef void decode(Cursor packet, int link, Decoded *out) noexcept nogil
cdef void decode_body(Cursor packet, Decoded *out) noexcept nogil
