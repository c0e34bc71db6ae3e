import io
from itertools import pairwise
from pathlib import Path

import pytest

from sipsensor.model import Packet
from sipsensor.sources.pcap import Capture
from sipsensor.sources.pcap.base import Batch, packets
from sipsensor.sources.pcap.pcapng import Pcapng
from tests.support.captures import (
    START,
    block,
    enhanced,
    interface,
    obsolete,
    option,
    pcap,
    resolution,
    section,
    simple,
)

NANO = resolution(9)


def read(content: bytes) -> tuple[list[Packet], str]:
    reader = Pcapng(io.BytesIO(content))
    found = [packet for batch in reader.batches() for packet in packets(batch)]
    return found, reader.notice


@pytest.mark.parametrize("order", ["<", ">"])
def test_nanoseconds_in_both_byte_orders(order: str) -> None:
    content = section(order) + interface(1, order, options=resolution(9, order))
    stamps = [START, START + 1, START + 999_999_999]
    content += b"".join(enhanced(bytes([n]) * 61, ts, order=order) for n, ts in enumerate(stamps))
    found, notice = read(content)
    assert [(p.ts, p.data, p.number, p.link) for p in found] == [
        (ts, bytes([n]) * 61, n + 1, 1) for n, ts in enumerate(stamps)
    ]
    assert notice == ""


