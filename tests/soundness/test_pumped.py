"""The way of live packets against ``Engine.process``: the same packets through the queues of two pumps, in batches and in runs, and one by one.

A pump stamps what it examines; the engine beside it gets each packet with that stamp, in the order in which the pumps judged. The
governor is off: it is what decides that some are not judged at all.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Self, cast

import pytest

from sipsensor.engine import Engine
from sipsensor.fastpath.examine import Examined
from sipsensor.fastpath.ranges import Networks
from sipsensor.live.judging import Judging
from sipsensor.live.outlets import Outlets
from sipsensor.model import Arrival, Decision, Mode, Packet
from sipsensor.sources.pcap import Capture, packets
from sipsensor.sources.pump import Pump, Turns, now
from tests.soundness.attacks import PROTECTED, mixed
from tests.soundness.bent import Bent
from tests.soundness.drive import WORLDS
from tests.soundness.history import decided, held
from tests.soundness.worlds import Failures, engine_of
from tests.support.cases import cases
from tests.support.packets import LINK_ETHERNET, LINK_RAW
from tests.unit.sources.kernel import HOOK_FORWARD, HOOK_OUT, MESSAGE, Answer, answer, queued, settled

LINK_PUMPED = 12
"""DLT_RAW, as a pump says."""
SHOWN = 65_531
"""Bytes that the kernel shows of a packet."""
LARGEST = SHOWN + 1000
"""Of a datagram of the kernel."""
WINDOW = 120
"""Packets that are under way at most: fewer than what a socket holds."""


Entries = list[tuple[Packet | int, str]]
"""What was judged, in order: the packet and the decision; or a tick, and when."""


class Told:
    """Stands where outlets are told."""

    recording = object()
    """Not None: so all is told."""
    followed: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self.evidence = self
        self.effects: list[int] = []

    def tell(self, examined: Examined, decision: Decision, _mode: Mode) -> None:
        packet = Packet(
            examined.ts, examined.data, LINK_PUMPED, examined.number, examined.wire_length, Arrival(examined.arrival)
        )
        self.entries.append((packet, decided(decision)))
        self.effects.append(int(decision.effect))


class Lane:
    """A queue, its pump and the kernel's end of it."""

    def __init__(self, engine: Engine, entries: Entries, lock: threading.Lock, turns: Turns, *, first: bool) -> None:
        self.ours, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.ours, self.kernel):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        self.kernel.settimeout(30)
        self.told = Told(entries)
        self.sent: list[int] = []
        self.waiting: list[int] = []
        self.verdicts: dict[int, int] = {}

        def tick(at: int) -> None:
            engine.tick(at)
            entries.append((at, ""))

        self.pump = Pump(
            self.ours.fileno(),
            5060,
            engine.examiner,
            Judging(engine, cast("Outlets", self.told)),
            lambda *_: 1,
            lock,
            protected=Networks(list(PROTECTED)),
            tick=tick,
            turns=turns,
            first=first,
        )

    def send(self, messages: Sequence[bytes], ids: Sequence[int]) -> None:
        self.sent += ids
        self.waiting += ids
        together = b"".join(messages)
        for datagram in (together,) if len(together) <= LARGEST else messages:
            self.kernel.send(datagram)

    def settle(self) -> None:
        """Wait until all is answered."""
        while self.waiting:
            datagram = self.kernel.recv(10_000)
            answers: list[Answer] = [answer(datagram[at : at + MESSAGE]) for at in range(0, len(datagram), MESSAGE)]
            self.verdicts.update(settled(self.waiting, answers))

    def assert_answered_as_judged(self) -> None:
        """What the kernel was told of each packet is what the engine said of it."""
        assert [1 - self.verdicts[number] for number in self.sent] == self.told.effects

    def close(self) -> None:
        self.ours.close()
        self.kernel.close()


