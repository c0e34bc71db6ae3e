import struct

from sipsensor.model import Arrival
from sipsensor.sources.pcap.base import LINUX_SLL2, RECORD, Batch, mark_of, packets
from tests.support.packets import datagram, sll2


def batch(*pieces: bytes, nanoseconds: bool = False, link: int = 101) -> Batch:
    records, offset = b"", 0
    for number, piece in enumerate(pieces):
        records += RECORD.pack(10, 7 + number, offset, len(piece))
        offset += len(piece)
    return Batch(b"".join(pieces), records, link, nanoseconds, 5)


def test_a_record_is_what_next_batch_writes() -> None:
    assert RECORD.size == 16
    assert RECORD.pack(1, 2, 3, 4) == struct.pack("=4I", 1, 2, 3, 4)


def test_packets_of_a_batch_have_number_time_and_bytes() -> None:
    first, second = packets(batch(b"abc", b"", nanoseconds=True))
    assert (first.number, first.ts, first.data, first.link) == (5, 10_000_000_007, b"abc", 101)
    assert (second.number, second.ts, second.data) == (6, 10_000_000_008, b"")
    assert next(packets(batch(b"abc"))).ts == 10_000_007_000


def test_a_batch_knows_its_size() -> None:
    assert batch(b"a", b"b", b"c").size == 3


def test_our_own_mark_gives_arrival_and_verdict() -> None:
    for kind, arrival in ((0, Arrival.INBOUND), (4, Arrival.OUTBOUND), (3, Arrival.FORGED)):
        for verdict in (0, 1):
            frame = sll2(datagram(b"x"), kind=kind, link_address=b"SIPSEN" + bytes((verdict, 0)))
            assert mark_of(frame, LINUX_SLL2) == (arrival, verdict)
            assert next(packets(batch(frame, link=LINUX_SLL2))).arrival is arrival


def test_other_captures_have_no_mark() -> None:
    plain = sll2(datagram(b"x"))
    marked = sll2(datagram(b"x"), link_address=b"SIPSEN\0\0")
    for frame, link in ((plain, LINUX_SLL2), (marked, 113), (marked[:19], LINUX_SLL2), (b"", LINUX_SLL2)):
        assert mark_of(frame, link) == (Arrival.UNKNOWN, None)


def test_a_mark_with_an_unknown_verdict_still_gives_the_arrival() -> None:
    frame = sll2(datagram(b"x"), link_address=b"SIPSEN\x07\0")
    assert mark_of(frame, LINUX_SLL2) == (Arrival.INBOUND, None)
