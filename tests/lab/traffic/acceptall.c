/* The floor: a reader that accepts every packet of a queue, one verdict each, and looks at none.
 *
 *   acceptall NUMBER [LENGTH]
 *
 * Until SIGTERM; then prints one line of JSON: packets, and processor time in seconds.
 */
#define _GNU_SOURCE
#include "common.h"

#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <sys/resource.h>

static uint64_t packets;

static int accept_it(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *packet, void *nothing) {
    (void)message;
    (void)nothing;
    packets++;
    return nfq_set_verdict(queue, ntohl(nfq_get_msg_packet_hdr(packet)->packet_id), NF_ACCEPT, 0, NULL);
}

int main(int argc, char **argv) {
    static char buffer[68 * 1024];
    struct timeval patience = PATIENCE;
    int room = 64 * 1024 * 1024;
    if (argc < 2)
        die("which queue?");
    struct nfq_handle *handle = nfq_open();
    struct nfq_q_handle *queue = handle == NULL ? NULL : nfq_create_queue(handle, (uint16_t)atoi(argv[1]), accept_it, NULL);
    if (queue == NULL || nfq_set_mode(queue, NFQNL_COPY_PACKET, 0xFFFF) < 0)
        die("queue %s", argv[1]);
    if (nfq_set_queue_maxlen(queue, argc > 2 ? (uint32_t)atoi(argv[2]) : 8192) < 0)
        die("length of the queue");
    int fd = nfq_fd(handle);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        die("SO_RCVBUFFORCE");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        die("SO_RCVTIMEO");
    end_on_signals();
    fprintf(stderr, "ready\n");
    while (!ended) {
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got >= 0)
            nfq_handle_packet(handle, buffer, (int)got);
        else if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
            die("receiving");
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double seconds = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"packets\": %lu, \"cpu_seconds\": %.3f}\n", packets, seconds);
    nfq_destroy_queue(queue);
    nfq_close(handle);
    return 0;
}
