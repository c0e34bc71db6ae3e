import gzip
import os
from pathlib import Path

import pytest

from sipsensor.model import Packet
from sipsensor.sources.pcap import Capture, CaptureError, find, packets
from sipsensor.sources.pcap.capture import compile_filter
from tests.support.captures import NANO, START, enhanced, interface, pcap, resolution, section
from tests.support.packets import datagram


def content(count: int, *, port: int = 5060) -> list[tuple[int, bytes]]:
    return [(START + number, datagram(b"hello", dport=port + number % 2)) for number in range(count)]


def pcapng(items: list[tuple[int, bytes]], link: int = 101) -> bytes:
    return section() + interface(link, options=resolution(9)) + b"".join(enhanced(data, ts) for ts, data in items)


def read(capture: Capture) -> list[Packet]:
    return [packet for batch in capture.batches() for packet in packets(batch)]


@pytest.mark.parametrize("form", ["pcap", "nano", "pcapng"])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_form_gives_the_same_packets(tmp_path: Path, form: str, *, compressed: bool) -> None:
    items = content(300)
    made = {"pcap": pcap(items), "nano": pcap(items, magic=NANO), "pcapng": pcapng(items)}[form]
    file = tmp_path / "capture"
    file.write_bytes(gzip.compress(made) if compressed else made)
    capture = Capture(file)
    scale = 1000 if form == "pcap" else 1
    assert [(packet.ts, packet.data) for packet in read(capture)] == [(ts // scale * scale, data) for ts, data in items]
    assert capture.notices == []
    assert capture.position <= capture.size == file.stat().st_size


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    whole = pcap(content(100))
    file = tmp_path / "capture.pcap.gz"
    file.write_bytes(gzip.compress(whole[:2000]) + gzip.compress(whole[2000:]))
    assert len(read(Capture(file))) == 100


@pytest.mark.parametrize("form", [pcap, pcapng])
def test_a_truncated_gzip_file_gives_what_is_there_and_says_so(tmp_path: Path, form: object) -> None:
    assert callable(form)
    items = [(START + n, datagram(os.urandom(400))) for n in range(400)]
    file = tmp_path / "capture.gz"
    file.write_bytes(gzip.compress(form(items))[:-5000])
    capture = Capture(file)
    found = read(capture)
    assert 300 < len(found) < 400
    assert [packet.data for packet in found] == [data for _, data in items[: len(found)]]
    (notice,) = capture.notices
    assert notice.startswith(f"{file}: damaged gzip data")
    assert notice.endswith(f"read up to its last whole packet, number {len(found)}")


def test_a_truncated_file_says_up_to_which_packet(tmp_path: Path) -> None:
    file = tmp_path / "capture.pcap"
    file.write_bytes(pcap(content(100))[:-3])
    capture = Capture(file)
    assert len(read(capture)) == 99
    (notice,) = capture.notices
    assert notice.startswith(f"{file}: truncated dump file")
    assert notice.endswith("read up to its last whole packet, number 99")


def test_a_filter_keeps_the_numbers_of_the_file(tmp_path: Path) -> None:
    items = content(1000)
    for form in (pcap(items), pcapng(items)):
        file = tmp_path / "capture"
        file.write_bytes(form)
        assert [packet.number for packet in read(Capture(file, "udp dst port 5061"))] == list(range(2, 1001, 2))
        assert len(read(Capture(file, "udp"))) == 1000
        assert read(Capture(file, "tcp")) == []


def test_a_filter_makes_runs_of_consecutive_packets(tmp_path: Path) -> None:
    items = [(START, datagram(b"x", dport=port)) for port in (1, 5060, 5060, 1, 5060)]
    file = tmp_path / "capture"
    file.write_bytes(pcap(items))
    batches = list(Capture(file, "dst port 5060").batches())
    assert [(batch.first_number, batch.size) for batch in batches] == [(2, 2), (5, 1)]


def test_a_filter_that_does_not_fit_a_link_type_leaves_its_packets_out(tmp_path: Path) -> None:
    items = content(3)
    file = tmp_path / "capture"
    mixed = section() + interface(101, options=resolution(9)) + interface(1, options=resolution(9))
    file.write_bytes(mixed + enhanced(items[0][1], START) + enhanced(bytes(60), START, number=1))
    capture = Capture(file, "ether src 00:00:00:00:00:00")
    assert [packet.link for packet in read(capture)] == [1]
    assert capture.notices == [f"{file}: the filter cannot be used on link type 12; its packets are left out"]


@pytest.mark.parametrize("expression", ["udp port", "foo bar", "port 99999", "udp\0", "host example.invalid"])
def test_a_bad_filter_is_an_error_that_names_the_option(expression: str) -> None:
    with pytest.raises(CaptureError, match=r"^--filter: .*; see pcap-filter\(7\)|contains a null"):
        compile_filter(expression)


def test_a_file_with_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.pcap"))
    file.write_bytes(pcap(content(5)))
    assert len(read(Capture(file))) == 5


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"nowhere\.pcap: cannot be read: No such file or directory; "):
        Capture(tmp_path / "nowhere.pcap")
    with pytest.raises(CaptureError, match="cannot be read: Is a directory"):
        Capture(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for special in (fifo, Path("/dev/zero")):
        with pytest.raises(CaptureError, match="is no regular file"):
            Capture(special)
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(b"\x1f\x8bnot gzip")
    with pytest.raises(CaptureError, match="cannot be read: damaged gzip data"):
        Capture(damaged)


def test_find_takes_files_as_named_and_searches_directories(tmp_path: Path) -> None:
    inner = tmp_path / "b" / "deep"
    inner.mkdir(parents=True)
    first, second, third = tmp_path / "b" / "1.pcap", inner / "2.pcapng", tmp_path / "b" / "3.gz"
    first.write_bytes(pcap(content(1)))
    second.write_bytes(pcapng(content(1)))
    third.write_bytes(gzip.compress(pcap(content(1))))
    (tmp_path / "b" / "README.md").write_text("# not a capture")
    (tmp_path / "b" / "other.gz").write_bytes(gzip.compress(b"something else"))
    (tmp_path / "b" / "broken.gz").write_bytes(b"\x1f\x8b")
    named = tmp_path / "z.pcap"
    named.write_bytes(b"")
    assert find([str(named), str(tmp_path / "b")]) == [named, first, third, second]


def test_find_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no capture file in this directory"):
        find([str(tmp_path)])
    with pytest.raises(CaptureError, match="no such file"):
        find([str(tmp_path / "x.pcap")])
