import threading
from pathlib import Path

import pytest

from sipsensor.model import Packet
from sipsensor.sources.pcap.base import CaptureError, packets
from sipsensor.sources.pcap.classic import BATCH, Classic
from tests.support.captures import KUZNETZOV, MICRO, NANO, START, pcap


def many(count: int) -> list[tuple[int, bytes]]:
    return [(START + number * 1_000_001, bytes([number % 256]) * (number % 70)) for number in range(count)]


def read(file: Path, *, piped: bool) -> tuple[list[Packet], str]:
    reader = Classic(str(file), lambda: file.open("rb"), piped=piped)
    found = [packet for batch in reader.batches() for packet in packets(batch)]
    return found, reader.notice


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "capture.pcap"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 1, 5 * BATCH + 3])
def test_microseconds_straight_and_through_a_pipe(file: Path, order: str, count: int) -> None:
    file.write_bytes(pcap(many(count), order=order))
    for piped in (False, True):
        found, notice = read(file, piped=piped)
        assert [(packet.ts, packet.data) for packet in found] == [(ts // 1000 * 1000, data) for ts, data in many(count)]
        assert [packet.number for packet in found] == list(range(1, count + 1))
        assert notice == ""


@pytest.mark.parametrize("order", ["<", ">"])
def test_nanoseconds_come_out_exactly_through_a_pipe(file: Path, order: str) -> None:
    file.write_bytes(pcap(many(300), magic=NANO, order=order))
    found, notice = read(file, piped=True)
    assert [(packet.ts, packet.data) for packet in found] == many(300)
    assert notice == ""


def test_a_file_larger_than_the_pipe(file: Path) -> None:
    content = [(START + number, bytes(60_000)) for number in range(100)]
    file.write_bytes(pcap(content, magic=NANO))
    found, _ = read(file, piped=True)
    assert [packet.ts for packet in found] == [ts for ts, _ in content]


def test_the_link_type_comes_with_each_batch(file: Path) -> None:
    file.write_bytes(pcap(many(3), link=113))
    assert {packet.link for packet in read(file, piped=False)[0]} == {113}


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("magic", [MICRO, NANO])
@pytest.mark.parametrize("cut", [1, 30, 60])
def test_a_truncated_file_is_read_to_its_last_whole_packet(file: Path, *, piped: bool, magic: int, cut: int) -> None:
    content = [(START + number * 1000, bytes(60)) for number in range(2 * BATCH + 10)]
    file.write_bytes(pcap(content, magic=magic)[:-cut])
    found, notice = read(file, piped=piped)
    assert len(found) == len(content) - 1
    assert [packet.number for packet in found] == list(range(1, len(content)))
    assert "truncated" in notice


def test_damage_in_the_middle_ends_the_file_there(file: Path) -> None:
    whole = pcap(many(20))
    head = len(pcap(many(10)))
    file.write_bytes(whole[: head + 8] + b"\xff\xff\xff\xff" + whole[head + 12 :])
    found, notice = read(file, piped=False)
    assert len(found) == 10
    assert notice


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize(
    "content", [b"", b"\xd4\xc3", b"no capture at all, but long enough for a header", pcap([])[:23]]
)
def test_what_is_no_capture_is_an_error_with_its_name(file: Path, *, piped: bool, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(CaptureError, match=r"capture\.pcap: cannot be read as a capture: .*; give a pcap"):
        read(file, piped=piped)


def test_a_modified_pcap_is_read_by_libpcap_too(file: Path) -> None:
    # Its records have eight bytes more behind the usual header (wiretap's "modified libpcap").
    whole = bytearray(pcap([(START, b"abcd")], magic=KUZNETZOV))
    whole[40:40] = bytes(8)
    file.write_bytes(whole)
    assert [packet.data for packet in read(file, piped=False)[0]] == [b"abcd"]


def test_damage_of_the_stream_is_said_and_ends_the_reading(file: Path) -> None:
    class Broken:
        def __init__(self) -> None:
            self.content = pcap(many(100))

        def read(self, size: int, /) -> bytes:
            piece, self.content = self.content[: min(size, 500)], self.content[min(size, 500) :]
            if not piece or len(self.content) < 1000:
                raise OSError("damaged gzip data: bad block")
            return piece

        def close(self) -> None:
            pass

    reader = Classic(str(file), Broken, piped=True)
    found = [packet for batch in reader.batches() for packet in packets(batch)]
    assert 0 < len(found) < 100
    assert [(packet.ts, packet.data) for packet in found] == [
        (ts // 1000 * 1000, data) for ts, data in many(100)[: len(found)]
    ]
    assert reader.notice == "damaged gzip data: bad block"


def test_nobody_is_left_behind_when_the_reading_stops_early(file: Path) -> None:
    file.write_bytes(pcap([(START, bytes(50_000))] * 200, magic=NANO))
    before = set(threading.enumerate())
    batches = Classic(str(file), lambda: file.open("rb"), piped=True).batches()
    next(batches)
    batches.close()
    assert set(threading.enumerate()) <= before