@pytest.mark.parametrize(
    ("option_value", "stamp", "ts"),
    [
        (b"", 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (resolution(6), 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (resolution(3), 1_700_000_000_123, 1_700_000_000_123_000_000),
        (resolution(0), 1_700_000_000, 1_700_000_000_000_000_000),
        (resolution(12), 1_700_000_000_123_456_789, 1_700_000_000_123_456),
        (resolution(0x80 | 10), (1_700_000_000 << 10) + 512, 1_700_000_000_500_000_000),
        (resolution(9) + option(14, (3600).to_bytes(8, "little", signed=True)), START, START + 3_600_000_000_000),
        (option(14, (-3600).to_bytes(8, "little", signed=True)) + NANO, START, START - 3_600_000_000_000),
        (option(0, b"") + NANO, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
    ],
    ids=["default", "micro", "milli", "seconds", "pico", "binary", "offset", "negative-offset", "behind-the-end"],
)
def test_resolutions_and_offsets(option_value: bytes, stamp: int, ts: int) -> None:
    found, _ = read(section() + interface(options=option_value) + enhanced(b"abcd", stamp))
    assert [packet.ts for packet in found] == [ts]


def test_times_outside_the_index_stay_packets() -> None:
    early = interface(options=NANO + option(14, (-(1 << 40)).to_bytes(8, "little", signed=True)))
    late = interface(options=resolution(0))
    content = section() + early + late + enhanced(b"a", START) + enhanced(b"b", (1 << 64) - 1, number=1)
    found, notice = read(content)
    assert [packet.ts for packet in found] == [0, (1 << 32) * 1_000_000_000 - 1]
    assert notice == ""


def test_link_types_may_change_within_a_file() -> None:
    content = section() + interface(1, options=NANO) + interface(113, options=NANO)
    content += b"".join(enhanced(bytes([n]), START + n, number=n // 2 % 2) for n in range(8))
    batches = list(Pcapng(io.BytesIO(content)).batches())
    assert [batch.link for batch in batches] == [1, 113, 1, 113]
    assert [batch.first_number for batch in batches] == [1, 3, 5, 7]
    assert [packet.data for batch in batches for packet in packets(batch)] == [bytes([n]) for n in range(8)]


@pytest.mark.parametrize(("linktype", "dlt"), [(101, 12), (1, 1), (113, 113), (276, 276)])
def test_link_types_have_the_numbers_that_libpcap_gives_them(tmp_path: Path, linktype: int, dlt: int) -> None:
    found, _ = read(section() + interface(linktype) + enhanced(b"x", START))
    assert found[0].link == dlt
    file = tmp_path / "same.pcap"
    file.write_bytes(pcap([(START, b"x")], link=linktype))
    assert {batch.link for batch in Capture(file).batches()} == {dlt}


def test_a_new_section_forgets_the_interfaces_and_may_change_the_byte_order() -> None:
    first = section() + interface(1, options=NANO) + enhanced(b"one", START)
    second = section(">") + interface(113, ">", options=resolution(9, ">")) + enhanced(b"two", START + 5, order=">")
    found, _ = read(first + second)
    assert [(packet.link, packet.ts, packet.data) for packet in found] == [(1, START, b"one"), (113, START + 5, b"two")]
    found, notice = read(first + section() + enhanced(b"lost", START))
    assert len(found) == 1
    assert notice == "a packet of interface 0, which is not described"


def test_simple_packets_take_the_time_before_them_and_the_snap_length() -> None:
    content = section() + interface(1, options=NANO, snap=4) + enhanced(b"abc", START) + simple(b"abcdefgh")
    found, _ = read(content)
    assert [(packet.ts, packet.data) for packet in found] == [(START, b"abc"), (START, b"abcd")]


def test_obsolete_packet_blocks_are_read() -> None:
    found, _ = read(section() + interface(1, options=NANO) + obsolete(b"old", START))
    assert [(packet.ts, packet.data) for packet in found] == [(START, b"old")]


def test_unknown_blocks_are_passed_over() -> None:
    other = block(4, b"names") + block(5, b"statistics") + block(0x0BAD, b"custom")
    found, notice = read(section() + other + interface(1, options=NANO) + other + enhanced(b"x", START) + other)
    assert (len(found), notice) == (1, "")


@pytest.mark.parametrize("cut", [1, 4, 20, 40])
def test_a_truncated_file_is_read_to_its_last_whole_packet(cut: int) -> None:
    content = section() + interface(1, options=NANO) + b"".join(enhanced(bytes(40), START + n) for n in range(5))
    found, notice = read(content[:-cut])
    assert [packet.number for packet in found] == [1, 2, 3, 4]
    assert notice.startswith("cut short inside a block")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (b"\6\0\0\0" + (8).to_bytes(4, "little") + bytes(40), "a block of 8 bytes cannot be"),
        (b"\6\0\0\0" + (33).to_bytes(4, "little") + bytes(40), "a block of 33 bytes cannot be"),
        (b"\6\0\0\0" + (1 << 25).to_bytes(4, "little") + bytes(40), "a block of 33554432 bytes cannot be"),
        (enhanced(b"abcd", 1, captured=900), "a packet of 900 bytes in a block of 36"),
        (enhanced(b"abcd", 1, number=3), "a packet of interface 3, which is not described"),
        (block(6, b"short"), "a packet block of 20 bytes cannot be"),
        (block(3, b""), "a packet block of 12 bytes cannot be"),
        (block(1, b"ab"), "an interface description without its link type"),
        (block(0x0A0D0D0A, b"no magic here"), "a section header without its byte-order magic"),
    ],
)
def test_damage_ends_the_file_and_is_named(damage: bytes, what: str) -> None:
    content = section() + interface(1, options=NANO) + enhanced(b"good", START) + damage + enhanced(b"lost", START)
    found, notice = read(content)
    assert [packet.data for packet in found] == [b"good"]
    assert notice == what


def test_damage_of_the_stream_is_said() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError("damaged gzip data: bad block")
            return super().read(size)

    reader = Pcapng(Broken(section() + interface(1, options=NANO) + enhanced(b"good", START)))
    assert sum(batch.size for batch in reader.batches()) == 1
    assert reader.notice == "damaged gzip data: bad block"


def test_a_large_file_in_many_chunks_loses_nothing() -> None:
    sizes = [n * 37 % 1500 for n in range(3000)]
    content = section() + interface(1, options=NANO)
    content += b"".join(enhanced(bytes([n % 256]) * size, START + n) for n, size in enumerate(sizes))
    batches: list[Batch] = list(Pcapng(io.BytesIO(content)).batches())
    assert len(batches) > 10
    assert all(before.first_number + before.size == after.first_number for before, after in pairwise(batches))
    found = [packet for batch in batches for packet in packets(batch)]
    assert [(p.ts, p.data) for p in found] == [(START + n, bytes([n % 256]) * size) for n, size in enumerate(sizes)]


def test_a_block_larger_than_a_chunk() -> None:
    content = section() + interface(1, options=NANO) + enhanced(bytes(1_000_000), START) + enhanced(b"x", START)
    found, notice = read(content)
    assert ([len(packet.data) for packet in found], notice) == ([1_000_000, 1], "")
