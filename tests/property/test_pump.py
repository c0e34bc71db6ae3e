"""Whatever the socket of a queue says: no exception, and exactly one answer for each packet that has a number."""

from __future__ import annotations

import socket
import struct
import threading

from hypothesis import given
from hypothesis import strategies as st

from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.ranges import Networks
from sipsensor.sources.pump import Pump


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def packet(number: int, hook: int, indev: int, payload: bytes) -> bytes:
    body = bytes(4) + attribute(1, struct.pack(">IHB", number, 0x0800, hook)) + attribute(5, struct.pack(">I", indev))
    body += attribute(10, payload)
    return struct.pack("=IHHII", 16 + len(body), 0x300, 0, 0, 0) + body


PACKETS = st.builds(
    packet,
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.integers(0, 10),
    st.binary(max_size=80)
    | st.binary(max_size=60).map(lambda rest: b"\x45\0" + rest)
    | st.binary(max_size=60).map(lambda rest: b"\x60" + rest),
)


def served(datagram: bytes, *, fails: bool) -> tuple[list[int], Pump]:
    """The packet numbers that were answered."""

    def judge(_examined: object) -> int:
        if fails:
            raise RuntimeError("on purpose")
        return 0

    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, kernel:
        ours.settimeout(0)
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
        )
        pump.feed(datagram)
        return [struct.unpack(">I", kernel.recv(100)[28:])[0] for _ in range(pump.packets)], pump


@given(st.lists(st.tuples(PACKETS, st.booleans()), max_size=5), st.booleans())
def test_every_packet_is_answered_once(packets: list[tuple[bytes, bool]], fails: bool) -> None:  # noqa: FBT001
    answered, pump = served(b"".join(one for one, _ in packets), fails=fails)
    assert answered == [struct.unpack(">I", one[24:28])[0] for one, _ in packets]
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
    answered, pump = served(bytes(broken[:length]), fails=False)
    assert len(answered) == pump.packets == pump.accepted + pump.dropped
