/* Many phones of one address range, on one socket: requests at an even pace, each with an identity of its own, and what became of each.
 *
 *   phones --from 10.72.0.10 --phones 200 --to 10.71.2.3 --rate 1000 --seconds 10 --mix sip
 *
 * `--mix options` sends OPTIONS; `register` REGISTER, and again with credentials when challenged; `again` what such a phone sends
 * from then on: REGISTER with credentials on the nonce it has (of the responder with a nonce for each phone); `sip` the first two and calls (INVITE, ACK, BYE) in turn.
 * `--rate` is how many of these exchanges begin in a second: 1, 2 and 3 requests, 2, 4 and 7 packets. Nothing is sent twice, so that a lost packet is a
 * lost exchange. With `--burst` so many exchanges begin
 * at a time without an interruption (SCHED_FIFO), the next ones when these are answered, `--rate` of them a second at most. Times: from sending a request to its first final answer (round trip), and to its arrival at the PBX, which the responder says in X-Arrived (one way).
 * Two of them in one namespace want two ports (`--local`). Prints one line of JSON.
 */
#define _GNU_SOURCE
#include "common.h"

#include <poll.h>

enum { MANY = 1 << 20, SIZE = 4096, STEPS = 3 };

#define FOREVER (INT64_MAX / 2)

enum { OPTIONS, REGISTER, INVITE };

struct options {
    const char *from, *to, *mix, *agent;
    int port, local, cpu;
    uint32_t phones, burst;
    double rate, seconds, patience;
};

/* One request: number n belongs to exchange n / STEPS; what is known of it stands at n modulo MANY. */
struct pending {
    uint64_t number;
    int64_t sent;
    int kind, step, done;
};

struct times {
    uint32_t *ns;
    size_t count, room;
};

static struct pending table[MANY];
static struct times round_trip, one_way;
static uint64_t requests, answered, provisional, again, acks, unsent, packets_in, strange;
static uint32_t overflow;
static int64_t last_answer, last_sent, longest_gap;
static int registers;
static uint32_t started; /* the first CSeq of phones that only register: those of a later run are higher */
static struct sockaddr_storage pbx, first;
static socklen_t pbx_size;
static char (*nonces)[NONCE]; /* of each phone, empty until it is challenged */
static int fd;
static struct options o = {.burst = 1, .mix = "options", .agent = "Yealink SIP-T46S 66.86.0.15", .port = 5060, .local = 5060, .cpu = -1, .phones = 1, .rate = 10, .seconds = 1, .patience = 2};

