/* The lab's fastest PBX: answers SIP over UDP, and keeps nothing.
 *
 *   responder ADDRESS PORT [WAIT [CPU]]
 *
 * REGISTER without credentials gets a challenge, with them a 200; INVITE a 100, a 180 and a 200; ACK nothing; all others a 200. Answers
 * carry the request's Via, From, To, Call-ID and CSeq, and in X-Arrived when the kernel received it (ns of the wall clock). Until SIGTERM; then prints one
 * line of JSON: what came, by method, and how many datagrams found the socket full.
 *
 * With WAIT every phone gets a nonce of its own, as PBXs give them; and above 0 requests are answered in bursts: what comes within so many ms after
 * the first is answered in one go.
 */
#define _GNU_SOURCE
#include "common.h"

#include <poll.h>

enum { LARGEST = 66000, ANSWER = 4096, COPIED = 5 };

static const char *const METHODS[] = {"REGISTER", "INVITE", "ACK", "BYE", "OPTIONS", "other"};
enum { REGISTER, INVITE, ACK, BYE, OPTIONS, OTHER, METHOD_COUNT };

struct request {
    int method;
    const char *head, *end;
    int64_t arrived;
    uint32_t source;
};

static uint64_t received, counted[METHOD_COUNT], unreadable, answers, unsent;
static uint32_t lost;
static int wait_ms, own_nonces;

/* A field of the head with its name and line end, by name; its size, 0 where there is none. */
static int field(const struct request *r, const char *name, const char **out) {
    size_t length = strlen(name);
    for (const char *line = r->head; line < r->end;) {
        const char *next = memchr(line, '\n', (size_t)(r->end - line));
        next = next == NULL ? r->end : next + 1;
        if ((size_t)(next - line) > length && strncasecmp(line, name, length) == 0 && line[length] == ':') {
            *out = line;
            return (int)(next - line);
        }
        line = next;
    }
    return 0;
}

/* Method and head of a datagram; 0 where it is no request that can be answered. */
static int read_request(const char *bytes, size_t size, struct request *r) {
    const char *end = memmem(bytes, size, "\r\n\r\n", 4), *line = memmem(bytes, size, " SIP/2.0\r\n", 10);
    if (end == NULL || line == NULL || line > end)
        return 0;
    r->head = line + 10;
    r->end = end + 2;
    r->method = OTHER;
    for (int i = 0; i < OTHER; i++)
        if (strncmp(bytes, METHODS[i], strlen(METHODS[i])) == 0 && bytes[strlen(METHODS[i])] == ' ')
            r->method = i;
    return 1;
}

static size_t put_answer(char *out, const struct request *r, const char *status, const char *more) {
    static const char *const NAMES[COPIED] = {"Via", "From", "To", "Call-ID", "CSeq"};
    size_t size = (size_t)snprintf(out, ANSWER, "SIP/2.0 %s\r\n", status);
    for (int i = 0; i < COPIED; i++) {
        const char *found;
        int length = field(r, NAMES[i], &found);
        if (length < 2 || size + (size_t)length > ANSWER / 2)
            return 0;
        memcpy(out + size, found, (size_t)length);
        size += (size_t)length;
        if (i == 2 && memmem(found, (size_t)length, ";tag=", 5) == NULL)
            size += (size_t)snprintf(out + size - 2, ANSWER - size, ";tag=a6c85cf\r\n") - 2;
    }
    return size + (size_t)snprintf(out + size, ANSWER - size, "X-Arrived: %ld\r\n%sContent-Length: 0\r\n\r\n", r->arrived, more);
}

static void answer(int fd, struct msghdr *message, const struct request *r, const char *status, const char *more) {
    static char out[ANSWER];
    size_t size = put_answer(out, r, status, more);
    if (size == 0) {
        unreadable++;
        return;
    }
    if (sendto(fd, out, size, 0, message->msg_name, message->msg_namelen) == (ssize_t)size)
        answers++;
    else
        unsent++;
}

static void challenge(int fd, struct msghdr *message, const struct request *r) {
    char text[200], nonce[NONCE];
    put_nonce(nonce, r->source);
    snprintf(text, sizeof text, "WWW-Authenticate: Digest realm=\"lab\", nonce=\"%s\", algorithm=MD5\r\n", nonce);
    answer(fd, message, r, "401 Unauthorized", text);
}

static void respond(int fd, struct msghdr *message, const struct request *r) {
    const char *found;
    switch (r->method) {
    case ACK:
        break;
    case REGISTER:
        if (field(r, "Authorization", &found) == 0) {
            challenge(fd, message, r);
            break;
        }
        answer(fd, message, r, "200 OK", "Contact: <sip:100@192.168.0.20:5060>;expires=3600\r\n");
        break;
    case INVITE:
        answer(fd, message, r, "100 Trying", "");
        answer(fd, message, r, "180 Ringing", "Contact: <sip:200@pbx.example>\r\n");
        answer(fd, message, r, "200 OK", "Contact: <sip:200@pbx.example>\r\n");
        break;
    default:
        answer(fd, message, r, "200 OK", "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE\r\n");
    }
}

/* Until something has come, and as long again as it takes the others of its burst. */
static void gather(int fd) {
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    if (poll(&waiting, 1, 100) > 0)
        sleep_until(now(CLOCK_MONOTONIC) + wait_ms * SECOND / 1000);
}

static void serve(int fd) {
    static char bytes[LARGEST];
    char control[256];
    struct sockaddr_storage from;
    struct iovec part = {.iov_base = bytes, .iov_len = LARGEST};
    while (!ended) {
        struct msghdr message = {
            .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control,
        };
        struct request r;
        ssize_t got = recvmsg(fd, &message, wait_ms != 0 ? MSG_DONTWAIT : 0);
        if (got < 0 && wait_ms != 0 && errno == EAGAIN) {
            gather(fd);
            continue;
        }
        if (got < 0) {
            if (errno != EAGAIN && errno != EINTR)
                die("receiving");
            continue;
        }
        received++;
        r.arrived = received_at(&message, &lost);
        r.source = own_nonces && from.ss_family == AF_INET ? ((struct sockaddr_in *)&from)->sin_addr.s_addr : 0;
        if (!read_request(bytes, (size_t)got, &r)) {
            unreadable++;
            continue;
        }
        counted[r.method]++;
        respond(fd, &message, &r);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_storage here;
    struct timeval patience = PATIENCE;
    if (argc < 3)
        die("wanted: ADDRESS PORT [WAIT [CPU]]");
    own_nonces = argc > 3;
    wait_ms = argc > 3 ? atoi(argv[3]) : 0;
    if (argc > 4)
        stay_on(atoi(argv[4]));
    if (wait_ms != 0)
        in_one_go();
    socklen_t size = address(argv[1], atoi(argv[2]), &here);
    int fd = udp_socket(here.ss_family, 32 * 1024 * 1024);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 || bind(fd, (struct sockaddr *)&here, size) < 0)
        die("%s port %s", argv[1], argv[2]);
    end_on_signals();
    fprintf(stderr, "ready\n");
    serve(fd);
    printf("{\"received\": %lu, \"answers\": %lu, \"unsent\": %lu, \"unreadable\": %lu, \"lost\": %u", received, answers, unsent, unreadable, lost);
    for (int i = 0; i < METHOD_COUNT; i++)
        printf(", \"%s\": %lu", METHODS[i], counted[i]);
    printf("}\n");
    return 0;
}
