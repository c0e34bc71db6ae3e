"""The loop against a datagram socket pair: messages as the kernel writes them in, verdicts out."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.ranges import Networks
from sipsensor.live.page import LANE_NUMBERS, LaneNumber
from sipsensor.model import Arrival
from sipsensor.sources import pump
from sipsensor.sources.pump import Pump, Turns

HOOK_IN, HOOK_FORWARD, HOOK_OUT = 1, 2, 3
DROP, ACCEPT = 0, 1
PBX = "192.0.2.10"
Failed = Callable[[bytes, int, int, BaseException], int]
Tick = Callable[[int], None]


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def netlink(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def ip(source: str, payload: bytes = b"hello") -> bytes:
    """An IPv4 or IPv6 packet with a UDP datagram from port 5060 to 5060."""
    udp = struct.pack(">HHHH", 5060, 5060, 8 + len(payload), 0) + payload
    if ":" in source:
        addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "2001:db8::99")
        return struct.pack(">IHBB", 6 << 28, len(udp), 17, 64) + addresses + udp
    addresses = socket.inet_aton(source) + socket.inet_aton("198.51.100.9")
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + addresses + udp


def queued(number: int, packet: bytes, hook: int = HOOK_FORWARD, indev: int = 7, whole: int | None = None) -> bytes:
    """A packet as the kernel announces it."""
    body = struct.pack(">BBH", socket.AF_INET, 0, 5060)
    body += attribute(1, struct.pack(">IHB", number, 0x0800, hook))
    if indev:
        body += attribute(5, struct.pack(">I", indev))
    body += attribute(10, packet)
    if whole is not None:
        body += attribute(13, struct.pack(">I", whole))
    return netlink(0x300, body)


class Bench:
    """A pump on one end of a socket pair, and the kernel's end."""

    def __init__(
        self,
        judge: Callable[[Examined], int],
        failed: Failed,
        *,
        early: Sequence[bytes] = (),
        tick: Tick | None = None,
        turns: Turns | None = None,
        first: bool = False,
    ) -> None:
        ours, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.kernel.settimeout(5)
        self.socket = ours
        self.ticks: list[int] = []
        self.lock = threading.Lock()
        self.numbers = array("Q", bytes(8 * LANE_NUMBERS))
        self.pump = Pump(
            ours.fileno(),
            5060,
            Examiner(Matcher()),
            judge,
            failed,
            self.lock,
            protected=Networks([f"{PBX}/32", "2001:db8::10/128"]),
            inside=(3,),
            tick=tick or self.ticks.append,
            early=early,
            turns=turns,
            first=first,
            numbers=self.numbers,
        )

    def close(self) -> None:
        self.kernel.close()
        self.socket.close()

    def verdict(self) -> tuple[int, int]:
        """(packet id, verdict) of the next answer."""
        message = self.kernel.recv(1000)
        size, kind, flags, _sequence, _port, _family, _version, queue, length, number = struct.unpack(
            "=IHHIIBBHHH", message[:24]
        )
        assert (size, kind, flags, socket.ntohs(queue), length, number) == (32, 0x301, 1, 5060, 12, 2)
        verdict, packet = struct.unpack(">II", message[24:])
        return packet, verdict


Maker = Callable[..., Bench]


@pytest.fixture
def judged() -> list[Examined]:
    return []


@pytest.fixture
def make() -> Iterator[Maker]:
    made: list[Bench] = []

    def maker(*arguments: Any, **options: Any) -> Bench:
        made.append(Bench(*arguments, **options))
        return made[-1]

    yield maker
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make: Maker, judged: list[Examined]) -> Bench:
    def judge(examined: Examined) -> int:
        judged.append(examined)
        if b"raise" in examined.payload:
            raise RuntimeError("on purpose")
        return int(b"bad" in examined.payload)

    return make(judge, lambda packet, _ts, _arrival, _error: int(b"drop" in packet))


@contextlib.contextmanager
def running(bench: Bench) -> Iterator[None]:
    thread = threading.Thread(target=bench.pump.run)
    thread.start()
    try:
        yield
    finally:
        bench.pump.stop()
        thread.join(5)
        assert not thread.is_alive()


