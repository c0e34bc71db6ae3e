"""What a batch is answered with: which messages, in which order, and what the kernel makes of them."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterable

import pytest

from sipsensor.fastpath.examine import Examined
from sipsensor.live.page import LaneNumber
from sipsensor.sources.pump import Turns
from tests.unit.sources.kernel import (
    ACCEPT,
    DROP,
    Answer,
    Bench,
    Maker,
    attribute,
    ip,
    netlink,
    queued,
    running,
    settled,
)

GOOD, BAD, RAISE = b"good", b"bad", b"raise"
YIELD = 8


def send(bench: Bench, payloads: Iterable[bytes], start: int = 1) -> list[int]:
    """Packets into the socket; their ids."""
    ids = [(start + offset) % 2**32 for offset, _ in enumerate(payloads)]
    for number, payload in zip(ids, payloads, strict=True):
        bench.kernel.send(queued(number, ip("203.0.113.5", payload)))
    return ids


def serve(bench: Bench) -> None:
    """All that is in the socket."""
    bench.pump.stop()
    bench.pump.run()


def test_drops_go_first_and_one_accept_answers_for_the_rest(bench: Bench) -> None:
    send(bench, [GOOD, BAD, GOOD, GOOD, BAD])
    serve(bench)
    assert bench.answers() == [Answer(2, DROP), Answer(5, DROP), Answer(4, ACCEPT, batch=True)]
    assert bench.nothing_more()
    assert (bench.pump.accepted, bench.pump.dropped) == (3, 2)


def test_where_most_are_dropped_accepts_go_first(bench: Bench) -> None:
    send(bench, [BAD, GOOD, BAD, BAD, GOOD])
    serve(bench)
    assert bench.answers() == [Answer(2, ACCEPT), Answer(5, ACCEPT), Answer(4, DROP, batch=True)]
    assert (bench.pump.accepted, bench.pump.dropped) == (2, 3)


@pytest.mark.parametrize(("payload", "verdict"), [(GOOD, ACCEPT), (BAD, DROP)])
def test_one_verdict_for_all(bench: Bench, payload: bytes, verdict: int) -> None:
    send(bench, [payload] * 3)
    serve(bench)
    assert bench.answers() == [Answer(3, verdict, batch=True)]


def test_a_verdict_of_one_packet_is_for_that_packet_alone(bench: Bench) -> None:
    send(bench, [BAD, GOOD])
    serve(bench)
    assert bench.answers() == [Answer(1, DROP), Answer(2, ACCEPT)]


def test_nothing_is_held_back_to_fill_a_batch(bench: Bench) -> None:
    with running(bench):
        for number in range(1, 4):
            bench.kernel.send(queued(number, ip("203.0.113.5")))
            assert bench.verdict() == (number, ACCEPT)


def test_strangers_are_answered_in_runs_of_eight(bench: Bench) -> None:
    send(bench, [GOOD] * 20)
    serve(bench)
    assert [bench.answers() for _ in range(3)] == [[Answer(last, ACCEPT, batch=True)] for last in (8, 16, 20)]
    assert bench.nothing_more()


def test_the_pump_that_goes_first_answers_all_it_took_at_once(make: Maker) -> None:
    bench = make(lambda _examined: 0, lambda *_: 0, first=True)
    bench.pump.feed(b"".join(queued(number, ip("203.0.113.5")) for number in range(1, 71)))
    assert [bench.answers() for _ in range(3)] == [[Answer(last, ACCEPT, batch=True)] for last in (32, 64, 70)]


def test_a_run_is_answered_before_the_next_is_judged(make: Maker) -> None:
    answered: list[int] = []

    def judge(_examined: Examined) -> int:
        answered.append(bench.numbers[LaneNumber.ANSWERED])
        return 0

    bench = make(judge, lambda *_: 0)
    send(bench, [GOOD] * 10)
    serve(bench)
    assert answered == [0] * 8 + [8] * 2


def test_numbers_run_on_packet_by_packet(make: Maker) -> None:
    seen: list[tuple[int, int, int]] = []

    def judge(_examined: Examined) -> int:
        numbers = bench.numbers
        seen.append((numbers[LaneNumber.TAKEN], numbers[LaneNumber.LAST_ID], numbers[LaneNumber.RECEIVED]))
        return 0

    bench = make(judge, lambda *_: 0)
    send(bench, [GOOD] * 3, start=100)
    serve(bench)
    assert seen == [(3, 102, 1), (3, 102, 2), (3, 102, 3)]
    assert bench.numbers[LaneNumber.ANSWERED] == 3
    assert sum(bench.pump.latency) == 3


def test_each_packet_is_a_sign_of_life(make: Maker) -> None:
    # Else a batch of packets that take long looks like a pump that hangs.
    loops: list[int] = []

    def judge(_examined: Examined) -> int:
        loops.append(bench.numbers[LaneNumber.LOOPS])
        return 0

    bench = make(judge, lambda *_: 0)
    send(bench, [GOOD] * 3)
    serve(bench)
    assert loops[0] < loops[1] < loops[2]


def test_a_judge_that_fails_in_the_middle_spoils_its_own_packet_alone(bench: Bench) -> None:
    send(bench, [GOOD, RAISE, BAD, b"raise, and drop", GOOD])
    serve(bench)
    assert bench.answers() == [Answer(3, DROP), Answer(4, DROP), Answer(5, ACCEPT, batch=True)]
    assert bench.pump.failures == 2


def test_what_was_judged_is_answered_when_the_loop_is_ended_in_a_packet(make: Maker) -> None:
    def judge(examined: Examined) -> int:
        if examined.payload == RAISE:
            raise KeyboardInterrupt
        return int(examined.payload == BAD)

    bench = make(judge, lambda *_: 0)
    with pytest.raises(KeyboardInterrupt):
        bench.pump.feed(
            b"".join(queued(1 + at, ip("203.0.113.5", each)) for at, each in enumerate((GOOD, BAD, RAISE, GOOD)))
        )
    assert bench.answers() == [Answer(2, DROP), Answer(1, ACCEPT)]
    assert bench.nothing_more()


def test_ids_may_wrap_around(bench: Bench) -> None:
    ids = send(bench, [GOOD, BAD, GOOD, GOOD, BAD, GOOD], start=2**32 - 3)
    serve(bench)
    answers = bench.answers()
    assert answers == [Answer(2**32 - 2, DROP), Answer(1, DROP), Answer(2, ACCEPT, batch=True)]
    assert settled(ids, answers) == [
        (2**32 - 2, DROP),
        (1, DROP),
        (2**32 - 3, ACCEPT),
        (2**32 - 1, ACCEPT),
        (0, ACCEPT),
        (2, ACCEPT),
    ]


def test_no_accept_for_all_while_a_packet_waits_that_has_no_number(bench: Bench) -> None:
    nameless = netlink(0x300, b"\0" * 4 + attribute(10, ip("203.0.113.5")))
    bench.pump.feed(queued(1, ip("203.0.113.5")) + nameless + queued(3, ip("203.0.113.5")))
    assert bench.answers() == [Answer(1, ACCEPT), Answer(3, ACCEPT)]
    bench.pump.feed(queued(4, ip("203.0.113.5")) + queued(5, ip("203.0.113.5")))
    assert bench.answers() == [Answer(4, ACCEPT), Answer(5, ACCEPT)]


def test_no_accept_for_all_after_verdicts_that_could_not_be_sent(bench: Bench) -> None:
    bench.socket.shutdown(socket.SHUT_WR)
    bench.pump.feed(queued(1, ip("203.0.113.5", BAD)))
    assert bench.pump.netlink_errors == 1
    other, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with other, kernel:
        os.dup2(other.fileno(), bench.socket.fileno())
        kernel.settimeout(5)
        bench.kernel.close()
        bench.kernel = kernel
        bench.pump.feed(queued(2, ip("203.0.113.5")) + queued(3, ip("203.0.113.5")))
        assert bench.answers() == [Answer(2, ACCEPT), Answer(3, ACCEPT)]


def test_the_largest_packets_fill_a_batch_whole(bench: Bench, judged: list[Examined]) -> None:
    bench.kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    payloads = [bytes([number]) * 65_400 for number in range(3)]
    send(bench, payloads)
    serve(bench)
    assert [examined.payload for examined in judged] == payloads


def test_the_other_pump_goes_after_the_packet_at_hand(make: Maker) -> None:
    turns, begun, enough = Turns(), threading.Event(), threading.Event()
    judged: list[int] = []

    def trusted_judge(_examined: Examined) -> int:
        begun.set()
        enough.wait(5)
        return 0

    def judge(examined: Examined) -> int:
        judged.append(examined.number)
        if len(judged) == 1:
            trusted.kernel.send(queued(1, ip("203.0.113.9")))
            begun.wait(5)
        else:
            enough.set()
        return 0

    trusted = make(trusted_judge, lambda *_: 0, turns=turns, first=True)
    strangers = make(judge, lambda *_: 0, turns=turns)
    with running(trusted):
        ids = send(strangers, [GOOD] * YIELD)
        serve(strangers)
        assert trusted.verdict() == (1, ACCEPT)
    assert judged == ids
    assert strangers.answers() == [Answer(1, ACCEPT)]
    answers = strangers.answers()
    while answers[-1].packet != YIELD:
        answers += strangers.answers()
    waiting = ids[1:]
    settled(waiting, answers)
    assert not waiting
    assert strangers.nothing_more()


def test_a_message_that_is_no_packet_is_passed_over(bench: Bench) -> None:
    bench.kernel.send(struct.pack("=IHHII", 16, 4711, 0, 0, 0))
    send(bench, [GOOD])
    serve(bench)
    assert bench.verdict() == (1, ACCEPT)
    assert bench.pump.netlink_errors == 1
