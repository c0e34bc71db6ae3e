"""What a queued packet costs the live sensor, from the kernel's message to the verdict: received, examined, judged, answered.

The floor in the same run: the same pump with a judge that accepts everything. Beside a reader in C, with real queues: tests/lab/test_soak.py.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from sipsensor.app import build_engine
from sipsensor.config.load import defaults
from sipsensor.engine import Engine
from sipsensor.fastpath.examine import Examined
from sipsensor.fastpath.ranges import Networks
from sipsensor.model import Mode
from sipsensor.sources.pump import Pump
from tests.bench.test_speed import register

HOOK_FORWARD = 2
OUTSIDE = 7
ROUNDS = 20_000


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def queued(number: int, packet: bytes) -> bytes:
    """A packet as nfnetlink_queue announces it."""
    body = struct.pack(">BBH", socket.AF_INET, 0, 5060)
    body += attribute(1, struct.pack(">IHB", number, 0x0800, HOOK_FORWARD))
    body += attribute(5, struct.pack(">I", OUTSIDE)) + attribute(10, packet)
    return struct.pack("=IHHII", 16 + len(body), 0x300, 0, 0, 0) + body


def media(number: int) -> bytes:
    """Not ours: what a mistaken rule would queue."""
    return bytes(IP(src="10.0.0.1", dst="192.0.2.1") / UDP(sport=10_000, dport=20_000) / Raw(number.to_bytes(172)))


@dataclass(frozen=True)
class Live:
    """A pump on one end of a socket pair; the other takes its verdicts."""

    pump: Pump
    kernel: socket.socket


def refused(_packet: bytes, _ts: int, _arrival: int, error: BaseException) -> int:
    raise error


def accept(_examined: Examined) -> int:
    return 0


def judge_of(engine: Engine) -> Callable[[Examined], int]:
    return lambda examined: engine.judge(examined).effect


@pytest.fixture(params=["accept all", "judge"])
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    engine = build_engine(defaults(), mode=Mode.ENFORCE, protected=["192.0.2.1"])
    judge = accept if request.param == "accept all" else judge_of(engine)
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, kernel:
        protected = Networks(["192.0.2.1/32"])
        yield Live(
            Pump(ours.fileno(), 5060, engine.examiner, judge, refused, threading.Lock(), protected=protected), kernel
        )


@pytest.mark.benchmark(group="one queued packet")
@pytest.mark.parametrize("make", [register, media])
def test_queued(benchmark: BenchmarkFixture, live: Live, make: Callable[[int], bytes]) -> None:
    """Strangers' clean requests, each from another source; or media."""
    messages = [queued(number, make(number)) for number in range(500)]
    turn = iter(range(10**9))

    def next_message() -> tuple[tuple[bytes], dict[str, object]]:
        number = next(turn)
        if number:
            live.kernel.recv(100)
        return (messages[number % len(messages)],), {}

    benchmark.pedantic(live.pump.feed, setup=next_message, rounds=ROUNDS)
    assert live.pump.dropped == live.pump.netlink_errors == 0
    assert live.pump.accepted == live.pump.packets > 0