def test_each_packet_gets_one_verdict_and_it_is_the_judges(bench: Bench, judged: list[Examined]) -> None:
    with running(bench):
        for number, payload in enumerate((b"good", b"bad", b"good")):
            bench.kernel.send(queued(number + 1, ip("203.0.113.5", payload)))
        assert [bench.verdict() for _ in range(3)] == [(1, ACCEPT), (2, DROP), (3, ACCEPT)]
    assert (bench.pump.packets, bench.pump.accepted, bench.pump.dropped) == (3, 2, 1)
    assert [examined.src_text for examined in judged] == ["203.0.113.5"] * 3
    assert [examined.number for examined in judged] == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "hook", "indev", "arrival"),
    [
        ("203.0.113.5", HOOK_IN, 7, Arrival.INBOUND),
        (PBX, HOOK_OUT, 0, Arrival.OUTBOUND),
        ("203.0.113.5", HOOK_OUT, 0, Arrival.OUTBOUND),
        ("203.0.113.5", HOOK_FORWARD, 7, Arrival.INBOUND),
        (PBX, HOOK_FORWARD, 3, Arrival.OUTBOUND),
        (PBX, HOOK_FORWARD, 7, Arrival.FORGED),
        ("2001:db8::10", HOOK_FORWARD, 7, Arrival.FORGED),
        ("2001:db8::10", HOOK_FORWARD, 3, Arrival.OUTBOUND),
        ("2001:db8::11", HOOK_FORWARD, 7, Arrival.INBOUND),
        (PBX, HOOK_IN, 7, Arrival.FORGED),
        (PBX, HOOK_IN, 3, Arrival.INBOUND),
    ],
)
def test_arrival_goes_by_hook_and_interface(
    bench: Bench, judged: list[Examined], source: str, hook: int, indev: int, arrival: Arrival
) -> None:
    bench.pump.feed(queued(1, ip(source), hook, indev))
    assert Arrival(judged[0].arrival) is arrival
    assert bench.pump.forged == (arrival is Arrival.FORGED)


def test_inside_interfaces_can_change_while_it_runs(bench: Bench, judged: list[Examined]) -> None:
    bench.pump.set_inside([8, 9])
    bench.pump.feed(queued(1, ip(PBX), HOOK_FORWARD, 9))
    bench.pump.feed(queued(2, ip(PBX), HOOK_FORWARD, 3))
    assert [Arrival(examined.arrival) for examined in judged] == [Arrival.OUTBOUND, Arrival.FORGED]
    with pytest.raises(ValueError, match="at most 64"):
        bench.pump.set_inside(range(65))


def test_what_raises_is_answered_by_failed_and_the_loop_goes_on(bench: Bench) -> None:
    with running(bench):
        bench.kernel.send(queued(1, ip("203.0.113.5", b"raise")))
        bench.kernel.send(queued(2, ip("203.0.113.5", b"raise, and drop")))
        bench.kernel.send(queued(3, ip("203.0.113.5", b"good")))
        assert [bench.verdict() for _ in range(3)] == [(1, ACCEPT), (2, DROP), (3, ACCEPT)]
    assert bench.pump.failures == 2


def test_a_packet_is_accepted_when_even_failed_raises(make: Maker) -> None:
    def fail(*_arguments: object) -> int:
        raise RuntimeError("on purpose")

    bench = make(fail, fail)
    bench.pump.feed(queued(9, ip("203.0.113.5")))
    assert bench.verdict() == (9, ACCEPT)


def test_a_cut_copy_is_counted_and_its_whole_length_kept(bench: Bench, judged: list[Examined]) -> None:
    packet = ip("203.0.113.5", b"x" * 200)
    bench.pump.feed(queued(1, packet[:100], whole=len(packet)))
    assert bench.pump.truncated == 1
    assert bench.pump.packet_bytes == len(packet)
    assert judged[0].wire_length == len(packet)
    assert judged[0].truncated


def test_several_messages_in_one_datagram_are_all_served(bench: Bench) -> None:
    bench.pump.feed(queued(1, ip("203.0.113.5")) + queued(2, ip("203.0.113.5", b"bad")))
    assert [bench.verdict(), bench.verdict()] == [(1, ACCEPT), (2, DROP)]


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0" * 7,
        netlink(0x300, b"")[:-2],
        struct.pack("=IHHII", 4, 0x300, 0, 0, 0),
        struct.pack("=IHHII", 0xFFFFFFFF, 0x300, 0, 0, 0),
        netlink(0x300, b""),
        netlink(0x300, b"\0" * 4 + struct.pack("=HH", 2, 1)),
        netlink(0x300, b"\0" * 4 + struct.pack("=HH", 500, 1)),
        netlink(0x300, b"\0" * 4 + attribute(1, b"\0")),
        netlink(0x300, b"\0" * 4 + attribute(10, ip("203.0.113.5"))),
        netlink(2, struct.pack("=i", -2) + b"\0" * 16),
        netlink(4711, b"\0" * 16),
    ],
)
def test_what_the_kernel_would_not_write_is_counted_and_answered_nothing(
    bench: Bench, judged: list[Examined], datagram: bytes
) -> None:
    bench.pump.feed(datagram)
    assert not judged
    assert (bench.pump.netlink_errors > 0) is (datagram != b"")
    bench.kernel.settimeout(0)
    with pytest.raises(BlockingIOError):
        bench.kernel.recv(100)


