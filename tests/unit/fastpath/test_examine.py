import struct

import pytest

from sipsensor.fastpath.examine import (
    CONTENT_NONE,
    CONTENT_OTHER,
    CONTENT_REQUEST,
    DECODED_FRAGMENT,
    DECODED_OK,
    DECODED_OTHER,
    Examiner,
)
from sipsensor.fastpath.matcher import Matcher
from sipsensor.model import Arrival, Packet
from tests.support.packets import (
    LINK_ETHERNET,
    LINK_RAW,
    PBX,
    STRANGER,
    TCP,
    datagram,
    ethernet,
    ipv4,
    message,
    segment,
    tcp,
    udp,
)
from tests.support.scanning import PLAIN, SEED, examine, frame, raw

TEXT = message()
MEDIA = datagram(b"\x80\x00" + bytes(170), sport=10_000, dport=20_000)


def batch(packets: list[bytes]) -> tuple[bytes, bytes]:
    """Data and index as a capture reader gives them; the packets are a second apart and stand a few bytes apart."""
    data, records = b"", b""
    for number, packet in enumerate(packets):
        data += b"gap"
        records += struct.pack("=4I", 1000 + number, 5, len(data), len(packet))
        data += packet
    return data, records


def test_a_packet_lends_its_time_number_and_arrival() -> None:
    e = PLAIN.examine(Packet(77, datagram(TEXT), LINK_RAW, 5, 9000, Arrival.INBOUND))
    assert (e.ts, e.number, e.wire_length, e.arrival, e.link) == (77, 5, 9000, Arrival.INBOUND, LINK_RAW)
    assert e.data == datagram(TEXT)
    assert PLAIN.examine_raw(datagram(TEXT), LINK_RAW, 0).wire_length == len(datagram(TEXT))


def test_a_message_is_found_on_any_udp_port_but_broken_sip_only_on_sip_ports() -> None:
    examiner = Examiner(Matcher(), (5060, 5080), SEED)
    for ports, broken in (((5060, 9), True), ((9, 5080), True), ((9, 10), False)):
        whole = examiner.examine_raw(datagram(TEXT, sport=ports[0], dport=ports[1]), LINK_RAW, 0)
        bad = examiner.examine_raw(datagram(b"OPTIONS", sport=ports[0], dport=ports[1]), LINK_RAW, 0)
        assert whole.content == CONTENT_REQUEST
        assert (bad.malformation != 0) == broken


@pytest.mark.parametrize("ports", [(0,), (65_536,), (-1,)])
def test_ports_out_of_range_are_refused(ports: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="port"):
        Examiner(Matcher(), ports)


def test_a_seed_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16"):
        Examiner(Matcher(), (5060,), b"short")


def test_without_a_seed_keys_are_random() -> None:
    one, other = Examiner(Matcher()), Examiner(Matcher())
    assert (
        one.examine_raw(datagram(TEXT), LINK_RAW, 0).source_key
        != other.examine_raw(datagram(TEXT), LINK_RAW, 0).source_key
    )


def test_a_whole_made_of_pieces_is_a_packet_like_any_other() -> None:
    piece = frame(ipv4(udp(TEXT)[80:], offset=80))
    whole = PLAIN.examine_whole(piece, udp(TEXT))
    assert (whole.decoded, whole.content, whole.payload, whole.fragment_key) == (DECODED_OK, CONTENT_REQUEST, TEXT, b"")
    assert (whole.src_text, whole.dst_text, whole.sport) == (STRANGER, PBX, 5060)
    assert whole.transaction_key == examine(TEXT).transaction_key
    assert PLAIN.examine_whole(piece, tcp(TEXT), TCP).payload == TEXT
    assert PLAIN.examine_whole(piece, TEXT, 132).decoded == DECODED_OTHER
    assert PLAIN.examine_whole(piece, b"").content == CONTENT_NONE


def test_a_walk_gives_what_must_be_judged_and_counts_the_rest() -> None:
    examiner = Examiner(Matcher(), (5060,), SEED)
    packets = [
        ethernet(packet)
        for packet in (
            datagram(TEXT),
            MEDIA,
            datagram(TEXT, sport=9, dport=10),
            datagram(b"\r\n"),
            ipv4(udp(TEXT)[:80], more=True),
            ipv4(TEXT, protocol=132),
            segment(b"", sport=80, dport=8080),
            ipv4(b"", length=19),
        )
    ]
    packets.append(bytes(12) + b"\x08\x06" + bytes(28))
    data, index = batch(packets)
    walk = examiner.walk(data, index, LINK_ETHERNET, nanoseconds=False, first_number=11)
    judged = list(walk)
    assert [e.number for e in judged] == [11, 13, 14, 15]
    assert [e.decoded for e in judged] == [DECODED_OK] * 3 + [DECODED_FRAGMENT]
    assert judged[0].data == packets[0]
    assert judged[0].ts == 1000 * 10**9 + 5000
    assert (walk.packets, walk.bytes, walk.last) == (len(packets), sum(map(len, packets)), 1008 * 10**9 + 5000)
    assert examiner.skipped == {"media": 2, "not_ip": 1, "unknown_link": 0, "broken": 1, "other_transport": 1}


def test_a_walk_through_nanoseconds_and_unknown_links() -> None:
    examiner = Examiner(Matcher(), (5060,), SEED)
    data, index = batch([datagram(TEXT)])
    assert next(examiner.walk(data, index, LINK_RAW, nanoseconds=True, first_number=1)).ts == 1000 * 10**9 + 5
    assert list(examiner.walk(data, index, 105, nanoseconds=True, first_number=1)) == []
    assert examiner.skipped["unknown_link"] == 1
    nothing = examiner.walk(b"", b"", LINK_RAW, nanoseconds=True, first_number=1)
    assert list(nothing) == []
    assert (nothing.packets, nothing.bytes, nothing.last) == (0, 0, 0)


@pytest.mark.parametrize(
    "record",
    [
        (0, 0, 2**32 - 1, 2**32 - 1),
        (0, 0, 0, 2**32 - 1),
        (0, 0, 5000, 10),
        (2**32 - 1, 2**32 - 1, 3, 100),
        (0, 0, 0, 0),
    ],
)
def test_a_record_that_lies_is_never_believed(record: tuple[int, ...]) -> None:
    data, _ = batch([datagram(TEXT)])
    walk = PLAIN.walk(data, struct.pack("=4I", *record) + b"rest", LINK_RAW, nanoseconds=False, first_number=1)
    judged = list(walk)
    assert walk.packets == 1
    assert walk.bytes <= len(data)
    assert walk.last == record[0] * 10**9 + record[1] * 1000
    assert all(e.data in data for e in judged)


def test_other_transports_and_contents() -> None:
    assert frame(MEDIA).content == CONTENT_OTHER
    assert raw(frame(segment(TEXT)), "user-agent") == b"Z 5.4.12 v2.10.11.7"
