"""A pump with what no kernel sends: netlink messages whose lengths lie, and packets of any kind, judged by a whole engine."""

from __future__ import annotations

import socket
import struct
import threading
from random import Random

from sipsensor.fastpath.examine import Examined
from sipsensor.fastpath.ranges import Networks
from sipsensor.live.shedding import Shedding
from sipsensor.model import Verdict
from sipsensor.sources.governor import Governor
from sipsensor.sources.pump import Pump, Turns
from tests.fuzz import corpus, mutations
from tests.soundness.worlds import Failures, engine_of
from tests.support.packets import LINK_RAW, PBX
from tests.unit.sources.kernel import queued

DATAGRAMS_MOST = 40
LARGEST = 65_531 + 4096


class Pumps:
    """Two pumps of one engine, with a governor and without."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.done = 0
        self.frames = [data for link, data in corpus.frames() if link == LINK_RAW]
        self.messages = corpus.payloads()
        self.ours, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.ours, self.kernel):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        self.kernel.settimeout(0)
        self.failures = Failures()
        engine = engine_of({}, self.failures)
        shedding = Shedding(engine, Verdict.DROP, lambda *_: None)
        turns = Turns()

        def judged(examined: Examined) -> int:
            return int(engine.judge(examined).effect)

        def pump(*, first: bool) -> Pump:
            return Pump(
                self.ours.fileno(),
                5060,
                engine.examiner,
                judged,
                failed,
                threading.Lock(),
                protected=Networks([PBX, "2001:db8::/64"]),
                inside=(3,),
                turns=turns,
                first=first,
                governor=None if first else Governor(0.5, 100_000, 64),
                shed=None if first else shedding.shed,
            )

        self.pumps = [pump(first=first) for first in (True, False)]
        for each in self.pumps:
            each.stop()

    def close(self) -> None:
        """No more of it."""
        self.ours.close()
        self.kernel.close()

    def round(self) -> None:
        """Some datagrams for one of them, and all its answers."""
        random, pump = self.random, self.random.choice(self.pumps)
        for _ in range(random.randrange(1, DATAGRAMS_MOST)):
            datagram = self.datagram()
            if datagram and random.random() < 0.8:
                try:
                    self.kernel.send(datagram)
                except BlockingIOError:
                    pump.run()
            else:
                pump.feed(datagram)
            self.done += 1
        pump.run()
        assert pump.failures == 0
        assert self.failures.said == []
        assert pump.packets == pump.accepted + pump.dropped
        while True:
            try:
                answers = self.kernel.recv(10_000)
            except BlockingIOError:
                return
            assert len(answers) % 32 == 0

    def datagram(self) -> bytes:
        """A few messages, often bent."""
        random = self.random
        if random.random() < 0.05:
            return random.randbytes(random.choice((0, 1, 15, 16, 20, 100, 2000)))
        whole = b"".join(self.message() for _ in range(random.choice((1, 1, 2, 5))))
        for _ in range(random.choice((0, 0, 1, 2))):
            whole = self.bent(whole)
        return whole[:LARGEST]

    def message(self) -> bytes:
        """A packet as the kernel announces it."""
        random = self.random
        packet = random.choice(self.frames)
        if random.random() < 0.5:
            _, packet = mutations.wrap(
                random, mutations.mutate_message(random, random.choice(self.messages), self.messages)
            )
        whole = random.choice((None, len(packet), random.randrange(1 << 32)))
        return queued(
            random.getrandbits(32), packet[:65_000], random.randrange(6), random.choice((0, 3, 7, 2**32 - 1)), whole
        )

    def bent(self, whole: bytes) -> bytes:
        """A length that lies, at a place where lengths stand, or a byte anywhere."""
        random = self.random
        broken = bytearray(whole)
        at = random.choice((0, 16, 20, 24, 32, 40, 44, random.randrange(len(whole) or 1)))
        if at + 4 <= len(broken):
            if random.random() < 0.5:
                struct.pack_into("=H", broken, at, random.choice((0, 1, 3, 4, 5, 0x8001, 0xFFFF, len(whole) & 0xFFFF)))
            else:
                struct.pack_into("=I", broken, at, random.choice((0, 15, 16, 17, len(whole) + 1, 2**31, 2**32 - 1)))
        return bytes(broken[: random.choice((len(broken), random.randrange(len(broken) + 1)))])


def failed(_packet: bytes, _ts: int, _arrival: int, error: BaseException) -> int:
    """Nothing may."""
    raise AssertionError("the pump failed") from error
