# What the pump uses of the system: sockets, clocks, and netfilter's queue as linux/netfilter/nfnetlink_queue.h has it. Declarations only.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cdef extern from "<arpa/inet.h>" nogil:
    uint32_t htonl(uint32_t value)
    uint16_t htons(uint16_t value)

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd *fds, unsigned long count, int timeout)
    int POLLIN

cdef extern from "<time.h>" nogil:
    struct timespec:
        int64_t tv_sec
        int64_t tv_nsec
    int clock_gettime(int clock, timespec *now)
    int nanosleep(const timespec *time, timespec *rest)
    int CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID

cdef extern from "<sys/socket.h>" nogil:
    struct sockaddr:
        pass
    ctypedef unsigned int socklen_t
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, timespec *timeout)
    ssize_t send(int fd, const void *buffer, size_t size, int flags)
    int MSG_DONTWAIT

cdef extern from "<linux/netlink.h>" nogil:
    struct sockaddr_nl:
        uint32_t nl_pid

cdef enum:
    # linux/netlink.h, linux/netfilter/nfnetlink.h and nfnetlink_queue.h
    NLMSG_ERROR = 2
    NLM_F_REQUEST = 1
    TYPE_PACKET = 0x300
    TYPE_VERDICT = 0x301
    TYPE_VERDICT_BATCH = 0x303
    HEADER = 16
    GENERIC = 4
    NFQA_PACKET_HDR = 1
    NFQA_VERDICT_HDR = 2
    NFQA_IFINDEX_INDEV = 5
    NFQA_PAYLOAD = 10
    NFQA_CAP_LEN = 13

    NF_DROP = 0
    NF_ACCEPT = 1

    HOOK_LOCAL_IN = 1
    HOOK_LOCAL_OUT = 3

cdef packed struct VerdictMessage:
    uint32_t size
    uint16_t type
    uint16_t flags
    uint32_t sequence
    uint32_t port
    uint8_t family
    uint8_t version
    uint16_t queue
    uint16_t attribute_size
    uint16_t attribute
    uint32_t verdict
    uint32_t packet_id
