"""Recordings are read back with what they were written with: by our own reader, and by tshark's rules (tests/oracle)."""

from __future__ import annotations

import io
import socket
import struct
from pathlib import Path

import pytest

from sipsensor.export.recording import MARK, Quarantine, Recording, create, record, remove_empty, set_aside
from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.model import Arrival, Verdict
from sipsensor.sources.pcap import Capture, base, packets

TS = 1_795_362_051_533_885_086


def ip(payload: bytes = b"hello", version: int = 4) -> bytes:
    udp = struct.pack(">HHHH", 5060, 5070, 8 + len(payload), 0) + payload
    if version == 6:
        return struct.pack(">IHBB", 6 << 28, len(udp), 17, 64) + bytes(15) + b"\1" + bytes(15) + b"\2" + udp
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    return head + socket.inet_aton("203.0.113.5") + socket.inet_aton("192.0.2.10") + udp


@pytest.mark.parametrize("arrival", [Arrival.INBOUND, Arrival.OUTBOUND, Arrival.FORGED])
@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("version", [4, 6])
def test_a_recording_reads_back_what_was_judged(
    tmp_path: Path, arrival: Arrival, verdict: Verdict, version: int
) -> None:
    file = tmp_path / "record.pcap"
    with create(file) as target:
        made = Recording(target)
        made.write(ip(version=version), TS, len(ip(version=version)), arrival, verdict)
        assert made.packets == 1
    read = [packet for batch in Capture(file).batches() for packet in packets(batch)]
    assert [(packet.ts, packet.arrival, packet.data[20:]) for packet in read] == [(TS, arrival, ip(version=version))]
    examined = Examiner(Matcher()).examine(read[0])
    assert (examined.arrival, examined.recorded_verdict) == (arrival, verdict)
    assert (examined.sport, examined.payload, examined.truncated) == (5060, b"hello", False)
    assert file.stat().st_mode & 0o777 == 0o600


def test_writer_and_reader_agree_about_the_mark() -> None:
    assert MARK == base.MARK


def test_a_packet_that_was_not_seen_whole_stays_so() -> None:
    packet = ip(b"x" * 100)
    seconds, fraction, kept, whole = struct.unpack_from(
        "=IIII", record(packet[:60], TS, len(packet), Arrival.INBOUND, 0)
    )
    assert (seconds * 1_000_000_000 + fraction, kept, whole) == (TS, 80, 20 + len(packet))


def test_an_empty_packet_can_be_written() -> None:
    assert len(record(b"", 0, 0, Arrival.UNKNOWN, 0)) == 16 + 20


def test_the_quarantine_keeps_the_first_and_counts_the_rest() -> None:
    target = io.BytesIO()
    kept = Quarantine(target, packets=2, size=10_000)
    for _ in range(5):
        kept.keep(ip(), TS, len(ip()), Arrival.INBOUND)
    assert (kept.kept, kept.refused) == (2, 3)
    assert len(target.getvalue()) == 24 + 2 * len(record(ip(), TS, len(ip()), 1, 0))


def test_the_quarantine_never_grows_beyond_its_size() -> None:
    target = io.BytesIO()
    kept = Quarantine(target, packets=100, size=200)
    for size in (60, 1000, 60, 10):
        kept.keep(ip(b"x" * size), TS, 88, Arrival.INBOUND)
    assert len(target.getvalue()) <= 200
    assert (kept.kept, kept.refused) == (1, 3)


def test_what_an_earlier_run_kept_is_set_aside_and_what_it_did_not_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.pcap"
    set_aside(file)
    with create(file) as target:
        Quarantine(target, 1, 1000)
    set_aside(file)
    assert not file.exists()
    with create(file) as target:
        Quarantine(target, 1, 1000).keep(ip(), TS, 33, Arrival.INBOUND)
    content = file.read_bytes()
    remove_empty(file)
    set_aside(file)
    assert not file.exists()
    assert (tmp_path / "quarantine.pcap.old").read_bytes() == content


def test_a_file_is_made_anew_for_its_owner_alone_and_never_through_a_link(tmp_path: Path) -> None:
    file = tmp_path / "record.pcap"
    file.write_text("older")
    file.chmod(0o644)
    create(file).close()
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"", 0o600)
    link = tmp_path / "link.pcap"
    link.symlink_to(file)
    with pytest.raises(OSError, match="symbolic links"):
        create(link)
