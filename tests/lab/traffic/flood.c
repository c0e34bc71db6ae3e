/* A flood of forged SIP: whole Ethernet frames from many made-up sources, written to a device as fast as asked.
 *
 *   flood --device lan0 --mac 02:…:01 --to 10.71.2.3 --from 10.80.0.0 --sources 50000 --kind register --rate 500000 --seconds 20 --cpu 1
 *
 * The frame is built once. In each copy the source address and port and the numbers in Call-ID and branch change, and the UDP checksum
 * with them, so that nothing but the judge can tell the packets from lawful ones. `--first` is the first number, for several floods at once.
 * With `--local` all sources send from that port. With `--bursts` each batch of 64 leaves without an interruption (SCHED_FIFO), and the flood ends after
 * `--packets` of them.
 * Prints one line of JSON: what it sent, and how fast.
 */
#define _GNU_SOURCE
#include "common.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

enum { BATCH = 64, FRAME = 1500, DIGITS = 8 };

static const char *const STARTS[][2] = {
    {"options", "OPTIONS"}, {"register", "REGISTER"}, {"invite", "INVITE"}, {"scanner", "OPTIONS"}, {NULL, NULL},
};

struct frame {
    uint8_t bytes[FRAME];
    size_t size, network, udp, payload;
    size_t numbers[2]; /* where the digits of Call-ID and branch stand */
    uint32_t fixed;    /* sum of all that the checksum covers and that never changes */
    int version;
};

struct options {
    const char *device, *mac, *to, *from, *kind;
    int port, local, bursts;
    uint32_t sources, cpu, first, packets;
    double rate, seconds;
};

static uint32_t sum(const uint8_t *bytes, size_t size, size_t position) {
    uint32_t total = 0;
    for (size_t i = 0; i < size; i++)
        total += (position + i) & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return total;
}

static uint16_t folded(uint32_t total) {
    while (total >> 16)
        total = (total & 0xFFFF) + (total >> 16);
    return (uint16_t)total;
}

static size_t put_text(char *out, const struct options *o) {
    const char *method = NULL;
    for (int i = 0; STARTS[i][0] != NULL; i++)
        if (strcmp(STARTS[i][0], o->kind) == 0)
            method = STARTS[i][1];
    if (method == NULL)
        die("kind %s", o->kind);
    const char *agent = strcmp(o->kind, "scanner") == 0 ? "friendly-scanner" : "Yealink SIP-T46S 66.86.0.15";
    return (size_t)snprintf(out, FRAME - 100,
        "%s sip:100@pbx.example SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.168.0.20:5060;branch=z9hG4bK00000000;rport\r\n"
        "Max-Forwards: 70\r\n"
        "From: \"Desk\" <sip:100@pbx.example>;tag=1928301774\r\n"
        "To: <sip:100@pbx.example>\r\n"
        "Call-ID: 3848276298-00000000@192.168.0.20\r\n"
        "CSeq: 1 %s\r\n"
        "Contact: <sip:100@192.168.0.20:5060>\r\n"
        "Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, UPDATE, INFO, REFER, NOTIFY, MESSAGE\r\n"
        "User-Agent: %s\r\n"
        "Supported: replaces, timer\r\n"
        "Expires: 3600\r\n"
        "Content-Length: 0\r\n\r\n",
        method, method, agent);
}

static void put_network(struct frame *f, const struct options *o, const struct sockaddr_storage *to, size_t udp_size) {
    uint8_t *at = f->bytes + f->network;
    if (f->version == 4) {
        struct ip header = {.ip_v = 4, .ip_hl = 5, .ip_ttl = 64, .ip_p = IPPROTO_UDP};
        header.ip_len = htons((uint16_t)(20 + udp_size));
        header.ip_dst = ((const struct sockaddr_in *)to)->sin_addr;
        memcpy(at, &header, sizeof header);
    } else {
        struct ip6_hdr header = {0};
        header.ip6_flow = htonl(6u << 28);
        header.ip6_plen = htons((uint16_t)udp_size);
        header.ip6_nxt = IPPROTO_UDP;
        header.ip6_hlim = 64;
        header.ip6_dst = ((const struct sockaddr_in6 *)to)->sin6_addr;
        memcpy(at, &header, sizeof header);
    }
    struct udphdr udp = {.uh_dport = htons((uint16_t)o->port), .uh_ulen = htons((uint16_t)udp_size)};
    memcpy(f->bytes + f->udp, &udp, sizeof udp);
}

