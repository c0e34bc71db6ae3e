# cython: language_level=3, boundscheck=False, wraparound=False
"""The messages of a netfilter queue: packets out of the kernel's datagrams, verdicts into ours.

Rules. Needs no GIL and keeps nothing between calls; what the kernel sent is read with the checked primitives of `cursor.pxd`. Nothing is
waited for to fill a batch. Limits: 32 datagrams at once, 68 KiB each (the kernel shows at most 65,531 bytes of a packet); their memory is
virtual until something of that size arrives.

The kernel numbers the packets of a queue in the order in which it shows them. A batch verdict answers all that wait up to its number, by
difference, so numbers may wrap around 2^32. Hence the invariant: a batch verdict may be sent only while no packet up to its number waits
except those it is meant for. It holds where the packets of a run follow each other without a gap, everything before the run was answered,
and the other verdicts of the run go before it; netfilter works the messages of one datagram in their order (netlink_rcv_skb), each for itself.
"""

from libc.errno cimport EAGAIN, EINTR, ENOBUFS, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from sipsensor.fastpath.cursor cimport Cursor, at, be32, cursor_over, host16, host32, part
from sipsensor.sources.netlink cimport (
    GENERIC, HEADER, MSG_DONTWAIT, NF_ACCEPT, NF_DROP, NFQA_CAP_LEN, NFQA_IFINDEX_INDEV, NFQA_PACKET_HDR, NFQA_PAYLOAD, NFQA_VERDICT_HDR,
    NLM_F_REQUEST, NLMSG_ERROR, POLLIN, TYPE_PACKET, TYPE_VERDICT, TYPE_VERDICT_BATCH, VerdictMessage, htonl, htons, poll, pollfd,
    recvmmsg, send, sockaddr_nl,
)

cdef enum:
    RETRIES = 8


cdef bint open_inbox(Inbox *inbox) noexcept nogil:
    """False where there is no memory."""
    cdef int i
    memset(inbox, 0, sizeof(Inbox))
    inbox.memory = <uint8_t *> malloc(BATCH * PLACE)
    if inbox.memory == NULL:
        return False
    for i in range(BATCH):
        inbox.places[i].iov_base = inbox.memory + i * PLACE
        inbox.places[i].iov_len = DATAGRAM
        inbox.messages[i].msg_hdr.msg_name = &inbox.sources[i]
        inbox.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_nl)
        inbox.messages[i].msg_hdr.msg_iov = &inbox.places[i]
        inbox.messages[i].msg_hdr.msg_iovlen = 1
    return True


cdef void close_inbox(Inbox *inbox) noexcept nogil:
    free(inbox.memory)
    inbox.memory = NULL


cdef int receive(Inbox *inbox, int fd, int wait) noexcept nogil:
    """What is there, at most BATCH datagrams: how many of them are the kernel's; NOTHING came in `wait` ms; IGNORED, OVERRUN or an error."""
    cdef pollfd waiting
    cdef int i, got = recvmmsg(fd, inbox.messages, BATCH, MSG_DONTWAIT, NULL)
    inbox.count = 0
    if got > 0:
        for i in range(got):
            # Processes may write to this socket too, given the privilege.
            if inbox.sources[i].nl_pid == 0:
                inbox.datagrams[inbox.count] = cursor_over(inbox.places[i].iov_base, inbox.messages[i].msg_len)
                inbox.count += 1
            inbox.sources[i].nl_pid = 0
            inbox.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_nl)
        return inbox.count if inbox.count else IGNORED
    if got < 0 and errno == ENOBUFS:
        return OVERRUN
    if got < 0 and errno != EAGAIN and errno != EINTR:
        return OVERRUN - errno
    if wait > 0:
        waiting.fd = fd
        waiting.events = POLLIN
        waiting.revents = 0
        if poll(&waiting, 1, wait) != 0:
            return IGNORED
    return NOTHING


cdef int next_message(Cursor datagram, uint32_t *start, Cursor *attributes) noexcept nogil:
    """The netlink message at `start`, which moves behind it: a PACKET with its attributes, ACKNOWLEDGED, something STRANGE, or END."""
    cdef Cursor message
    cdef int64_t size, kind
    if start[0] >= datagram.size:
        return END
    size = host32(datagram, start[0])
    if size < HEADER or size > datagram.size - start[0]:
        start[0] = datagram.size
        return STRANGE
    message = part(datagram, start[0], <uint32_t> size)
    start[0] += (<uint32_t> size + 3) & ~<uint32_t> 3
    kind = host16(message, 4)
    if kind == TYPE_PACKET:
        attributes[0] = part(message, HEADER + GENERIC, message.size)
        return PACKET
    # An error that is one is the kernel's complaint about a verdict: the packet was gone already.
    return ACKNOWLEDGED if kind == NLMSG_ERROR and host32(message, HEADER) == 0 else STRANGE


