import struct

import pytest

from sipsensor.fastpath import examine as ex
from tests.support.packets import (
    LINK_ETHERNET,
    LINK_LOOP,
    LINK_NULL,
    LINK_RAW,
    LINK_SLL,
    LINK_SLL2,
    PBX,
    PBX6,
    STRANGER,
    STRANGER6,
    TCP,
    datagram,
    ethernet,
    extension,
    fragment6,
    ipv4,
    ipv6,
    message,
    null,
    segment,
    sll,
    sll2,
    tcp,
    udp,
    wide,
)
from tests.support.scanning import PLAIN, anomalies, frame

TEXT = message()
FOUR = datagram(TEXT)
SIX = datagram(TEXT, STRANGER6, PBX6)


@pytest.mark.parametrize(
    ("link", "data"),
    [
        (LINK_RAW, FOUR),
        (LINK_RAW, SIX),
        (12, FOUR),
        (14, SIX),
        (228, FOUR),
        (229, SIX),
        (LINK_ETHERNET, ethernet(FOUR)),
        (LINK_ETHERNET, ethernet(SIX)),
        (LINK_ETHERNET, ethernet(FOUR, tags=[0x8100])),
        (LINK_ETHERNET, ethernet(SIX, tags=[0x88A8, 0x8100])),
        (LINK_ETHERNET, ethernet(FOUR, tags=[0x9100] * 8)),
        (LINK_SLL, sll(FOUR)),
        (LINK_SLL, sll(SIX)),
        (LINK_SLL2, sll2(FOUR)),
        (LINK_SLL2, sll2(SIX)),
        (LINK_NULL, null(FOUR)),
        (LINK_NULL, null(FOUR, order=">")),
        (LINK_LOOP, null(FOUR, order=">")),
        *((LINK_NULL, null(SIX, family)) for family in (10, 24, 28, 30)),
    ],
)
def test_every_link_type_leads_to_the_message(link: int, data: bytes) -> None:
    e = frame(data, link)
    assert (e.decoded, e.content, e.payload) == (ex.DECODED_OK, ex.CONTENT_REQUEST, TEXT)
    four = e.version == 4
    assert (e.src, e.dst) == ((wide(STRANGER), wide(PBX)) if four else (wide(STRANGER6), wide(PBX6)))
    assert (e.src_text, e.dst_text) == ((STRANGER, PBX) if four else (STRANGER6, PBX6))
    assert (e.sport, e.dport, e.transport) == (5060, 5060, 17)


@pytest.mark.parametrize(
    ("link", "data", "decoded"),
    [
        (105, FOUR, ex.DECODED_UNKNOWN_LINK),
        (-1, FOUR, ex.DECODED_UNKNOWN_LINK),
        (LINK_ETHERNET, bytes(12) + b"\x08\x06" + bytes(28), ex.DECODED_NOT_IP),
        (LINK_ETHERNET, ethernet(FOUR, tags=[0x8100] * 9), ex.DECODED_NOT_IP),
        (LINK_ETHERNET, bytes(9), ex.DECODED_NOT_IP),
        (LINK_NULL, null(FOUR, 7), ex.DECODED_NOT_IP),
        (LINK_RAW, b"", ex.DECODED_NOT_IP),
        (LINK_RAW, b"\x55" + FOUR[1:], ex.DECODED_NOT_IP),
        (228, b"\x45", ex.DECODED_BROKEN),
        (LINK_ETHERNET, bytes(12) + b"\x86\xdd" + FOUR, ex.DECODED_BROKEN),
        (LINK_RAW, b"\x44" + FOUR[1:], ex.DECODED_BROKEN),
        (LINK_RAW, ipv4(udp(TEXT), length=19), ex.DECODED_BROKEN),
        (LINK_RAW, ipv4(udp(TEXT, length=7)), ex.DECODED_BROKEN),
        (LINK_RAW, ipv4(udp(TEXT, length=len(TEXT) + 9)), ex.DECODED_BROKEN),
        (LINK_RAW, ipv4(b"1234567"), ex.DECODED_BROKEN),
        (LINK_RAW, ipv4(tcp(TEXT)[:19], protocol=TCP), ex.DECODED_BROKEN),
        (LINK_RAW, ipv4(tcp(b"")[:12] + b"\xf0" + bytes(7), protocol=TCP), ex.DECODED_BROKEN),
        (LINK_RAW, ipv6(extension(17, b"")[:7], next_header=60), ex.DECODED_BROKEN),
        (LINK_RAW, ipv6(b"\x11\xff" + bytes(14), next_header=60), ex.DECODED_BROKEN),
        (LINK_RAW, ipv4(TEXT, protocol=132), ex.DECODED_OTHER),
        (LINK_RAW, ipv6(TEXT, next_header=59), ex.DECODED_OTHER),
    ],
)
def test_what_leads_nowhere_says_why(link: int, data: bytes, decoded: int) -> None:
    e = frame(data, link)
    assert (e.decoded, e.content, e.payload, e.anomalies) == (decoded, ex.CONTENT_NONE, b"", 0)


def test_the_length_of_the_ip_header_counts_not_that_of_the_capture() -> None:
    assert frame(ethernet(FOUR) + bytes(30), LINK_ETHERNET).payload == TEXT
    assert frame(ethernet(SIX) + bytes(30), LINK_ETHERNET).payload == TEXT


