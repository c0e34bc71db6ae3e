"""The loop against a datagram socket pair: messages as the kernel writes them in, verdicts out."""

from __future__ import annotations

import struct
import threading
import time

import pytest

from sipsensor.fastpath.examine import Examined
from sipsensor.live.page import LaneNumber
from sipsensor.sources import pump
from sipsensor.sources.pump import Turns
from tests.unit.sources.kernel import (
    ACCEPT,
    DROP,
    HOOK_FORWARD,
    Answer,
    Bench,
    Maker,
    attribute,
    ip,
    netlink,
    queued,
    running,
)


def test_each_packet_gets_one_verdict_and_it_is_the_judges(bench: Bench, judged: list[Examined]) -> None:
    with running(bench):
        for number, payload in enumerate((b"good", b"bad", b"good")):
            bench.kernel.send(queued(number + 1, ip("203.0.113.5", payload)))
            assert bench.verdict() == (number + 1, int(payload == b"good"))
    assert (bench.pump.packets, bench.pump.accepted, bench.pump.dropped) == (3, 2, 1)
    assert [examined.src_text for examined in judged] == ["203.0.113.5"] * 3
    assert [examined.number for examined in judged] == [1, 2, 3]


def test_what_raises_is_answered_by_failed_and_the_loop_goes_on(bench: Bench) -> None:
    with running(bench):
        for number, (payload, verdict) in enumerate(
            ((b"raise", ACCEPT), (b"raise, and drop", DROP), (b"good", ACCEPT))
        ):
            bench.kernel.send(queued(number, ip("203.0.113.5", payload)))
            assert bench.verdict() == (number, verdict)
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
    assert bench.answers() == [Answer(2, DROP), Answer(1, ACCEPT)]


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
    assert bench.nothing_more()


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
    assert bench.answers() == [Answer(5, ACCEPT, batch=True)]


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
    deadline = time.monotonic() + 20
    with running(bench):
        while len(bench.ticks) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        idle = len(bench.ticks)
        while len(bench.ticks) < idle + 2:
            assert time.monotonic() < deadline
            bench.kernel.send(queued(1, ip("203.0.113.5")))
            bench.verdict()
    assert bench.ticks == sorted(bench.ticks)


def test_a_tick_that_raises_is_counted_and_the_loop_goes_on(make: Maker) -> None:
    def tick(_now: int) -> None:
        raise RuntimeError("on purpose")

    bench = make(lambda _examined: 0, lambda *_: 0, tick=tick)
    deadline = time.monotonic() + 20
    with running(bench):
        while not bench.pump.failures:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        bench.kernel.send(queued(1, ip("203.0.113.5")))
        assert bench.verdict() == (1, ACCEPT)


def test_stamps_are_wall_clock_and_never_go_back(bench: Bench, judged: list[Examined]) -> None:
    before = time.time_ns()
    for number in range(200):
        bench.pump.feed(queued(number, ip("203.0.113.5")))
    stamps = [examined.ts for examined in judged]
    assert stamps == sorted(stamps)
    assert before <= stamps[0] <= stamps[-1] <= pump.now() <= time.time_ns() + 1_000_000
