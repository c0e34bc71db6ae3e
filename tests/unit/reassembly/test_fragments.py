import itertools

import pytest

from sipsensor.fastpath.examine import CONTENT_REQUEST
from sipsensor.fastpath.examined import Examined
from sipsensor.model import NANOSECONDS, Table
from sipsensor.reassembly.fragments import PIECES_MAX, Fragments
from tests.support.packets import LINK_RAW, extension, fragment6, ipv4, ipv6, message, udp
from tests.support.scanning import PLAIN

BODY = udp(message(extra=[("Subject", "x" * 1500)]))
SIZE = len(BODY)


def piece(start: int, end: int, *, ts: int = 0, ident: int = 1, data: bytes = BODY) -> Examined:
    packet = ipv4(data[start:end], offset=start, more=end < SIZE, ident=ident)
    return PLAIN.examine_raw(packet, LINK_RAW, ts, 7)


def join(*pieces: Examined, fragments: Fragments | None = None) -> list[Examined | None]:
    fragments = Fragments() if fragments is None else fragments
    return [fragments.add(one, PLAIN) for one in pieces]


CUTS = ((0, 480), (480, 960), (960, SIZE))


@pytest.mark.parametrize("order", list(itertools.permutations(CUTS)))
def test_pieces_in_any_order_make_the_whole(order: tuple[tuple[int, int], ...]) -> None:
    *before, whole = join(*(piece(start, end) for start, end in order))
    assert before == [None, None]
    assert whole is not None
    assert whole.content == CONTENT_REQUEST
    assert whole.payload == BODY[8:]
    assert (whole.number, whole.sport, whole.src_text) == (7, 5060, "203.0.113.9")


def test_a_whole_is_given_once() -> None:
    fragments = Fragments()
    join(*(piece(*cut) for cut in CUTS), fragments=fragments)
    assert len(fragments) == 0
    assert join(piece(*CUTS[2]), fragments=fragments) == [None]


def test_datagrams_are_told_apart_by_their_identification() -> None:
    found = join(piece(*CUTS[0], ident=1), piece(*CUTS[1], ident=2), piece(*CUTS[2], ident=1))
    assert found == [None, None, None]


def test_a_piece_that_comes_twice_is_ignored() -> None:
    assert join(piece(*CUTS[0]), piece(*CUTS[0]), piece(*CUTS[1]), piece(*CUTS[2]))[-1] is not None


def test_an_overlap_that_says_the_same_is_none() -> None:
    fragments = Fragments()
    whole = join(piece(0, 480), piece(400, 1000), piece(960, SIZE), fragments=fragments)[-1]
    assert whole is not None
    assert whole.payload == BODY[8:]
    assert fragments.overlaps == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_an_overlap_that_says_something_else_rejects_the_datagram(order: tuple[int, ...]) -> None:
    other = BODY[:480] + b"!" + BODY[481:]
    pieces = [piece(*CUTS[0]), piece(*CUTS[1]), piece(*CUTS[2]), piece(400, 560, data=other)]
    fragments = Fragments()
    found = []
    for number in order:
        found.append(fragments.add(pieces[number], PLAIN))
        if found[-1] is not None:
            break
    if found[-1] is None:
        assert fragments.overlaps == 1
        assert all(fragments.refuses(one) for one in pieces)
    else:
        assert order[:3] in list(itertools.permutations(range(3)))  # whole before the lie came


def test_two_ends_reject_the_datagram() -> None:
    fragments = Fragments()
    short = PLAIN.examine_raw(ipv4(BODY[960:1200], offset=960), LINK_RAW, 0)
    join(piece(*CUTS[0]), short, piece(*CUTS[2]), fragments=fragments)
    assert fragments.refuses(short)


def test_an_end_before_what_is_there_rejects_the_datagram() -> None:
    fragments = Fragments()
    early = PLAIN.examine_raw(ipv4(BODY[480:488], offset=480), LINK_RAW, 0)
    assert join(piece(*CUTS[0]), piece(*CUTS[1]), early, fragments=fragments) == [None, None, None]
    assert fragments.refuses(early)


def test_a_piece_behind_the_largest_datagram_rejects_it() -> None:
    fragments = Fragments()
    far = PLAIN.examine_raw(ipv4(bytes(16), offset=65_528, more=True), LINK_RAW, 0)
    assert join(far, fragments=fragments) == [None]
    assert fragments.oversized == 1
    assert not fragments.refuses(far)  # of no port that is known
    assert join(piece(*CUTS[0]), fragments=fragments) == [None]
    assert fragments.refuses(far)