static void build(struct frame *f, const struct options *o) {
    struct sockaddr_storage to;
    unsigned mac[6];
    if (sscanf(o->mac, "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
        die("mac %s", o->mac);
    memset(f, 0, sizeof *f);
    f->version = address(o->to, o->port, &to) == sizeof(struct sockaddr_in) ? 4 : 6;
    f->network = ETH_HLEN;
    f->udp = f->network + (f->version == 4 ? 20 : 40);
    f->payload = f->udp + 8;
    char *text = (char *)f->bytes + f->payload;
    size_t length = put_text(text, o), udp_size = 8 + length;
    f->size = f->payload + length;
    f->numbers[0] = (size_t)(strstr(text, "z9hG4bK") - text) + f->payload + 7;
    f->numbers[1] = (size_t)(strstr(text, "3848276298-") - text) + f->payload + 11;
    for (int i = 0; i < 6; i++) {
        f->bytes[i] = (uint8_t)mac[i];
        f->bytes[6 + i] = (uint8_t)(i == 0 ? 2 : i); /* locally administered */
    }
    f->bytes[12] = f->version == 4 ? 0x08 : 0x86;
    f->bytes[13] = f->version == 4 ? 0x00 : 0xDD;
    put_network(f, o, &to, udp_size);
    size_t destination = f->network + (f->version == 4 ? 16 : 24), width = f->version == 4 ? 4 : 16;
    f->fixed = sum(f->bytes + destination, width, 0) + IPPROTO_UDP + (uint32_t)udp_size;
    f->fixed += sum(f->bytes + f->udp, f->size - f->udp, 0);
    for (int i = 0; i < 2; i++)
        f->fixed -= sum(f->bytes + f->numbers[i], DIGITS, f->numbers[i] - f->udp);
}

/* Another source and another transaction in a copy of the frame. */
static void vary(const struct frame *f, uint8_t *copy, const uint8_t *base, uint32_t number, const struct options *o) {
    static const char HEX[] = "0123456789abcdef";
    size_t width = f->version == 4 ? 4 : 16, at = f->network + (f->version == 4 ? 12 : 8);
    uint32_t low, which = number % o->sources;
    memcpy(copy + at, base, width);
    memcpy(&low, base + width - 4, 4);
    low = htonl(ntohl(low) + which);
    memcpy(copy + at + width - 4, &low, 4);
    uint16_t port = htons((uint16_t)(o->local != 0 ? (uint32_t)o->local : 1024 + (which * 7919 + number / o->sources) % 60000));
    memcpy(copy + f->udp, &port, 2);
    uint32_t total = f->fixed + sum(copy + at, width, 0) + ntohs(port);
    for (int i = 0; i < 2; i++) {
        for (int digit = 0; digit < DIGITS; digit++)
            copy[f->numbers[i] + (size_t)digit] = (uint8_t)HEX[number >> (28 - 4 * digit) & 15];
        total += sum(copy + f->numbers[i], DIGITS, f->numbers[i] - f->udp);
    }
    uint16_t check = (uint16_t)~folded(total);
    check = htons(check == 0 ? 0xFFFF : check);
    memcpy(copy + f->udp + 6, &check, 2);
    if (f->version == 4) {
        memset(copy + f->network + 10, 0, 2);
        check = htons((uint16_t)~folded(sum(copy + f->network, 20, 0)));
        memcpy(copy + f->network + 10, &check, 2);
    }
}

static int open_device(const char *name) {
    int one = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: it receives nothing */
    struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
    if (fd < 0 || where.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&where, sizeof where) < 0)
        die("device %s", name);
    if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0)
        die("PACKET_QDISC_BYPASS");
    return fd;
}