def test_an_acknowledgement_is_no_error(bench: Bench) -> None:
    bench.pump.feed(netlink(2, struct.pack("=i", 0) + b"\0" * 16))
    assert bench.pump.netlink_errors == 0


def test_a_packet_without_its_payload_is_still_answered(bench: Bench) -> None:
    bench.pump.feed(netlink(0x300, b"\0" * 4 + attribute(1, struct.pack(">IHB", 77, 0x0800, HOOK_FORWARD))))
    assert bench.verdict() == (77, ACCEPT)


def test_stopping_answers_what_waits(bench: Bench) -> None:
    for number in range(1, 6):
        bench.kernel.send(queued(number, ip("203.0.113.5")))
    bench.pump.stop()
    bench.pump.run()
    assert [bench.verdict()[0] for _ in range(5)] == [1, 2, 3, 4, 5]


def test_a_packet_is_noted_before_its_pump_gives_way(make: Maker) -> None:
    # Else one that is stopped meanwhile has a packet that is neither in its socket nor in its numbers.
    turns, hang = Turns(), threading.Event()
    first = make(lambda _examined: int(hang.wait(60)), lambda *_: 0, turns=turns, first=True)
    other = make(lambda _examined: 0, lambda *_: 0, turns=turns)

    def noted(number: int) -> bool:
        """Whether a packet was seen noted and not yet counted."""
        other.kernel.send(queued(number, ip("203.0.113.5")))
        wanted = [number, number, number - 1]
        while other.numbers[LaneNumber.RECEIVED] < number:
            if [other.numbers[each] for each in (LaneNumber.TAKEN, LaneNumber.LAST_ID, LaneNumber.RECEIVED)] == wanted:
                return True
            time.sleep(0.0002)
        return False

    with running(first), running(other):
        first.kernel.send(queued(1, ip("203.0.113.5")))
        while not first.numbers[LaneNumber.RECEIVED]:
            time.sleep(0.001)
        try:
            # It gives way for five milliseconds: a look may come too late.
            assert any(noted(number) and other.verdict() for number in range(1, 100))
        finally:
            hang.set()


def test_what_came_before_the_loop_is_served_first(make: Maker) -> None:
    bench = make(lambda _examined: 0, lambda *_: 0, early=[queued(1, ip("203.0.113.5"))])
    bench.kernel.send(queued(2, ip("203.0.113.5")))
    bench.pump.stop()
    bench.pump.run()
    assert [bench.verdict()[0], bench.verdict()[0]] == [1, 2]


def test_a_dead_descriptor_ends_the_loop_with_an_error(bench: Bench) -> None:
    bench.close()
    with pytest.raises(OSError, match="receiving from the queue failed"):
        bench.pump.run()


def test_it_ticks_while_nothing_comes_and_while_much_does(bench: Bench) -> None:
    with running(bench):
        time.sleep(0.35)
        idle = len(bench.ticks)
        assert idle >= 2
        deadline = time.monotonic() + 0.4
        while time.monotonic() < deadline:
            bench.kernel.send(queued(1, ip("203.0.113.5")))
            bench.verdict()
        assert len(bench.ticks) >= idle + 2
    assert bench.ticks == sorted(bench.ticks)


def test_a_tick_that_raises_is_counted_and_the_loop_goes_on(make: Maker) -> None:
    def tick(_now: int) -> None:
        raise RuntimeError("on purpose")

    bench = make(lambda _examined: 0, lambda *_: 0, tick=tick)
    with running(bench):
        time.sleep(0.15)
        bench.kernel.send(queued(1, ip("203.0.113.5")))
        assert bench.verdict() == (1, ACCEPT)
    assert bench.pump.failures >= 1


def test_stamps_are_wall_clock_and_never_go_back(bench: Bench, judged: list[Examined]) -> None:
    before = time.time_ns()
    for number in range(200):
        bench.pump.feed(queued(number, ip("203.0.113.5")))
    stamps = [examined.ts for examined in judged]
    assert stamps == sorted(stamps)
    assert before <= stamps[0] <= stamps[-1] <= pump.now() <= time.time_ns() + 1_000_000