def test_pieces_of_eight_bytes_are_joined_up_to_the_most() -> None:
    cuts = [(start, min(start + 8, SIZE)) for start in range(0, SIZE, 8)]
    assert len(cuts) > PIECES_MAX
    fragments = Fragments()
    join(*(piece(*cut) for cut in cuts), fragments=fragments)
    assert fragments.refuses(piece(0, 8))
    small = udp(message())
    pieces = [
        PLAIN.examine_raw(ipv4(small[start : start + 8], offset=start, more=start + 8 < len(small)), LINK_RAW, 0)
        for start in range(0, len(small), 8)
    ]
    assert len(pieces) < PIECES_MAX
    whole = join(*pieces)[-1]
    assert whole is not None
    assert whole.payload == message()


def test_what_the_capture_cut_is_given_up_but_not_rejected() -> None:
    cut = PLAIN.examine_raw(ipv4(BODY[:480], more=True)[:-50], LINK_RAW, 0)
    fragments = Fragments()
    assert join(cut, piece(*CUTS[1]), piece(*CUTS[2]), fragments=fragments) == [None, None, None]
    assert not fragments.refuses(cut)


def test_what_stays_unfinished_is_forgotten() -> None:
    fragments = Fragments(seconds=30)
    late = 31 * NANOSECONDS
    assert join(piece(*CUTS[0]), piece(*CUTS[1], ts=late), piece(*CUTS[2], ts=late), fragments=fragments) == [None] * 3
    assert join(piece(*CUTS[0], ts=late), fragments=fragments) != [None]


def test_a_time_long_before_is_another_time_too() -> None:
    hour = 3600 * NANOSECONDS
    fragments = Fragments()
    found = join(piece(*CUTS[0], ts=hour), *(piece(*cut, ts=5) for cut in CUTS), fragments=fragments)
    assert found[-1] is not None
    assert fragments.overlaps == 0


def test_pieces_a_little_out_of_time_still_belong_together() -> None:
    assert join(piece(*CUTS[1], ts=1000), piece(*CUTS[0], ts=900), piece(*CUTS[2], ts=1100))[-1] is not None


def test_tick_frees_what_timed_out() -> None:
    fragments = Fragments(seconds=30)
    fragments.add(piece(*CUTS[0]), PLAIN)
    fragments.tick(30 * NANOSECONDS)
    assert len(fragments) == 1
    fragments.tick(30 * NANOSECONDS + 1)
    assert len(fragments) == 0


def test_at_the_cap_the_oldest_goes() -> None:
    fragments = Fragments(datagrams_max=2)
    for ident in (1, 2, 3):
        fragments.add(piece(*CUTS[0], ident=ident), PLAIN)
    assert (len(fragments), fragments.evicted) == (2, 1)
    assert join(piece(*CUTS[1], ident=3), piece(*CUTS[2], ident=3), fragments=fragments)[-1] is not None
    assert join(piece(*CUTS[1], ident=1), piece(*CUTS[2], ident=1), fragments=fragments) == [None, None]


def test_it_tells_how_full_it_is() -> None:
    fragments = Fragments(datagrams_max=2)
    assert fragments.tables() == (Table("fragments", 0, 2, 0),)
    for ident in range(1, 4):
        join(piece(*CUTS[0], ident=ident), fragments=fragments)
    assert fragments.tables() == (Table("fragments", 2, 2, 1),)


def test_the_first_piece_names_the_next_header() -> None:
    size = len(BODY) // 16 * 8
    first = PLAIN.examine_raw(ipv6(fragment6(17, BODY[:size]), next_header=44), LINK_RAW, 0)
    last = PLAIN.examine_raw(ipv6(fragment6(59, BODY[size:], offset=size, more=False), next_header=44), LINK_RAW, 0)
    for order in ((first, last), (last, first)):
        whole = join(*order)[-1]
        assert whole is not None
        assert whole.payload == BODY[8:]


def test_extension_headers_within_the_fragmented_part_hide_nothing() -> None:
    inner = extension(60, extension(17, BODY))
    pieces = [(inner[:400], 0, True), (inner[400:], 400, False)]
    found = join(
        *(
            PLAIN.examine_raw(ipv6(fragment6(60, text, offset=offset, more=more), next_header=44), LINK_RAW, 0)
            for text, offset, more in pieces
        )
    )
    assert found[-1] is not None
    assert found[-1].payload == BODY[8:]