def test_the_udp_length_cuts_the_payload() -> None:
    assert frame(ipv4(udp(TEXT + b"behind", length=8 + len(TEXT)))).payload == TEXT


def test_lengths_of_zero_reach_to_the_end_as_offloading_leaves_them() -> None:
    assert frame(ipv4(udp(TEXT, length=0), length=0)).payload == TEXT
    assert frame(ipv6(udp(TEXT, length=0), length=0)).payload == TEXT


@pytest.mark.parametrize("data", [FOUR, SIX])
def test_a_cut_capture_is_flagged_and_read_as_far_as_it_goes(data: bytes) -> None:
    e = frame(data[:-100])
    assert e.truncated
    assert e.payload == TEXT[:-100]
    assert e.content == ex.CONTENT_REQUEST
    assert not frame(data).truncated


def test_ip_and_tcp_options_are_passed_over() -> None:
    assert frame(ipv4(udp(TEXT), options=bytes(40))).payload == TEXT
    assert frame(ipv4(tcp(TEXT, options=bytes(40)), protocol=TCP)).payload == TEXT


@pytest.mark.parametrize("count", [1, 8, 9, 200])
def test_any_number_of_extension_headers_hides_nothing(count: int) -> None:
    body, inner = udp(TEXT), 17
    for number in range(count):
        kind = (60, 43, 51, 0)[number % 4]
        body, inner = extension(inner, body, kind=kind), kind
    e = frame(ipv6(body, next_header=inner))
    assert (e.decoded, e.payload) == (ex.DECODED_OK, TEXT)


def test_an_atomic_fragment_is_a_whole_packet() -> None:
    e = frame(ipv6(fragment6(60, extension(17, udp(TEXT)), more=False), next_header=44))
    assert (e.decoded, e.payload, e.fragment_key) == (ex.DECODED_OK, TEXT, b"")


def test_fragments_name_their_place() -> None:
    first = frame(ipv4(udp(TEXT)[:64], more=True, ident=77))
    later = frame(ipv4(udp(TEXT)[64:], offset=64, ident=77))
    assert (first.decoded, later.decoded) == (ex.DECODED_FRAGMENT, ex.DECODED_FRAGMENT)
    assert (first.fragment_offset, first.fragment_more) == (0, True)
    assert (later.fragment_offset, later.fragment_more) == (64, False)
    assert first.fragment + later.fragment == udp(TEXT)
    assert first.fragment_key == later.fragment_key
    assert first.fragment_key != frame(ipv4(udp(TEXT)[:64], more=True, ident=78)).fragment_key
    assert first.fragment_key != frame(ipv4(udp(TEXT)[:64], more=True, ident=77, protocol=TCP)).fragment_key


def test_ipv6_fragments_belong_together_whatever_later_ones_call_the_next_header() -> None:
    first = frame(ipv6(extension(44, fragment6(17, bytes(8))), next_header=60))
    later = frame(ipv6(fragment6(59, bytes(8), offset=8, more=False), next_header=44))
    assert first.fragment_key == later.fragment_key
    assert (later.fragment_offset, later.fragment_more, later.fragment) == (8, False, bytes(8))


@pytest.mark.parametrize(("kind", "arrival"), [(0, 1), (4, 2), (3, 3)])
@pytest.mark.parametrize("verdict", [0, 1])
def test_our_recordings_carry_arrival_and_verdict(kind: int, arrival: int, verdict: int) -> None:
    e = frame(sll2(FOUR, kind=kind, link_address=b"SIPSEN" + bytes((verdict, 0))), LINK_SLL2)
    assert (e.arrival, e.recorded_verdict, e.payload) == (arrival, verdict, TEXT)


def test_other_cooked_captures_say_nothing_of_arrival() -> None:
    e = frame(sll2(FOUR, kind=4), LINK_SLL2)
    assert (e.arrival, e.recorded_verdict) == (0, -1)


def test_nothing_of_the_packet_before_shows_in_one_that_cannot_be_read() -> None:
    PLAIN.examine_raw(datagram(TEXT.replace(b"Content-Length: 0", b"Content-Length: 1") + b"x" + TEXT), LINK_RAW, 0)
    e = frame(ipv4(TEXT, protocol=132))
    assert (e.anomalies, e.has_following, e.header_count, e.cseq_number, e.content_length) == (0, False, 0, -1, -1)
    assert e.headers() == []


def test_media_beside_the_sip_ports_is_seen_by_its_first_byte() -> None:
    rtp = struct.pack(">BBHII", 0x80, 0, 1, 2, 3) + bytes(160)
    e = frame(datagram(rtp, sport=10_000, dport=20_000))
    assert (e.content, anomalies(e)) == (ex.CONTENT_OTHER, set())
    assert frame(datagram(TEXT, sport=10_000, dport=20_000)).content == ex.CONTENT_REQUEST


def test_tcp_is_read_as_far_as_a_segment_goes() -> None:
    e = frame(segment(TEXT))
    assert (e.transport, e.content, e.payload) == (TCP, ex.CONTENT_REQUEST, TEXT)