class Site:
    """Two pumps that share an engine, running."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.random = Random(seed)
        self.entries: Entries = []
        turns, lock = Turns(), threading.Lock()
        self.lanes = [Lane(engine, self.entries, lock, turns, first=first) for first in (True, False)]
        self.threads = [threading.Thread(target=lane.pump.run) for lane in self.lanes]
        self.ids = itertools.count(2**32 - 500)

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self.lanes:
            lane.pump.stop()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()
        for lane in self.lanes:
            lane.close()

    def pass_on(self, stream: Iterator[Packet]) -> int:
        """All of them through the queues, in datagrams and windows of any size; how many."""
        count = 0
        while window := list(itertools.islice(stream, self.random.randrange(1, WINDOW))):
            count += len(window)
            while window:
                taken = [window.pop(0) for _ in range(min(len(window), self.random.choice((1, 1, 1, 2, 7))))]
                lane = self.lanes[self.random.random() < 0.7]
                ids = [next(self.ids) % 2**32 for _ in taken]
                lane.send([as_queued(number, packet) for number, packet in zip(ids, taken, strict=True)], ids)
            for lane in self.lanes:
                lane.settle()
        return count


def as_queued(number: int, packet: Packet) -> bytes:
    """As the kernel announces it, by the hook that it would come through."""
    hook = HOOK_OUT if packet.arrival is Arrival.OUTBOUND else HOOK_FORWARD
    return queued(number, packet.data[:SHOWN], hook, whole=packet.wire_length)


def compare(world: str, stream: Iterator[Packet], seed: int) -> tuple[Entries, Engine]:
    """Both ways; AssertionError where they differ."""
    failures = Failures()
    pumped, beside = (engine_of(WORLDS[world], failures) for _ in range(2))
    with Site(pumped, seed) as site:
        count = site.pass_on(stream)
    judged = 0
    for place, (what, said) in enumerate(site.entries):
        if isinstance(what, int):
            beside.tick(what)
        else:
            assert said == decided(beside.process(what)), f"the {place}th, {what.data!r}"
            judged += 1
    assert judged == count
    assert failures.said == []
    for lane in site.lanes:
        lane.assert_answered_as_judged()
        assert lane.pump.failures + lane.pump.netlink_errors == 0
    at = now()
    assert held(pumped, at) == held(beside, at)
    return site.entries, pumped


def of_a_site(world: str, seed: int, count: int) -> Iterator[Packet]:
    """IP packets, the PBX answering what an engine of its own lets through."""
    engine = engine_of({})
    bent = Bent(Random(seed))
    made = 0
    for sent, whole in mixed(seed).packets():
        packet = bent.packet(whole) if world == "bent" else whole
        sent.dropped = bool(engine.process(packet).effect)
        if packet.link == LINK_RAW and packet.data:
            yield packet
            made += 1
            if made == count:
                return


def of_a_case(capture: Path) -> Iterator[Packet]:
    """Its IP packets, without what stands before them."""
    for batch in Capture(capture).batches():
        for packet in packets(batch):
            head = {LINK_ETHERNET: 14, LINK_RAW: 0, LINK_PUMPED: 0}.get(packet.link)
            if head is not None and len(packet.data) > head:
                yield Packet(packet.ts, packet.data[head:], LINK_RAW, packet.number, packet.wire_length - head)


@pytest.mark.parametrize("world", WORLDS)
def test_a_busy_site_under_attack(world: str) -> None:
    entries, engine = compare(world, of_a_site(world, 11, 8_000), 11)
    assert engine.counters.packets == 8_000
    assert engine.counters.dropped > 300
    assert {what.arrival for what, _ in entries if isinstance(what, Packet)} == {
        Arrival.INBOUND,
        Arrival.OUTBOUND,
        Arrival.FORGED,
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("world", WORLDS)
def test_the_same_for_long(world: str) -> None:
    _, engine = compare(world, of_a_site(world, 12, 150_000), 12)
    assert engine.counters.packets == 150_000


def test_the_cases_of_pcaps() -> None:
    stream = itertools.chain.from_iterable(of_a_case(case.capture) for case in cases())
    _, engine = compare("plain", stream, 13)
    assert engine.counters.packets > 3_000
