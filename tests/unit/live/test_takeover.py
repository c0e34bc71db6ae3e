"""A hanging process whose queues are ends of socket pairs: what the kernel would read on the other ends."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sipsensor.live.page import Lane, LaneNumber, Page
from sipsensor.live.takeover import Accept, take_over
from sipsensor.sources.nfqueue import AbandonedQueue

PASS = dict.fromkeys(Lane, Accept(waiting=True, coming=True))
QUEUES = {Lane.STRANGERS: 5060, Lane.TRUSTED: 5061}


def waiting(number: int) -> bytes:
    """A packet as the kernel announces it, cut to what is looked at."""
    body = bytes(4) + struct.pack("=HH", 11, 1) + struct.pack(">IHB", number, 0x0800, 1) + b"\0"
    return struct.pack("=IHHII", 16 + len(body), 0x300, 0, 0, 0) + body


def batch(queue: int, number: int, verdict: int) -> bytes:
    """A verdict for all packets up to ``number`` (linux/netfilter/nfnetlink_queue.h, NFQNL_MSG_VERDICT_BATCH)."""
    body = struct.pack(">BBH", 0, 0, queue) + struct.pack("=HH", 12, 2) + struct.pack(">II", verdict, number)
    return struct.pack("=IHHII", 16 + len(body), 0x303, 1, 0, 0) + body


def shut(queue: int, *, passes: bool) -> list[bytes]:
    """What comes passes or is dropped: mask and flags (NFQA_CFG_F_FAIL_OPEN), then a maximal length of none."""
    open_first = struct.pack("=HH", 8, 4) + struct.pack(">I", 1) + struct.pack("=HH", 8, 5) + struct.pack(">I", passes)
    bodies = (open_first, struct.pack("=HH", 8, 3) + struct.pack(">I", 0))
    return [
        struct.pack("=IHHII", 20 + len(body), 0x302, 1, 0, 0) + struct.pack(">BBH", 0, 0, queue) + body
        for body in bodies
    ]


def unbind(queue: int) -> bytes:
    body = struct.pack(">BBH", 0, 0, queue) + struct.pack("=HH", 8, 1) + struct.pack(">BxH", 2, 0)
    return struct.pack("=IHHII", 16 + len(body), 0x302, 1, 0, 0) + body


@dataclass
class Hanging:
    process: int
    page: Page
    kernel: dict[Lane, socket.socket]

    def orders(self, lane: Lane) -> list[bytes]:
        """What the lane's socket was told, in order."""
        told = []
        while True:
            try:
                told.append(self.kernel[lane].recv(1000, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return told


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    page = Page()
    pairs = {lane: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for lane in Lane}
    process = os.fork()
    if process == 0:
        while True:
            time.sleep(60)
    for lane, (ours, _) in pairs.items():
        page.lane(lane)[LaneNumber.DESCRIPTOR] = ours.fileno() + 1
    yield Hanging(process, page, {lane: pair[1] for lane, pair in pairs.items()})
    for ours, kernel in pairs.values():
        ours.close()
        kernel.close()
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def test_what_waits_is_answered_counted_and_the_queues_are_freed(hanging: Hanging) -> None:
    strangers, trusted = hanging.page.lane(Lane.STRANGERS), hanging.page.lane(Lane.TRUSTED)
    # One stranger's packet was received and is stuck; two wait. Of the trusted, one waits and nothing was ever received.
    strangers[LaneNumber.RECEIVED], strangers[LaneNumber.ANSWERED], strangers[LaneNumber.LAST_ID] = 5, 4, 5
    strangers[LaneNumber.TAKEN] = 5
    for number in (6, 7):
        hanging.kernel[Lane.STRANGERS].send(waiting(number))
    hanging.kernel[Lane.TRUSTED].send(waiting(1))
    before: list[list[bytes]] = []
    accept = {Lane.STRANGERS: Accept(waiting=False, coming=True), Lane.TRUSTED: Accept(waiting=True, coming=False)}
    answered = take_over(
        hanging.process, QUEUES, hanging.page, accept, lambda: before.extend(hanging.orders(lane) for lane in Lane)
    )
    assert answered == 4
    # Nothing enters any more before it is answered what waits: what comes after the last look would go with the queue.
    assert before[Lane.STRANGERS] == shut(5060, passes=True) + [batch(5060, 7, 0)] * 2
    assert before[Lane.TRUSTED] == shut(5061, passes=False) + [batch(5061, 1, 1)] * 2
    assert [hanging.orders(lane) for lane in Lane] == [[unbind(5060)], [unbind(5061)]]
    assert (strangers[LaneNumber.UNJUDGED_DROPPED], strangers[LaneNumber.STUCK_DROPPED]) == (3, 1)
    assert (trusted[LaneNumber.UNJUDGED_ACCEPTED], trusted[LaneNumber.STUCK_ACCEPTED]) == (1, 0)
    assert strangers[LaneNumber.UNJUDGED_ACCEPTED] == trusted[LaneNumber.UNJUDGED_DROPPED] == 0


def test_a_packet_that_is_only_stuck_is_answered_too(hanging: Hanging) -> None:
    numbers = hanging.page.lane(Lane.STRANGERS)
    numbers[LaneNumber.RECEIVED], numbers[LaneNumber.LAST_ID] = 1, 9
    assert take_over(hanging.process, QUEUES, hanging.page, PASS, lambda: None) == 1
    assert hanging.orders(Lane.STRANGERS)[2] == batch(5060, 9, 1)


def test_a_packet_that_waits_for_the_engine_was_taken_and_not_yet_counted(hanging: Hanging) -> None:
    numbers = hanging.page.lane(Lane.TRUSTED)
    numbers[LaneNumber.TAKEN], numbers[LaneNumber.RECEIVED], numbers[LaneNumber.ANSWERED] = 8, 7, 7
    numbers[LaneNumber.LAST_ID] = 8
    accept = PASS | {Lane.TRUSTED: Accept(waiting=False, coming=True)}
    assert take_over(hanging.process, QUEUES, hanging.page, accept, lambda: None) == 1
    assert hanging.orders(Lane.TRUSTED)[2] == batch(5061, 8, 0)
    # It met a queue rule and was never counted as received, so as one of those never received it is subtracted from what passed.
    assert (numbers[LaneNumber.UNJUDGED_DROPPED], numbers[LaneNumber.STUCK_DROPPED]) == (1, 0)


def test_a_process_that_is_gone_already_is_no_matter(hanging: Hanging) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert take_over(child, QUEUES, hanging.page, PASS, lambda: None) == 0


def test_packets_that_keep_coming_do_not_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AbandonedQueue, "ROUNDS", 0.0)
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    kernel.send(waiting(3))
    queue = AbandonedQueue(5060, os.dup(ours.fileno()))
    assert queue.answer(0, accept=True) == 1
    queue.close()
    ours.close()
    kernel.close()
