"""Any bytes as a capture file: packets or a CaptureError, and nothing else; what is whole is read whole."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sipsensor.app import Replay, build_engine
from sipsensor.config.load import defaults
from sipsensor.sources.pcap import Batch, Capture, CaptureError, packets
from sipsensor.sources.pcap.base import RECORD
from tests.support.captures import MICRO, NANO, enhanced, interface, obsolete, pcap, resolution, section, simple
from tests.support.cases import shipped
from tests.support.packets import datagram, message

TIMES = st.integers(0, (1 << 32) * 1_000_000_000 - 1)
ITEMS = st.lists(st.tuples(TIMES, st.binary(max_size=200)), max_size=80)
ORDERS = st.sampled_from("<>")


def pcapng(items: list[tuple[int, bytes]], order: str = "<") -> bytes:
    head = section(order) + interface(1, order, options=resolution(9, order))
    return head + b"".join(enhanced(data, ts, order=order) for ts, data in items)


def read(content: bytes) -> tuple[list[Batch], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "capture"
        file.write_bytes(content)
        capture = Capture(file)
        return list(capture.batches()), capture.notices


@given(ITEMS, st.sampled_from([MICRO, NANO]), ORDERS, st.booleans())
def test_what_was_written_as_pcap_is_read(
    items: list[tuple[int, bytes]],
    magic: int,
    order: str,
    compressed: bool,  # noqa: FBT001
) -> None:
    content = pcap(items, magic=magic, order=order)
    batches, notices = read(gzip.compress(content) if compressed else content)
    scale = 1 if magic == NANO else 1000
    found = [packet for batch in batches for packet in packets(batch)]
    assert [(packet.ts, packet.data) for packet in found] == [(ts // scale * scale, data) for ts, data in items]
    assert notices == []


@given(ITEMS, ORDERS)
def test_what_was_written_as_pcapng_is_read(items: list[tuple[int, bytes]], order: str) -> None:
    batches, notices = read(pcapng(items, order))
    found = [packet for batch in batches for packet in packets(batch)]
    assert [(packet.ts, packet.data) for packet in found] == items
    assert [packet.number for packet in found] == list(range(1, len(items) + 1))
    assert notices == []


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A capture file with bytes changed, taken out, put in, or cut off."""
    items = draw(ITEMS)
    extra = simple(b"abcdef") + obsolete(b"old", 5)
    content = bytearray(draw(st.sampled_from([pcap(items), pcap(items, magic=NANO), pcapng(items) + extra])))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        piece = draw(st.binary(max_size=8))
        content[place : place + draw(st.integers(0, 8))] = piece
    whole = bytes(content[: draw(st.integers(0, len(content)))])
    return gzip.compress(whole)[: draw(st.integers(0, 200))] if draw(st.integers(0, 9)) == 0 else whole


@given(st.one_of(damaged(), st.binary(max_size=300)))
def test_any_bytes_are_packets_or_an_error_in_one_line(content: bytes) -> None:
    refused = ""
    batches: list[Batch] = []
    notices: list[str] = []
    try:
        batches, notices = read(content)
    except CaptureError as error:
        refused = str(error)
    assert "\n" not in refused
    number = 1
    for batch in batches:
        assert batch.first_number == number
        assert batch.size > 0
        number += batch.size
        for _, _, offset, length in RECORD.iter_unpack(batch.records):
            assert offset + length <= len(batch.data)
    assert all("\n" not in notice for notice in notices)


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=120), max_size=20))
def test_any_frames_are_judged_and_counted(frames: list[bytes]) -> None:
    """With a good message among them, which must still be seen."""
    whole = datagram(message(change={"User-Agent": "friendly-scanner"}))
    content = pcap([(n, data) for n, data in enumerate([*frames, whole])])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "capture"
        file.write_bytes(content)
        replay = Replay(lambda: build_engine(defaults(), signatures=shipped(), seed=Replay.SEED))
        replay.run([file])
    summary = replay.summary
    assert summary.packets == len(frames) + 1
    assert summary.accepted + summary.dropped == summary.packets
    assert summary.dropped >= 1
    assert summary.errors == 0
