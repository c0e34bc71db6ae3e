"""Whatever the socket of a queue says: no exception, and exactly one answer for each packet that has a number."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from hypothesis import given
from hypothesis import strategies as st

from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.ranges import Networks
from sipsensor.sources.pump import Pump
from tests.unit.sources.kernel import MESSAGE, Answer, answer, settled


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def packet(number: int, hook: int, indev: int, payload: bytes) -> bytes:
    body = bytes(4) + attribute(1, struct.pack(">IHB", number, 0x0800, hook)) + attribute(5, struct.pack(">I", indev))
    body += attribute(10, payload)
    return struct.pack("=IHHII", 16 + len(body), 0x300, 0, 0, 0) + body


PAYLOADS = (
    st.binary(max_size=80)
    | st.binary(max_size=60).map(lambda rest: b"\x45\0" + rest)
    | st.binary(max_size=60).map(lambda rest: b"\x60" + rest)
)
PACKETS = st.builds(packet, st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 10), PAYLOADS)


def served(datagrams: list[bytes], *, fails: bool, first: bool = False) -> tuple[list[Answer], Pump]:
    """All that was answered, in order."""

    def judge(examined: Examined) -> int:
        if fails:
            raise RuntimeError("on purpose")
        return judgement(examined.data)

    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, kernel:
        kernel.settimeout(0)
        pump = Pump(
            ours.fileno(),
            5060,
            Examiner(Matcher()),
            judge,
            lambda *_: 1,
            threading.Lock(),
            protected=Networks(["10.0.0.0/8"]),
            inside=(3,),
            first=first,
        )
        for datagram in datagrams:
            kernel.send(datagram)
        pump.stop()
        pump.run()
        answers = []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages = kernel.recv(10_000)
                answers += [answer(messages[at : at + MESSAGE]) for at in range(0, len(messages), MESSAGE)]
        return answers, pump


def judgement(data: bytes) -> int:
    """Some verdict, by the packet alone."""
    return sum(data) % 3 == 0


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 10), PAYLOADS), max_size=12), max_size=9),
    st.booleans(),
    st.booleans(),
)
def test_every_packet_is_answered_once_and_as_judged(
    start: int,
    datagrams: list[list[tuple[int, int, bytes]]],
    fails: bool,  # noqa: FBT001
    first: bool,  # noqa: FBT001
) -> None:
    """Numbers follow each other as the kernel's do, and wrap; the queue does with the answers what the kernel does."""
    packets = [each for datagram in datagrams for each in datagram]
    ids = {at: (start + at) % 2**32 for at in range(len(packets))}
    count = iter(range(len(packets)))
    messages = [b"".join(packet(ids[next(count)], *each) for each in datagram) for datagram in datagrams]
    answers, pump = served([message for message in messages if message], fails=fails, first=first)
    waiting = list(ids.values())
    verdicts = dict(settled(waiting, answers))
    assert not waiting
    assert verdicts == {ids[at]: int(not (fails or judgement(each[2]))) for at, each in enumerate(packets)}
    assert pump.netlink_errors == 0


@given(
    PACKETS | st.binary(max_size=200),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=8),
    st.integers(0, 300),
)
def test_any_datagram_is_survived(datagram: bytes, changes: list[tuple[int, int]], length: int) -> None:
    broken = bytearray(datagram)
    for position, value in changes:
        if position < len(broken):
            broken[position] = value
    whole = bytes(broken[:length])
    answers, pump = served([whole] if whole else [], fails=False)
    assert pump.packets == pump.accepted + pump.dropped
    assert len(answers) == pump.packets or any(answer.batch for answer in answers)
