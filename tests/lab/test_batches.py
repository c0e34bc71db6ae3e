"""Batches on a real queue: the kernel works several verdicts in one datagram in their order, and an accept for all takes none along."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator

import pytest

from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.ranges import Networks
from sipsensor.sources.nfqueue import BoundQueue, state
from sipsensor.sources.pump import Pump
from tests.lab.network import Network, inside

NUMBER, PORT, PACKETS = 5099, 5099, 2000
SOL_NETLINK, NO_ENOBUFS = 270, 5
RULE = f"INPUT -i lo -p udp --dport {PORT} -j NFQUEUE --queue-num {NUMBER}"


@pytest.fixture
def queue(lab: Network) -> Iterator[BoundQueue]:
    lab.gateway.run("ip link set lo up")
    with inside(lab.gateway):
        bound = BoundQueue(NUMBER, 2 * PACKETS, fail_open=False)
        lab.gateway.run(f"iptables -w -t mangle -A {RULE}")
        try:
            yield bound
        finally:
            lab.gateway.run(f"iptables -w -t mangle -D {RULE}")
            bound.close()


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("bad", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_each_waiting_packet_gets_the_verdict_it_was_judged(queue: BoundQueue, first: bool, bad: float) -> None:  # noqa: FBT001
    chance = random.Random(f"{bad} {first}")
    payloads = [(b"bad" if chance.random() < bad else b"good") + b" %d" % number for number in range(PACKETS)]

    def judge(examined: Examined) -> int:
        return int(examined.payload.startswith(b"bad"))

    pump = Pump(
        queue.fd, NUMBER, Examiner(Matcher()), judge, lambda *_: 1, threading.Lock(), protected=Networks(), first=first
    )
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        receiver.bind(("127.0.0.1", PORT))
        receiver.settimeout(0.2)
        for payload in payloads:
            sender.sendto(payload, ("127.0.0.1", PORT))
        pump.stop()
        pump.run()
        wanted = [payload for payload in payloads if payload.startswith(b"good")]
        assert [receiver.recv(100) for _ in wanted] == wanted
        with pytest.raises(TimeoutError):
            receiver.recv(100)
    assert (pump.packets, pump.accepted, pump.netlink_errors) == (PACKETS, len(wanted), 0)
    after = state(NUMBER)
    assert after is not None
    assert (after.waiting, after.dropped_full, after.dropped_socket) == (0, 0, 0)


def test_an_overrun_is_counted_and_the_rest_is_answered(queue: BoundQueue) -> None:
    with socket.socket(fileno=os.dup(queue.fd)) as side:
        side.setsockopt(SOL_NETLINK, NO_ENOBUFS, 0)
        side.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    pump = Pump(
        queue.fd, NUMBER, Examiner(Matcher()), lambda _examined: 0, lambda *_: 1, threading.Lock(), protected=Networks()
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(PACKETS):
            sender.sendto(b"%d" % number, ("127.0.0.1", PORT))
    pump.stop()
    pump.run()
    after = state(NUMBER)
    assert after is not None
    assert pump.netlink_errors == 1
    assert 0 < pump.accepted == pump.packets < PACKETS
    assert (after.waiting, after.dropped_socket) == (0, PACKETS - pump.packets)
