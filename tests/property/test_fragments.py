"""Pieces in any order, doubled and overlapping, against a byte map."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from sipsensor.reassembly.fragments import Fragments
from tests.support.packets import LINK_RAW, fragment6, ipv4, ipv6, message, udp
from tests.support.scanning import PLAIN

BODY = udp(message(extra=[("Subject", "0123456789abcdef" * 12)]))
EIGHTS = len(BODY) // 8


@dataclass(frozen=True)
class Piece:
    start: int
    end: int
    lie: int | None = None
    """A byte of it that says something else."""

    @property
    def data(self) -> bytes:
        data = bytearray(BODY[self.start : self.end])
        if self.lie is not None and data:
            data[self.lie % len(data)] ^= 0x20
        return bytes(data)


class Naive:
    """Which byte stands where, as far as the pieces agree."""

    def __init__(self) -> None:
        self.map: dict[int, int] = {}
        self.ends: set[int] = set()
        self.bad = False
        self.shows_ports = False

    def add(self, piece: Piece) -> bytes | None:
        self.shows_ports |= piece.start == 0
        for offset, byte in enumerate(piece.data, piece.start):
            self.bad |= self.map.setdefault(offset, byte) != byte
        if piece.end == len(BODY):
            self.ends.add(piece.end)
        if self.bad or not self.ends or set(self.map) != set(range(len(BODY))):
            return None
        return bytes(self.map[offset] for offset in range(len(BODY)))


@st.composite
def pieces(draw: st.DrawFn) -> list[Piece]:
    cuts = sorted({0, *draw(st.lists(st.integers(1, EIGHTS), min_size=1, max_size=6))})
    ends = [*(cut * 8 for cut in cuts[1:]), len(BODY)]
    found = [Piece(start * 8, end) for start, end in zip(cuts, ends, strict=True) if start * 8 < end]
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(1, EIGHTS - 1)) * 8
        end = draw(st.sampled_from([len(BODY), min(len(BODY), start + 8 * draw(st.integers(1, EIGHTS)))]))
        found.append(Piece(start, end, draw(st.none() | st.integers(0, 500))))
    return draw(st.permutations(found))


@given(pieces(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_the_whole_is_what_all_pieces_agree_on(order: list[Piece], six: bool) -> None:  # noqa: FBT001
    fragments, naive = Fragments(), Naive()
    for piece in order:
        more = piece.end < len(BODY)
        data = (
            ipv6(fragment6(17, piece.data, offset=piece.start, more=more), next_header=44)
            if six
            else ipv4(piece.data, offset=piece.start, more=more)
        )
        examined = PLAIN.examine_raw(data, LINK_RAW, 0)
        expected, whole = naive.add(piece), fragments.add(examined, PLAIN)
        assert (whole is None) == (expected is None)
        assert fragments.refuses(examined) == (naive.bad and naive.shows_ports)
        if whole is not None:
            assert expected is not None
            assert whole.payload == expected[8:]
            assert len(fragments) == 0
            break


@given(st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 60)), max_size=200))
@settings(max_examples=50, deadline=None)
def test_unfinished_datagrams_are_bounded_in_number_and_time(starts: list[tuple[int, int]]) -> None:
    fragments = Fragments(datagrams_max=16, seconds=30)
    now = 0
    for ident, wait in starts:
        now += wait * 10**9
        fragments.add(PLAIN.examine_raw(ipv4(BODY[:16], more=True, ident=ident), LINK_RAW, now), PLAIN)
        assert len(fragments) <= 16
    fragments.tick(now + 31 * 10**9)
    assert len(fragments) == 0