static void run(int fd, const struct frame *f, const struct options *o) {
    static uint8_t copies[BATCH][FRAME];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
    struct sockaddr_storage from;
    const uint8_t *base = address(o->from, 0, &from) == sizeof(struct sockaddr_in)
        ? (uint8_t *)&((struct sockaddr_in *)&from)->sin_addr
        : (uint8_t *)&((struct sockaddr_in6 *)&from)->sin6_addr;
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        memcpy(copies[i], f->bytes, f->size);
        parts[i] = (struct iovec){.iov_base = copies[i], .iov_len = f->size};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    uint64_t sent = 0, refused = 0;
    int64_t start = now(CLOCK_MONOTONIC), end = start + (int64_t)(o->seconds * SECOND), at = start;
    while (at < end && !ended && (o->packets == 0 || sent + refused < o->packets)) {
        for (uint32_t i = 0; i < BATCH; i++)
            vary(f, copies[i], base, o->first + (uint32_t)(sent + refused) + i, o);
        int done = 0;
        while (done < BATCH) {
            int got = sendmmsg(fd, messages + done, (unsigned)(BATCH - done), 0);
            if (got < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
                die("sending");
            sent += got > 0 ? (uint64_t)got : 0;
            refused += got > 0 ? 0 : 1; /* the device's queue was full: this one is lost, as on a wire */
            done += got > 0 ? got : 1;
        }
        at = now(CLOCK_MONOTONIC);
        int64_t due = start + (int64_t)((double)(sent + refused) / o->rate * SECOND);
        if (due > at + 50000) {
            sleep_until(due);
            at = now(CLOCK_MONOTONIC);
        }
    }
    double seconds = (double)(at - start) / SECOND;
    printf("{\"sent\": %lu, \"refused\": %lu, \"seconds\": %.3f, \"rate\": %.0f}\n", sent, refused, seconds, (double)sent / seconds);
}

int main(int argc, char **argv) {
    struct options o = {.device = "lan0", .kind = "register", .port = 5060, .sources = 1, .rate = 1000, .seconds = 1, .cpu = UINT32_MAX};
    static const struct option KNOWN[] = {
        {"device", 1, 0, 'd'}, {"mac", 1, 0, 'm'}, {"to", 1, 0, 't'}, {"port", 1, 0, 'p'}, {"from", 1, 0, 'f'}, {"sources", 1, 0, 'n'},
        {"kind", 1, 0, 'k'}, {"rate", 1, 0, 'r'}, {"seconds", 1, 0, 's'}, {"cpu", 1, 0, 'c'},
        {"first", 1, 0, 'i'}, {"local", 1, 0, 'l'}, {"packets", 1, 0, 'a'}, {"bursts", 0, 0, 'b'}, {0},
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", KNOWN, NULL)) != -1) {
        switch (letter) {
        case 'd': o.device = optarg; break;
        case 'm': o.mac = optarg; break;
        case 't': o.to = optarg; break;
        case 'p': o.port = atoi(optarg); break;
        case 'f': o.from = optarg; break;
        case 'n': o.sources = (uint32_t)atoi(optarg); break;
        case 'k': o.kind = optarg; break;
        case 'r': o.rate = atof(optarg); break;
        case 's': o.seconds = atof(optarg); break;
        case 'c': o.cpu = (uint32_t)atoi(optarg); break;
        case 'i': o.first = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'l': o.local = atoi(optarg); break;
        case 'a': o.packets = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'b': o.bursts = 1; break;
        default: return 2;
        }
    }
    if (o.mac == NULL || o.to == NULL || o.from == NULL || o.sources == 0 || o.rate <= 0)
        die("--mac, --to and --from are wanted, and --sources and --rate above 0");
    if (o.cpu != UINT32_MAX)
        stay_on((int)o.cpu);
    if (o.bursts)
        in_one_go();
    end_on_signals();
    struct frame f;
    build(&f, &o);
    run(open_device(o.device), &f, &o);
    return 0;
}