cdef bint _next_attribute(Cursor attributes, uint32_t *start, int64_t *kind, Cursor *value) noexcept nogil:
    """The attribute at `start`, which moves behind it; False at the end, and with `kind` -1 where it contradicts its place."""
    cdef int64_t size
    kind[0] = 0
    if start[0] >= attributes.size:
        return False
    size = host16(attributes, start[0])
    if size < 4 or size > attributes.size - start[0]:
        kind[0] = -1
        return False
    kind[0] = host16(attributes, start[0] + 2) & 0x3FFF
    value[0] = part(attributes, start[0] + 4, <uint32_t> size - 4)
    start[0] += (<uint32_t> size + 3) & ~<uint32_t> 3
    return True


cdef int64_t packet_id(Cursor attributes) noexcept nogil:
    """The kernel's id of the packet that these attributes describe; -1 where it is not there."""
    cdef uint32_t start = 0
    cdef int64_t kind
    cdef Cursor value
    while _next_attribute(attributes, &start, &kind, &value):
        if kind == NFQA_PACKET_HDR:
            return be32(value, 0)
    return -1


cdef bint read_packet(Cursor attributes, Waiting *waiting) noexcept nogil:
    """All of them; False where an attribute contradicts its place, with what stood before it."""
    cdef uint32_t start = 0
    cdef int64_t kind, indev = 0
    cdef Cursor value
    waiting.id = packet_id(attributes)
    waiting.packet = part(attributes, 0, 0)
    waiting.wire_length = -1
    waiting.hook = -1
    waiting.drop = False
    while _next_attribute(attributes, &start, &kind, &value):
        if kind == NFQA_PACKET_HDR:
            waiting.hook = at(value, 6)
        elif kind == NFQA_IFINDEX_INDEV:
            indev = be32(value, 0)
        elif kind == NFQA_PAYLOAD:
            waiting.packet = value
        elif kind == NFQA_CAP_LEN:
            waiting.wire_length = be32(value, 0)
    waiting.indev = <uint32_t> indev if indev > 0 else 0
    if waiting.wire_length < waiting.packet.size:
        waiting.wire_length = waiting.packet.size
    return kind == 0


cdef void _write(VerdictMessage *message, uint16_t kind, int queue, uint32_t verdict, int64_t number) noexcept nogil:
    memset(message, 0, sizeof(VerdictMessage))
    message.size = sizeof(VerdictMessage)
    message.type = kind
    message.flags = NLM_F_REQUEST
    message.queue = htons(<uint16_t> queue)
    message.attribute_size = 12
    message.attribute = NFQA_VERDICT_HDR
    message.verdict = htonl(verdict)
    message.packet_id = htonl(<uint32_t> number)


cdef int write_verdicts(VerdictMessage *messages, const Waiting *run, int count, int queue, bint together) noexcept nogil:
    """The verdicts of a run: how many messages, at most `count`. `together`: the invariant holds, one message may say the commoner verdict.

    The rarer one goes first, packet by packet.
    """
    cdef int i, written = 0, drops = 0
    cdef bint common
    cdef int64_t last = -1
    for i in range(count):
        drops += run[i].drop
    common = 2 * drops > count
    for i in range(count):
        if together and run[i].drop == common:
            last = run[i].id
        else:
            _write(&messages[written], TYPE_VERDICT, queue, NF_DROP if run[i].drop else NF_ACCEPT, run[i].id)
            written += 1
    if last >= 0:
        _write(&messages[written], TYPE_VERDICT if count - written == 1 else TYPE_VERDICT_BATCH, queue, NF_DROP if common else NF_ACCEPT, last)
        written += 1
    return written


cdef bint send_verdicts(int fd, const VerdictMessage *messages, int count) noexcept nogil:
    """In one datagram. False where it cannot be sent, after a few tries."""
    cdef int tries = 0
    while send(fd, messages, <size_t> count * sizeof(VerdictMessage), 0) < 0:
        tries += 1
        if (errno != EINTR and errno != EAGAIN and errno != ENOBUFS) or tries > RETRIES:
            return False
    return True