static void keep(struct times *t, int64_t ns) {
    if (t->count == t->room) {
        t->room = t->room == 0 ? 1 << 16 : t->room * 2;
        t->ns = realloc(t->ns, t->room * sizeof *t->ns);
        if (t->ns == NULL)
            die("memory for times");
    }
    t->ns[t->count++] = ns < 0 ? 0 : ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

/* Sends from the address of a phone: the socket itself is bound to none. */
static int send_as(uint32_t phone, const char *text, size_t size) {
    union {
        char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = (char *)(uintptr_t)text, .iov_len = size};
    struct msghdr message = {.msg_name = &pbx, .msg_namelen = pbx_size, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes};
    struct cmsghdr *c = (struct cmsghdr *)control.bytes;
    if (pbx.ss_family == AF_INET) {
        struct in_pktinfo info = {0};
        info.ipi_spec_dst.s_addr = htonl(ntohl(((struct sockaddr_in *)&first)->sin_addr.s_addr) + phone);
        *c = (struct cmsghdr){.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
        memcpy(CMSG_DATA(c), &info, sizeof info);
        message.msg_controllen = CMSG_SPACE(sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_addr = ((struct sockaddr_in6 *)&first)->sin6_addr};
        info.ipi6_addr.s6_addr32[3] = htonl(ntohl(info.ipi6_addr.s6_addr32[3]) + phone);
        *c = (struct cmsghdr){.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
        memcpy(CMSG_DATA(c), &info, sizeof info);
        message.msg_controllen = CMSG_SPACE(sizeof info);
    }
    return sendmsg(fd, &message, 0) == (ssize_t)size;
}

/* A phone that only registers keeps its Call-ID and counts on (RFC 3261 10.2); all else begins a call of its own. */
static uint64_t call_of(uint64_t exchange) {
    return registers ? exchange % o.phones : exchange;
}

static void request(uint64_t exchange, int step, int kind, const char *method) {
    char text[SIZE];
    uint64_t number = exchange * STEPS + (uint64_t)step;
    uint64_t call = call_of(exchange);
    uint32_t phone = (uint32_t)(exchange % o.phones), cseq = registers ? started + (uint32_t)(exchange / o.phones) * 2 : 0;
    char credentials[300] = "";
    if (kind == REGISTER && nonces[phone][0] != 0 && (step == 1 || strcmp(o.mix, "again") == 0))
        snprintf(credentials, sizeof credentials,
            "Authorization: Digest username=\"%u\", realm=\"lab\", nonce=\"%s\", uri=\"sip:pbx.example\", "
            "response=\"6629fae49393a05397450978507c4ef1\", algorithm=MD5\r\n", 1000 + phone, nonces[phone]);
    int size = snprintf(text, SIZE,
        "%s sip:%s SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.168.0.20:5060;branch=z9hG4bK%016lx;rport\r\n"
        "Max-Forwards: 70\r\n"
        "From: \"Desk %u\" <sip:%u@pbx.example>;tag=%lx\r\n"
        "To: <sip:%u@pbx.example>%s\r\n"
        "Call-ID: %016lx@192.168.0.20\r\n"
        "CSeq: %u %s\r\n"
        "Contact: <sip:%u@192.168.0.20:5060>\r\n"
        "%s"
        "Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, UPDATE, INFO, REFER, NOTIFY, MESSAGE\r\n"
        "User-Agent: %s\r\n"
        "Supported: replaces, timer\r\n"
        "%sContent-Length: 0\r\n\r\n",
        method, kind == REGISTER ? "pbx.example" : "200@pbx.example", number, phone, 1000 + phone, call, kind == REGISTER ? 1000 + phone : 200,
        kind == INVITE && step > 0 ? ";tag=a6c85cf" : "", call, cseq + (kind == INVITE && step == 1 ? 1 : (uint32_t)step + 1), method, 1000 + phone, credentials,
        o.agent, kind == REGISTER ? "Expires: 3600\r\n" : "");
    struct pending *p = &table[number % MANY];
    *p = (struct pending){.number = number, .sent = now(CLOCK_REALTIME), .kind = kind, .step = step};
    int went = send_as(phone, text, (size_t)size);
    unsent += went ? 0 : 1;
    if (strcmp(method, "ACK") == 0) {
        acks += (uint64_t)went;
        p->done = 1;
    } else {
        requests += (uint64_t)went;
    }
}

static void begin(uint64_t exchange) {
    int kind = registers ? REGISTER : strcmp(o.mix, "sip") == 0 ? (int)(exchange % 3) : OPTIONS;
    request(exchange, 0, kind, kind == REGISTER ? "REGISTER" : kind == INVITE ? "INVITE" : "OPTIONS");
}

/* What a phone does after the final answer to a request of its own. */
static void go_on(const struct pending *p, int status, const char *text) {
    uint64_t exchange = p->number / STEPS;
    if (p->kind == REGISTER && p->step == 0 && status == 401) {
        const char *nonce = strstr(text, "nonce=\"");
        snprintf(nonces[exchange % o.phones], NONCE, "%.*s", nonce == NULL ? 0 : (int)strcspn(nonce + 7, "\""), nonce == NULL ? "" : nonce + 7);
        request(exchange, 1, REGISTER, "REGISTER");
    }
    if (p->kind == INVITE && p->step == 0 && status == 200) {
        request(exchange, 1, INVITE, "ACK");
        request(exchange, 2, INVITE, "BYE");
    }
}

/* The number in base `base` behind a piece of text; -1 where that does not stand there. */
static int64_t number_behind(const char *text, const char *what, int base) {
    const char *found = strstr(text, what);
    return found == NULL ? -1 : (int64_t)strtoull(found + strlen(what), NULL, base);
}

/* The longest time without an answer while requests were sent. */
static void heard(int64_t at) {
    if (at - last_answer > longest_gap)
        longest_gap = at - last_answer;
    last_answer = at;
}

static void take(const char *text, int64_t received) {
    int64_t number = number_behind(text, ";branch=z9hG4bK", 16), arrived = number_behind(text, "X-Arrived: ", 10);
    int64_t call = number_behind(text, "Call-ID: ", 16), status = number_behind(text, "SIP/2.0 ", 10);
    struct pending *p = &table[(uint64_t)number % MANY];
    packets_in++;
    if (number < 0 || p->number != (uint64_t)number || (uint64_t)call != call_of((uint64_t)number / STEPS) || arrived < 0 || p->sent == 0) {
        strange++;
        return;
    }
    if (status < 200) {
        provisional++;
        return;
    }
    if (p->done) {
        again++;
        return;
    }
    p->done = 1;
    answered++;
    keep(&round_trip, received - p->sent);
    keep(&one_way, arrived - p->sent);
    heard(received);
    go_on(p, (int)status, text);
}

static void receive(void) {
    char text[SIZE], control[256];
    struct iovec part = {.iov_base = text, .iov_len = SIZE - 1};
    for (uint32_t i = 0; i < 64 + 2 * o.burst; i++) {
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
        if (got < 0)
            return;
        text[got] = 0;
        take(text, received_at(&message, &overflow));
    }
}

static void run(void) {
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    int64_t start = now(CLOCK_MONOTONIC), last = start + (int64_t)(o.seconds * SECOND), at = start, begun = start;
    uint64_t exchanges = 0, most = (uint64_t)(o.rate * o.seconds);
    last_answer = now(CLOCK_REALTIME);
    if (o.burst > 1) /* as many, however long it takes */
        last = FOREVER;
    while (at < last + (int64_t)(o.patience * SECOND) && !(ended && at > last) && !(exchanges == most && answered == requests)) {
        int64_t due = exchanges < most ? start + (int64_t)((double)exchanges / o.rate * SECOND) : at + SECOND / 20;
        while (exchanges < most && due <= at && (o.burst == 1 || answered == requests || at > begun + 2 * SECOND)) {
            begun = at;
            for (uint32_t i = 0; i < o.burst && exchanges < most; i++)
                begin(exchanges++);
            last_sent = now(CLOCK_REALTIME);
            due = start + (int64_t)((double)exchanges / o.rate * SECOND);
        }
        struct timespec wait = {.tv_sec = due > at ? (due - at) / SECOND : 0, .tv_nsec = due > at ? (due - at) % SECOND : 0};
        if (o.burst > 1) { /* answers are taken all at once, too: whoever is measured meanwhile is not interrupted for each */
            sleep_until(due > at + SECOND / 1000 ? due : at + SECOND / 1000);
            receive();
        } else if (ppoll(&waiting, 1, &wait, NULL) > 0)
            receive();
        at = now(CLOCK_MONOTONIC);
        if (exchanges == most && last == FOREVER)
            last = at;
        if (ended && exchanges < most) { /* told to stop: what was sent is still waited for */
            most = exchanges;
            last = at;
        }
    }
    if (last_sent > last_answer)
        heard(last_sent);
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void print_times(const char *name, struct times *t) {
    static const double PARTS[] = {0.5, 0.9, 0.99, 0.999, 1};
    static const char *const NAMES[] = {"p50", "p90", "p99", "p999", "max"};
    qsort(t->ns, t->count, sizeof *t->ns, by_size);
    printf(", \"%s_us\": {", name);
    for (int i = 0; i < 5; i++) {
        size_t at = (size_t)((double)t->count * PARTS[i]);
        at = at >= t->count ? t->count - 1 : at;
        printf("%s\"%s\": %.1f", i == 0 ? "" : ", ", NAMES[i], t->count == 0 ? 0.0 : t->ns[at] / 1000.0);
    }
    printf("}");
}

static void read_options(int argc, char **argv) {
    static const struct option KNOWN[] = {
        {"from", 1, 0, 'f'}, {"phones", 1, 0, 'n'}, {"to", 1, 0, 't'}, {"port", 1, 0, 'p'}, {"rate", 1, 0, 'r'}, {"seconds", 1, 0, 's'},
        {"mix", 1, 0, 'm'}, {"agent", 1, 0, 'a'}, {"patience", 1, 0, 'w'}, {"local", 1, 0, 'l'}, {"cpu", 1, 0, 'c'},
        {"burst", 1, 0, 'b'}, {0},
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", KNOWN, NULL)) != -1) {
        switch (letter) {
        case 'f': o.from = optarg; break;
        case 'n': o.phones = (uint32_t)atoi(optarg); break;
        case 't': o.to = optarg; break;
        case 'p': o.port = atoi(optarg); break;
        case 'r': o.rate = atof(optarg); break;
        case 's': o.seconds = atof(optarg); break;
        case 'm': o.mix = optarg; break;
        case 'a': o.agent = optarg; break;
        case 'l': o.local = atoi(optarg); break;
        case 'w': o.patience = atof(optarg); break;
        case 'c': o.cpu = atoi(optarg); break;
        case 'b': o.burst = (uint32_t)atoi(optarg); break;
        default: exit(2);
        }
    }
    if (o.from == NULL || o.to == NULL || o.phones == 0 || o.rate <= 0 || o.burst == 0)
        die("--from and --to are wanted, and --phones, --rate and --burst above 0");
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    if (o.cpu >= 0)
        stay_on(o.cpu);
    if (o.burst > 1)
        in_one_go();
    registers = strcmp(o.mix, "register") == 0 || strcmp(o.mix, "again") == 0;
    started = (uint32_t)(now(CLOCK_REALTIME) / SECOND);
    nonces = calloc(o.phones, sizeof *nonces);
    if (nonces == NULL)
        die("memory for nonces");
    pbx_size = address(o.to, o.port, &pbx);
    if (address(o.from, o.local, &first) != pbx_size)
        die("%s and %s are of two families", o.from, o.to);
    if (strcmp(o.mix, "again") == 0)
        for (uint32_t i = 0; i < o.phones; i++)
            put_nonce(nonces[i], htonl(ntohl(((struct sockaddr_in *)&first)->sin_addr.s_addr) + i));
    fd = udp_socket(pbx.ss_family, 32 * 1024 * 1024);
    struct sockaddr_storage any;
    address(pbx.ss_family == AF_INET ? "0.0.0.0" : "::", 0, &any);
    ((struct sockaddr_in *)&any)->sin_port = ((struct sockaddr_in *)&first)->sin_port; /* stands at the same place in both families */
    if (bind(fd, (struct sockaddr *)&any, pbx_size) < 0)
        die("port %d", o.local);
    end_on_signals();
    run();
    printf("{\"requests\": %lu, \"answered\": %lu, \"lost\": %lu, \"acks\": %lu, \"provisional\": %lu, \"again\": %lu, \"strange\": %lu", requests, answered,
        requests - answered, acks, provisional, again, strange);
    printf(", \"unsent\": %lu, \"overflow\": %u, \"packets\": %lu, \"longest_gap_ms\": %.1f", unsent, overflow, requests + acks + packets_in,
        (double)longest_gap / 1e6);
    print_times("round_trip", &round_trip);
    print_times("one_way", &one_way);
    printf("}\n");
    return 0;
}
