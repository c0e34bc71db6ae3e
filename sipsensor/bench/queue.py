"""What a queued packet costs, from the kernel's message to its verdict, in a network namespace that nobody else is in.

A thread unshares its network: it has a loopback of its own, and with the thread all of it goes, whatever happens. Packets are sent into
the queue first and read then, all in one go, so each reader finds the same. The floor is the same pump with a judge that accepts
everything.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, cast

from sipsensor.bench import offline
from sipsensor.bench.traffic import PBX, PBX_PORT, SOURCES, Phone
from sipsensor.config.settings import Settings
from sipsensor.enforce.rules import RulesError
from sipsensor.enforce.rules.tools import privileged, run
from sipsensor.engine import Engine
from sipsensor.fastpath import examine, ranges
from sipsensor.live.judging import Judging
from sipsensor.model import NANOSECONDS, Decision, Mode, Packet
from sipsensor.sources import pump as pumps
from sipsensor.sources.judge import Judge
from sipsensor.sources.nfqueue import BoundQueue, QueueError

if TYPE_CHECKING:
    from sipsensor.live.outlets import Outlets

QUEUE = 5060
LENGTH = 8192
EACH = 2_000
"""Packets of a round: they all wait at once."""
RULES = (
    f"iptables -w -t mangle -A INPUT -p udp --dport {PBX_PORT} -j NFQUEUE --queue-num {QUEUE}",
    f"iptables -w -t mangle -A OUTPUT -p udp --sport {PBX_PORT} -j NFQUEUE --queue-num {QUEUE}",
)
_NEWNET = 0x40000000
_SIOCSIFFLAGS, _UP = 0x8914, 1
_SO_SNDBUFFORCE = 32
_ROOM = 64 * 1024 * 1024
_PATIENCE = 60.0


class Accepting(Judge):
    """The floor."""

    def __init__(self) -> None:
        """It asks nobody."""

    def judge(self, examined: examine.Examined) -> int:
        """Accepts what was examined."""
        del examined
        return 0


class Evidence:
    """Nobody's packets are kept."""

    followed: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())


class Silent:
    """Outlets that lead nowhere."""

    recording = None
    evidence = Evidence()

    def tell(self, _examined: examine.Examined, _decision: Decision, _mode: Mode) -> None:
        """Of what was dropped it is said how much."""


class UnmeasuredError(Exception):
    """The queue cannot be measured here; the text says why, in one line."""


def queued(settings: Settings) -> dict[str, float]:
    """Microseconds of a packet: "accept" (the floor), "strangers", "registered" (phones that are trusted; requests and answers).

    Raises UnmeasuredError where namespaces, rules or queues cannot be had.
    """
    if not privileged():
        raise UnmeasuredError("CAP_NET_ADMIN is missing; run it as root")
    found: list[dict[str, float] | BaseException] = []
    thread = threading.Thread(target=_apart, args=(settings, found), name="bench", daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    outcome = found[0] if found else UnmeasuredError(f"not done within {_PATIENCE:g} s")
    if isinstance(outcome, OSError):
        raise UnmeasuredError(outcome.strerror or str(outcome)) from None
    if isinstance(outcome, QueueError | RulesError):
        raise UnmeasuredError(str(outcome)) from None
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _apart(settings: Settings, found: list[dict[str, float] | BaseException]) -> None:
    try:
        _unshare()
        found.append(_measured(settings))
    except BaseException as error:  # noqa: BLE001 - told in the other thread
        found.append(error)


def _unshare() -> None:
    """A network of this thread's own, its loopback up. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace: {os.strerror(number)}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_:
        fcntl.ioctl(any_, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP))


def _measured(settings: Settings) -> dict[str, float]:
    judges = {name: offline.engine_for(settings) for name in ("accept", "strangers", "registered")}
    make_known(judges["registered"])
    with ExitStack() as edges:
        for rule in RULES:
            complaint = run(rule.split())
            if complaint is not None:
                raise UnmeasuredError(f"no rule can queue packets: {complaint}")
        queue = BoundQueue(QUEUE, LENGTH, fail_open=False)
        edges.callback(queue.close)
        sockets = edges.enter_context(_everybody())
        numbers = iter(range(10**6, 10**9, EACH))

        def one(name: str, judge: Judge) -> offline.Round:
            reader = _pump(queue, judges[name], judge, first=name != "strangers")
            return lambda: _round(reader, sockets, next(numbers), answered=name == "registered")

        return offline.medians(
            {
                "accept": one("accept", Accepting()),
                "strangers": one("strangers", _judging(judges["strangers"])),
                "registered": one("registered", _judging(judges["registered"])),
            }
        )


def _judging(engine: Engine) -> Judging:
    """As a live sensor judges; nothing of it is told."""
    return Judging(engine, cast("Outlets", Silent()))


def _refused(_packet: bytes, _ts: int, _arrival: int, error: BaseException) -> int:
    raise error


def _pump(queue: BoundQueue, engine: Engine, judge: Judge, *, first: bool) -> pumps.Pump:
    """One that returns when the queue is empty."""
    made = pumps.Pump(
        queue.fd,
        queue.number,
        engine.examiner,
        judge,
        _refused,
        threading.Lock(),
        protected=ranges.Networks([f"{PBX}/32"]),
        early=queue.early,
        first=first,
    )
    queue.early = []
    made.stop()
    return made


def make_known(engine: Engine) -> None:
    """Every phone registers, as it would through the queue."""
    for number in range(SOURCES):
        now = pumps.now()
        for place, (arrival, data) in enumerate(Phone(number).registers(1 + 2 * number)):
            engine.process(Packet(now + place, data, offline.LINK, arrival=arrival))


@contextmanager
def _everybody() -> Iterator[list[socket.socket]]:
    """A socket for each phone, and the PBX's, the last one."""
    with ExitStack() as open_:
        made = []
        for address in [*((Phone(n).address, Phone(n).port) for n in range(SOURCES)), (PBX, PBX_PORT)]:
            one = open_.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            # What waits in the queue counts as the sender's.
            one.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _ROOM)
            one.bind(address)
            made.append(one)
        yield made


def _round(reader: pumps.Pump, sockets: list[socket.socket], first: int, *, answered: bool) -> tuple[int, float]:
    """Fill the queue, then read it. Raises UnmeasuredError where a packet did not come, or was dropped."""
    for number in range(first, first + EACH // (2 if answered else 1)):
        phone = Phone(number % SOURCES)
        call = phone.number if answered else number
        sockets[phone.number].sendto(phone.register(number, call, credentials=answered), (PBX, PBX_PORT))
        if answered:
            sockets[-1].sendto(phone.accept(number, call), (phone.address, phone.port))
    packets, dropped = reader.packets, reader.dropped
    started = time.thread_time_ns()
    reader.run()
    seconds = (time.thread_time_ns() - started) / NANOSECONDS
    if (reader.packets - packets, reader.dropped - dropped) != (EACH, 0):
        raise UnmeasuredError(
            f"of {EACH} packets {reader.packets - packets} came through the queue and {reader.dropped - dropped} were dropped"
        )
    return EACH, seconds
