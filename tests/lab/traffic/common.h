/* What the lab's traffic tools share: how they end on an error, clocks, addresses. Each tool is one file beside this one. */
#ifndef COMMON_H
#define COMMON_H

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SECOND 1000000000LL
#define PATIENCE ((struct timeval){.tv_usec = 100000})

#define die(...)                                                                                                       \
    do {                                                                                                               \
        fprintf(stderr, __VA_ARGS__);                                                                                  \
        fprintf(stderr, ": %s\n", errno ? strerror(errno) : "wrong");                                                  \
        exit(2);                                                                                                       \
    } while (0)

static volatile sig_atomic_t ended;

static inline void end_on_signal(int number) {
    (void)number;
    ended = 1;
}

/* SIGTERM and SIGINT set `ended`. A signal between the look at it and a blocking call is noticed late: block no longer than PATIENCE. */
static inline void end_on_signals(void) {
    struct sigaction action = {.sa_handler = end_on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static inline int64_t now(clockid_t which) {
    struct timespec moment;
    clock_gettime(which, &moment);
    return moment.tv_sec * SECOND + moment.tv_nsec;
}

static inline void sleep_until(int64_t steady) {
    struct timespec moment = {.tv_sec = steady / SECOND, .tv_nsec = steady % SECOND};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL);
}

static inline void stay_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        die("processor %d", cpu);
}

/* Whoever sends or answers in bursts is not interrupted in the middle of one, so that each is as large as it was asked for. */
static inline void in_one_go(void) {
    struct sched_param first = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
        die("SCHED_FIFO");
}

/* An address of either family and a port, as the socket calls want it; returns its size. */
static inline socklen_t address(const char *text, int port, struct sockaddr_storage *out) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    errno = 0;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
        die("address %s", text);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    return sizeof *v6;
}

/* The nonce of a phone by its address (IPv4, network order; 0: one for all), as the responder gives them. */
enum { NONCE = 24 };

static inline void put_nonce(char *out, uint32_t source) {
    snprintf(out, NONCE, "4f2a91c0aa17%08x", source);
}

/* A UDP socket that tells when the kernel received each datagram, with room for `room` bytes of them. */
static inline int udp_socket(int family, int room) {
    int one = 1, fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) < 0)
        die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        die("SO_RCVBUFFORCE");
    if (setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof one) < 0)
        die("SO_RXQ_OVFL");
    return fd;
}

/* When a datagram was received, in ns of the wall clock; and in `lost`, where the kernel says it, how many found the socket full. */
static inline int64_t received_at(struct msghdr *message, uint32_t *lost) {
    int64_t at = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec moment;
            memcpy(&moment, CMSG_DATA(c), sizeof moment);
            at = moment.tv_sec * SECOND + moment.tv_nsec;
        } else if (c->cmsg_type == SO_RXQ_OVFL) {
            memcpy(lost, CMSG_DATA(c), sizeof *lost);
        }
    }
    return at;
}

#endif
