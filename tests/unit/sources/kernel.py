"""A pump against a datagram socket pair: messages as the kernel writes them in, verdicts out."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.ranges import Networks
from sipsensor.live.page import LANE_NUMBERS
from sipsensor.sources.governor import Governor
from sipsensor.sources.pump import Pump, Turns

HOOK_IN, HOOK_FORWARD, HOOK_OUT = 1, 2, 3
DROP, ACCEPT = 0, 1
PBX = "192.0.2.10"
Failed = Callable[[bytes, int, int, BaseException], int]
Tick = Callable[[int], None]
MESSAGE = 32
"""Bytes of a verdict message."""


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

    def __init__(  # noqa: PLR0913 - what a pump may have, by name
        self,
        judge: Callable[[Examined], int],
        failed: Failed,
        *,
        early: Sequence[bytes] = (),
        tick: Tick | None = None,
        turns: Turns | None = None,
        first: bool = False,
        governor: Governor | None = None,
        shed: Callable[[Examined], int] | None = None,
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
            governor=governor,
            shed=shed,
        )

    def close(self) -> None:
        self.kernel.close()
        self.socket.close()

    def answers(self) -> list[Answer]:
        """The verdict messages of the next datagram."""
        datagram = self.kernel.recv(10_000)
        assert datagram
        assert len(datagram) % MESSAGE == 0
        return [answer(datagram[at : at + MESSAGE]) for at in range(0, len(datagram), MESSAGE)]

    def verdict(self) -> tuple[int, int]:
        """(packet id, verdict) of the next answer, which stands alone."""
        (only,) = self.answers()
        assert not only.batch
        return only.packet, only.verdict

    def nothing_more(self) -> bool:
        """Whether no answer waits."""
        self.kernel.settimeout(0)
        try:
            return not self.kernel.recv(10_000)
        except BlockingIOError:
            return True
        finally:
            self.kernel.settimeout(5)


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


class Answer(NamedTuple):
    """One verdict message: for a packet, or (``batch``) for all that wait up to it."""

    packet: int
    verdict: int
    batch: bool = False


def answer(message: bytes) -> Answer:
    """A verdict message as the kernel reads it."""
    size, kind, flags, _sequence, _port, _family, _version, queue, length, number = struct.unpack(
        "=IHHIIBBHHH", message[:24]
    )
    assert (size, flags, socket.ntohs(queue), length, number) == (MESSAGE, 1, 5060, 12, 2)
    assert kind in {0x301, 0x303}
    verdict, packet = struct.unpack(">II", message[24:])
    return Answer(packet, verdict, kind == 0x303)


def settled(waiting: list[int], answers: Sequence[Answer]) -> list[tuple[int, int]]:
    """What the kernel does: every packet with the verdict that it gets, in the order in which they leave the queue.

    ``waiting``: the ids of the packets in the queue, oldest first; those that are answered are taken out. An answer to nothing is an error.
    """
    done = []
    for each in answers:
        if each.batch:
            # nfqnl_recv_verdict_batch: from the oldest on, up to the first whose number is after this one by 32-bit difference.
            hit = []
            for packet in waiting:
                if 0 < (packet - each.packet) % 2**32 < 2**31:
                    break
                hit.append(packet)
        else:
            hit = [packet for packet in waiting if packet == each.packet][:1]
        assert hit, f"{each} answers nothing"
        for packet in hit:
            waiting.remove(packet)
            done.append((packet, each.verdict))
    return done


Maker = Callable[..., Bench]
