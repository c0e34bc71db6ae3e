"""Any segmentation, order and repetition of a stream gives the messages that one segment each would give."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sipsensor.fastpath import names
from sipsensor.reassembly.assembler import Assembler
from sipsensor.reassembly.streams import Known
from tests.support.packets import LINK_RAW, PBX, STRANGER, TCP, ipv4, message, tcp
from tests.support.scanning import PLAIN

CALL_ID = names.FIELDS["call-id"]
BEGAN = 2**32 - 300


@dataclass(frozen=True)
class Piece:
    start: int
    end: int
    arrives: bool = True
    """False: our verdict, or the network, keeps it from its receiver."""


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], list[Piece]]:
    count = draw(st.integers(1, 5))
    texts = [
        message("INVITE", change={"Call-ID": f"call-{number}"}, body=b"v=0\r\n" * draw(st.integers(0, 3)))
        + draw(st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]))
        for number in range(count)
    ]
    size = sum(map(len, texts))
    cuts = [0, *sorted(draw(st.sets(st.integers(1, size - 1), max_size=12))), size]
    pieces = [Piece(start, end) for start, end in pairwise(cuts)]
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, size - 1))
        pieces.append(Piece(start, draw(st.integers(start + 1, size)), draw(st.booleans())))
    order = draw(st.permutations(pieces)) if draw(st.booleans()) else sorted(pieces, key=lambda one: one.start)
    return texts, order


class Receiver:
    """The bytes that he has, and how far they reach without a hole."""

    def __init__(self, size: int) -> None:
        self.have = bytearray(size)

    def takes(self, piece: Piece) -> None:
        self.have[piece.start : piece.end] = b"\1" * (piece.end - piece.start)

    @property
    def received(self) -> int:
        return (self.have + b"\0").index(0)


@given(streams(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_messages_are_those_that_the_receiver_reads(case: tuple[list[bytes], list[Piece]], prompt: bool) -> None:  # noqa: FBT001
    texts, order = case
    stream = b"".join(texts)
    assembler, receiver = Assembler(PLAIN), Receiver(len(stream))
    judged: list[bytes] = []
    acknowledged = 0
    for piece in order:
        number = (BEGAN + piece.start) % 2**32
        body = tcp(stream[piece.start : piece.end], 4000, 5060, sequence=number)
        examined = PLAIN.examine_raw(ipv4(body, STRANGER, PBX, protocol=TCP), LINK_RAW, 0)
        pieces = assembler.assemble(examined)
        assert pieces is not None
        known = Known(BEGAN, (BEGAN + acknowledged) % 2**32, proves=True)
        found = assembler.streams.take(pieces, known)
        assert found is not None, "a lawful segment was refused"
        assembler.streams.settle(delivered=piece.arrives)
        if piece.arrives:
            judged += [one.raw(CALL_ID) or b"" for one in found]
            receiver.takes(piece)
        if prompt:
            acknowledged = receiver.received
    judged = [one for one in judged if one]
    assert judged == [f"call-{number}".encode() for number in range(len(texts))]
