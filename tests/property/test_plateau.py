"""Forged sources without end: memory stays under what the tables may hold, nobody trusted is pushed out, and packets cost what they cost.

The short form runs every time; a million is ``slow``. How much dearer the last tenth of the packets was than the first goes into the report
(``--junitxml``) and is printed with ``-s``; machines differ, so no time is asserted.
"""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sipsensor.app import build_engine
from sipsensor.config.load import defaults
from sipsensor.engine import Engine
from sipsensor.model import Mode, Packet, Standing
from tests.support.packets import LINK_RAW, PBX, PBX6, TCP, datagram, ipv4, message, response, tcp
from tests.support.site import Guest, Site

PHONES = 300
STEP = 2_000_000
"""Nanoseconds from one packet to the next: 500 packets a second."""
ENTRY_MOST = 24 + 8 * 14
"""Bytes of the widest entry of any table: key, time, count and rank, then the 14 numbers of a remembered request."""
SLACK = 24 << 20
"""Bytes for what Python holds beside the tables: the summaries of sources, its own arenas."""
REQUEST = message(
    "REGISTER",
    "sip:pbx",
    change={
        "Via": "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK@NUMBER",
        "From": "<sip:@NAME@pbx>;tag=@NUMBER",
        "To": "<sip:@NAME@pbx>",
        "Call-ID": "@NUMBER",
        "CSeq": "1 REGISTER",
    },
    extra=[("Contact", "<sip:x@10.0.0.1>")],
)
CREDENTIALS = (
    b'Authorization: Digest username="@NAME", realm="pbx", nonce="@NUMBER", uri="sip:pbx", response="@NUMBER"\r\n\r\n'
)
CHALLENGE = response(
    401,
    "x",
    change={
        "Via": "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK@NUMBER",
        "To": "<sip:@NAME@pbx>;tag=@NUMBER",
        "CSeq": "1 REGISTER",
    },
    extra=[("WWW-Authenticate", 'Digest realm="pbx", nonce="n@NUMBER"')],
)


def resident() -> int:
    """Bytes of memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Forger:
    """Packets in the name of ever new sources, each with a name, a nonce, a transaction of its own."""

    def __init__(self, engine: Engine, start: int) -> None:
        self.engine = engine
        self.chance = random.Random(7)
        self.now = start
        self.dropped = 0

    def send(self, number: int) -> None:
        """One source: a request, mostly with credentials; where it reaches the PBX, a challenge; now and then a SYN-ACK to it."""
        six = number % 4 == 0
        source = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1" if six else _four(number)
        pbx, port = PBX6 if six else PBX, 1024 + self.chance.getrandbits(15)
        known = number % 8 == 1
        name = b"%d" % (100 + number % PHONES if known else 10_000 + number)
        text = REQUEST if number % 3 == 0 else REQUEST[:-2] + CREDENTIALS
        filled = text.replace(b"@NUMBER", b"%08x" % number).replace(b"@NAME", name)
        if self.process(datagram(filled, source, pbx, port)):
            self.dropped += 1
        else:
            answer = CHALLENGE.replace(b"@NUMBER", b"%08x" % number).replace(b"@NAME", name)
            self.process(datagram(answer, pbx, source, 5060, port))
        if number % 5 == 1 and not six:
            shake = tcp(b"", 5060, port, sequence=number, acknowledged=1, flags=0x12)
            self.process(ipv4(shake, PBX, source, protocol=TCP))

    def process(self, packet: bytes) -> int:
        """What became of a packet."""
        self.now += STEP
        return self.engine.process(Packet(self.now, packet, LINK_RAW)).effect


def _four(number: int) -> str:
    return f"{1 + (number >> 20) % 100}.{number >> 12 & 255}.{number >> 4 & 255}.{(number & 15) + 1}"


@pytest.mark.parametrize(
    "sources", [pytest.param(60_000, id="short"), pytest.param(1_000_000, id="million", marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)  # fmt: skip
def test_forged_sources_cost_neither_memory_nor_the_trusted(
    sources: int, record_property: Callable[[str, object], None]
) -> None:
    one = build_engine(defaults(), mode=Mode.ENFORCE, protected=[PBX, PBX6], seed=b"a seed for tests")
    site = Site(one)
    phones = [Guest(str(100 + number), f"203.0.113.{1 + number % 40}", 5060 + number) for number in range(PHONES)]
    for phone in phones:
        assert site.register(phone, expires=86_400).reached
    forger = Forger(one, site.ts)
    before = resident()
    tenths = [_tenth(forger, range(sources * part // 10, sources * (part + 1) // 10)) for part in range(10)]
    grown = [held - before for _, held in tenths]
    ratio = tenths[-1][0] / tenths[0][0]
    cap = sum(table.capacity for table in one.tables()) * ENTRY_MOST + SLACK
    for name, value in (
        ("last_to_first_tenth", round(ratio, 2)),
        ("grown_mib", grown[-1] >> 20),
        ("cap_mib", cap >> 20),
    ):
        record_property(name, value)
        print(name, value)  # noqa: T201 - read with -s
    site.now = forger.now / 1_000_000_000
    assert one.counters.errors == 0
    assert forger.dropped > sources // 3
    assert all(table.entries <= table.capacity for table in one.tables())
    assert grown[-1] < cap
    assert sources < 500_000 or grown[-1] - grown[4] < SLACK // 4, [size >> 20 for size in grown]
    assert one.tracker.standings.trusted(site.ts) == PHONES
    # The key is of this engine's seed, so it is asked and not computed.
    for phone in phones:
        decision, _ = site.ask(phone)
        assert not decision.effect
        assert decision.observation is not None
        assert (decision.observation.standing, decision.observation.relieved) == (Standing.TRUSTED, True)
    assert not one.ledger.table.count(site.ts, 0)


def _tenth(forger: Forger, numbers: range) -> tuple[float, int]:
    """Seconds of this processor that these sources took, and the memory held then."""
    start = time.thread_time()
    for number in numbers:
        forger.send(number)
    return time.thread_time() - start, resident()
