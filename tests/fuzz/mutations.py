"""Ways to break a message or a packet: at its joints, where parsers go wrong, as well as at random bytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

from tests.fuzz.corpus import PAYLOAD_MAX, Frame
from tests.support.packets import (
    LINK_ETHERNET,
    LINK_LOOP,
    LINK_NULL,
    LINK_RAW,
    LINK_SLL,
    LINK_SLL2,
    TCP,
    UDP,
    datagram,
    ethernet,
    extension,
    fragment6,
    ipv4,
    ipv6,
    null,
    segment,
    sll,
    sll2,
    tcp,
    udp,
)

LINKS = (LINK_NULL, LINK_ETHERNET, LINK_RAW, LINK_LOOP, LINK_SLL, LINK_SLL2, 12, 14, 228, 229, 105, -1, 2**31 - 1)
NAMES = (
    b"Via v From f To t Call-ID i CSeq Contact m Max-Forwards User-Agent Content-Length l Content-Type c Authorization Proxy-Authorization "
    b"Route Server Expires Subject s X-Foo \xc3\xa4 a b"
).split()
VALUES = (
    b"", b"0", b"-1", b"4294967296", b"99999999999999999999", b"1 INVITE", b"friendly-scanner", b"sip:a@b", b"<sip:a@b>;tag=x", b'"', b'"\\',
    b'"\\"" <sip:x@y>', b"<", b"<sip:", b"sip:%", b"sip:%4", b"sip:[::1", b"tel:", b"SIP/2.0/UDP", b"SIP/2.0/UDP x;branch", b"SIP/2.0/UDP [",
    b"Digest", b'Digest username="', b"Digest username=,,,=", b",", b";;;;", b"=", b'<sip:a@b>;tag="', b"*", b"3132330131323334",
)  # fmt: skip
JUNK = (b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b"\r\n ", b"\n\t", b"\n\r\n", b":", b";", b",", b'"', b"\\", b"<", b">", b"@", b"%", b"=",
        b"/", b"[", b"]", b"\x7f", b"\xff", b"SIP/2.0", b"%00", b"\r\n\r\n", b"\x01", b"\x0b")  # fmt: skip

Random = random.Random


def _place(r: Random, text: bytes) -> int:
    return r.randrange(len(text) + 1)


def insert_junk(r: Random, text: bytes) -> bytes:
    i = _place(r, text)
    return text[:i] + r.choice(JUNK) * r.choice((1, 1, 1, 2, 7)) + text[i:]


def flip_byte(r: Random, text: bytes) -> bytes:
    if not text:
        return text
    i = r.randrange(len(text))
    return text[:i] + bytes((r.randrange(256),)) + text[i + 1 :]


def cut_out(r: Random, text: bytes) -> bytes:
    i, j = sorted((_place(r, text), _place(r, text)))
    return text[:i] + text[j:]


def cut_off(r: Random, text: bytes) -> bytes:
    return text[: _place(r, text)]


def repeat_part(r: Random, text: bytes) -> bytes:
    i, j = sorted((_place(r, text), _place(r, text)))
    return text[:j] + text[i:j] * r.choice((1, 1, 2, 5, 50)) + text[j:]


def odd_line_ends(r: Random, text: bytes) -> bytes:
    return text.replace(
        b"\r\n", r.choice((b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\r\n\t", b"\0\r\n")), r.choice((-1, 1, 3))
    )


def one_line(r: Random, text: bytes) -> bytes:
    """Repeat, drop, move or rewrite one line of the head."""
    lines = text.split(b"\r\n")
    i = r.randrange(len(lines))
    what = r.randrange(5)
    if what == 0:
        lines[i:i] = [lines[i]] * r.choice((1, 2, 30, 300))
    elif what == 1:
        del lines[i]
    elif what == 2:
        j = r.randrange(len(lines))
        lines[i], lines[j] = lines[j], lines[i]
    elif what == 3:
        lines[i] = r.choice(NAMES) + r.choice((b":", b" :", b"\t: ", b"\r\n :", b"\x01:", b"")) + r.choice(VALUES)
    else:
        lines[i] = lines[i].replace(b" ", r.choice((b"\r\n ", b"\t", b"", b"  ")))
    return b"\r\n".join(lines)


def other_case(r: Random, text: bytes) -> bytes:
    return (
        bytes(byte ^ 0x20 if 65 <= byte & 0xDF <= 90 and r.random() < 0.5 else byte for byte in text[:2000])
        + text[2000:]
    )


def lie_about_length(r: Random, text: bytes) -> bytes:
    lie = r.choice((b"0", b"1", b"7", b"100000", b"-1", b"4294967295", b"00000000000000000001", b" 5 ", b"5;x", b""))
    return text.replace(b"Content-Length: 0", b"Content-Length: " + lie, 1)


def escape_some(r: Random, text: bytes) -> bytes:
    return b"".join(b"%%%02x" % byte if r.random() < 0.02 else bytes((byte,)) for byte in text[:3000]) + text[3000:]


MESSAGE_MUTATIONS: tuple[Callable[[Random, bytes], bytes], ...] = (
    insert_junk, insert_junk, flip_byte, cut_out, cut_off, repeat_part, odd_line_ends, one_line, one_line, one_line, other_case,
    lie_about_length, escape_some,
)  # fmt: skip


def mutate_message(r: Random, text: bytes, others: Sequence[bytes]) -> bytes:
    """A few mutations in a row, among them a splice with another message."""
    for _ in range(r.choice((1, 1, 2, 3, 6))):
        if r.random() < 0.1:
            other = r.choice(others)
            text = text[: _place(r, text)] + other[_place(r, other) :]
        else:
            text = r.choice(MESSAGE_MUTATIONS)(r, text)
    return text[:PAYLOAD_MAX]


def wrap(r: Random, payload: bytes) -> Frame:
    """A packet around a payload; half of the time something about it is not true."""
    port = r.choice((5060, 5060, 5060, 40_000, 4569))
    what = r.randrange(12)
    if what < 4:
        inner = datagram(payload, dport=port)
    elif what == 4:
        inner = segment(payload, dport=port)
    elif what == 5:
        inner = ipv4(
            udp(payload, dport=port, length=r.choice((0, 7, 8, 9, 65_535, len(payload)))),
            length=r.choice((None, 0, 19, 20, 28, 65_535)),
        )
    elif what == 6:
        inner = ipv4(
            udp(payload), offset=r.choice((0, 8, 65_528)), more=r.random() < 0.5, options=bytes(4 * r.randrange(11))
        )
    elif what == 7:
        inner = ipv6(
            _extensions(r, udp(payload, dport=port)),
            next_header=r.choice((0, 43, 44, 51, 60, 17, 6, 59)),
            length=r.choice((None, None, 0, 7)),
        )
    elif what == 8:
        inner = ipv6(
            fragment6(r.choice((17, 6, 60)), udp(payload), offset=r.choice((0, 8, 65_528)), more=r.random() < 0.5),
            next_header=44,
        )
    elif what == 9:
        inner = ipv4(tcp(payload, options=bytes(4 * r.randrange(11))), protocol=TCP)
    elif what == 10:
        inner = ipv4(udp(payload), protocol=r.choice((UDP, TCP, 1, 4, 41, 47, 132)))
    else:
        inner = flip_byte(r, datagram(payload))
    return _link(r, inner)


def _extensions(r: Random, body: bytes) -> bytes:
    inner = 17
    for _ in range(r.choice((0, 1, 2, 9, 40))):
        kind = r.choice((0, 43, 51, 60, 44))
        body = fragment6(inner, body, more=r.random() < 0.1) if kind == 44 else extension(inner, body, kind=kind)
        inner = kind
    return body


def _link(r: Random, inner: bytes) -> Frame:
    what = r.randrange(7)
    if what == 0:
        return LINK_ETHERNET, ethernet(inner, tags=[r.choice((0x8100, 0x88A8, 0x9100))] * r.choice((0, 1, 2, 8, 9)))
    if what == 1:
        return LINK_SLL, sll(inner)
    if what == 2:
        return LINK_SLL2, sll2(inner, kind=r.randrange(6), link_address=r.choice((bytes(8), b"SIPSEN\x01\x00")))
    if what == 3:
        return LINK_NULL, null(inner, r.choice((2, 10, 24, 28, 30, 7)), r.choice("<>"))
    return LINK_RAW, inner


def mutate_frame(r: Random, frame: Frame) -> Frame:
    """Break the headers of a packet of the corpus."""
    link, data = frame
    for _ in range(r.choice((1, 1, 2, 4))):
        what = r.randrange(4)
        if what == 0:
            data = data[: _place(r, data)]
        elif what == 1 and data:
            i = r.randrange(min(len(data), 80))
            data = data[:i] + bytes((r.randrange(256),)) + data[i + 1 :]
        elif what == 2:
            link = r.choice(LINKS)
        else:
            data = insert_junk(r, data)
    return link, data


def hostile_index(r: Random, data: bytes, count: int) -> bytes:
    """Records of a batch that point anywhere."""
    size = len(data)
    numbers = (0, 1, size, max(size - 1, 0), size + 1, 2**31, 2**32 - 1, r.randrange(size + 1), r.randrange(size + 1))
    records = b"".join(struct.pack("=4I", *(r.choice(numbers) for _ in range(4))) for _ in range(count))
    return records[: len(records) - r.choice((0, 0, 1, 15))]
