from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from sipsensor.fastpath.cursor cimport Cursor
from sipsensor.sources.netlink cimport VerdictMessage, iovec, mmsghdr, sockaddr_nl

cdef enum:
    BATCH = 32                          # datagrams taken at once; packets that are answered at once
    DATAGRAM = 65536 + 4096             # the largest: 65,531 bytes of a packet, and what is said of it
    # one datagram's place: not a multiple of the page, or the heads of all of them would share a few lines of the processor's cache
    PLACE = DATAGRAM + 17 * 64

    # what `next_message` found
    END = 0
    PACKET = 1
    ACKNOWLEDGED = 2
    STRANGE = 3

    # what `receive` says where it received nothing
    NOTHING = 0
    IGNORED = -1                        # interrupted, or nothing of the kernel's: look again
    OVERRUN = -2                        # the socket's buffer was full; an errno comes as OVERRUN less it

cdef struct Waiting:
    # One packet that waits for its verdict.
    int64_t id                          # the kernel's; -1 where it is not there
    Cursor packet                       # from its IP header on, as far as the kernel shows it
    int64_t wire_length
    uint64_t number                     # counts the packets of the pump
    uint32_t indev
    int hook
    int arrival
    bint drop

cdef struct Inbox:
    # Datagrams as they were received, and where each of them stands.
    uint8_t *memory
    mmsghdr messages[BATCH]
    iovec places[BATCH]
    sockaddr_nl sources[BATCH]
    Cursor datagrams[BATCH]
    int count

cdef bint open_inbox(Inbox *inbox) noexcept nogil
cdef void close_inbox(Inbox *inbox) noexcept nogil
cdef int receive(Inbox *inbox, int fd, int wait) noexcept nogil
cdef int next_message(Cursor datagram, uint32_t *start, Cursor *attributes) noexcept nogil
cdef int64_t packet_id(Cursor attributes) noexcept nogil
cdef bint read_packet(Cursor attributes, Waiting *waiting) noexcept nogil
cdef int write_verdicts(VerdictMessage *messages, const Waiting *run, int count, int queue, bint together) noexcept nogil
cdef bint send_verdicts(int fd, const VerdictMessage *messages, int count) noexcept nogil
