/* The floor: the least that a reader can do. Takes what waits in a queue with one system call, and accepts all of it with one verdict; looks at nothing.
 *
 *   floor NUMBER [LENGTH]
 *
 * Until SIGTERM; then prints one line of JSON: packets, system calls that brought some, and processor time in seconds.
 */
#define _GNU_SOURCE
#include "common.h"

#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/resource.h>

enum { BATCH = 64, DATAGRAM = 68 * 1024 };

struct verdict {
    struct nlmsghdr header;
    struct nfgenmsg generic;
    struct nlattr attribute;
    struct nfqnl_msg_verdict_hdr body;
};

static uint64_t packets, batches;
static char buffers[BATCH][DATAGRAM];

/* Nobody asks for the library's way of reading: its handle only sets the queue up. */
static int unused(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *packet, void *nothing) {
    (void)queue;
    (void)message;
    (void)packet;
    (void)nothing;
    return 0;
}

static int set_up(const char *number, uint32_t length) {
    struct timeval patience = PATIENCE;
    int room = 64 * 1024 * 1024, one = 1;
    struct nfq_handle *handle = nfq_open();
    struct nfq_q_handle *queue = handle == NULL ? NULL : nfq_create_queue(handle, (uint16_t)atoi(number), unused, NULL);
    if (queue == NULL || nfq_set_mode(queue, NFQNL_COPY_PACKET, 0xFFFF) < 0)
        die("queue %s", number);
    if (nfq_set_queue_maxlen(queue, length) < 0)
        die("length of the queue");
    int fd = nfq_fd(handle);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 || setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof one) < 0)
        die("options of the socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        die("SO_RCVTIMEO");
    return fd;
}

/* The id of the last packet in a datagram, in network order; 0 where there is none. */
static uint32_t last_id(const char *bytes, size_t size) {
    uint32_t id = 0;
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= size;) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)(bytes + at);
        const struct nlattr *first = (const struct nlattr *)(bytes + at + NLMSG_LENGTH(sizeof(struct nfgenmsg)));
        at += NLMSG_ALIGN(message->nlmsg_len);
        if (message->nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET))
            continue;
        if (first->nla_type != NFQA_PACKET_HDR)
            die("the kernel's first attribute is %d", first->nla_type);
        memcpy(&id, first + 1, sizeof id);
        packets++;
    }
    return id;
}

static void accept_up_to(int fd, uint16_t queue, uint32_t id) {
    struct verdict out = {
        .header = {.nlmsg_len = sizeof out, .nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_VERDICT_BATCH, .nlmsg_flags = NLM_F_REQUEST},
        .generic = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(queue)},
        .attribute = {.nla_len = sizeof out.attribute + sizeof out.body, .nla_type = NFQA_VERDICT_HDR},
        .body = {.verdict = htonl(NF_ACCEPT), .id = id},
    };
    if (send(fd, &out, sizeof out, 0) != (ssize_t)sizeof out)
        die("verdict");
}

static void serve(int fd, uint16_t queue) {
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){.iov_base = buffers[i], .iov_len = DATAGRAM};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    while (!ended) {
        int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        uint32_t id = 0;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            die("receiving");
        for (int i = 0; i < got; i++) {
            uint32_t found = last_id(buffers[i], messages[i].msg_len);
            id = found != 0 ? found : id;
        }
        if (id != 0) {
            batches++;
            accept_up_to(fd, queue, id);
        }
    }
}

int main(int argc, char **argv) {
    if (argc < 2)
        die("which queue?");
    int fd = set_up(argv[1], argc > 2 ? (uint32_t)atoi(argv[2]) : 8192);
    end_on_signals();
    fprintf(stderr, "ready\n");
    serve(fd, (uint16_t)atoi(argv[1]));
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double seconds = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"packets\": %lu, \"batches\": %lu, \"cpu_seconds\": %.3f}\n", packets, batches, seconds);
    return 0;
}
