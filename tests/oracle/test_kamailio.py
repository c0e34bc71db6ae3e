"""What a real Kamailio reads in a mutated request, we read in it, too, or drop it: otherwise a scanner's name could pass us by."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sipsensor.app import build_engine
from sipsensor.config.load import defaults
from sipsensor.engine import Engine
from sipsensor.fastpath.names import FIELDS
from sipsensor.model import Action, Mode, Packet, Verdict
from tests.conftest import missing
from tests.oracle.kamailio import OWN_PORT, Kamailio, kamailio
from tests.support.packets import LINK_RAW, PBX, datagram

MARKS = {"user-agent": b"the-agent", "call-id": b"the-call", "from.tag": b"the-tag"}
LINES = (
    b"Via: SIP/2.0/UDP 127.0.0.1:" + OWN_PORT + b";branch=z9hG4bKbranch;rport",
    b'From: "Shown" <sip:the-user@the-host>;tag=the-tag',
    b"To: <sip:bob@example.com>",
    b"Call-ID: the-call",
    b"CSeq: 7 OPTIONS",
    b"User-Agent: the-agent",
    b"Max-Forwards: 70",
    b"Content-Length: 0",
)
JUNK = (
    b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b"\r\n ", b"\n\t", b"\r ", b"\n\r\n", b":", b";", b'"', b"\\", b"<", b">", b"@", b"%", b"=", b"/",
    b"(", b"\x7f", b"\xff", b"\x01", b"\x0b", b";x=y", b"a",
)  # fmt: skip
SEPARATORS = (b" :", b"\t:", b"\r\n :", b":\r\n ", b":\n\t", b"::", b"\0:", b"\r :", b":")
NAMES = (b"User-Agent", b"uSER-aGENT", b"From", b"f", b"F", b"Call-ID", b"i", b"I", b"X")


def mutated(r: random.Random) -> bytes:
    """A request with one to three things wrong, before, within or between its lines."""
    lines = list(LINES)
    if r.random() < 0.3:
        r.shuffle(lines)
    lines.insert(0, b"OPTIONS sip:bob@127.0.0.1 SIP/2.0")
    for _ in range(r.choice((1, 1, 2, 3))):
        number = r.randrange(len(lines))
        line, place, what = lines[number], 0, r.random()
        place = r.randrange(len(line) + 1)
        if what < 0.5:
            lines[number] = line[:place] + r.choice(JUNK) * r.choice((1, 1, 2)) + line[place:]
        elif what < 0.6:
            lines[number] = line[:place] + line[place + 1 :]
        elif what < 0.8:
            name, _, value = line.partition(b":")
            lines[number] = name + r.choice(SEPARATORS) + value
        elif what < 0.9:
            lines.insert(r.randrange(1, len(lines) + 1), r.choice((line, b"garbage", b" ", r.choice(NAMES) + b": x")))
        else:
            lines[number] = r.choice(NAMES) + b":" + line.partition(b":")[2]
    end = r.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"))
    return end.join([*lines, b"", b""])


@pytest.fixture(scope="module")
def stack(root: None) -> Iterator[Kamailio]:  # noqa: ARG001
    if shutil.which("kamailio") is None:
        missing("kamailio", "make setup-test, or apt-get install kamailio")
    with kamailio() as one:
        plain = b"\r\n".join([b"OPTIONS sip:bob@127.0.0.1 SIP/2.0", *LINES, b"", b""])
        for _ in range(40):
            if one.read([plain])[0]:
                break
            time.sleep(0.25)
        yield one


@pytest.fixture(scope="module")
def engine() -> Engine:
    """What it drops, it drops for what stands in the message: all of them come from one sender."""
    settings = defaults()
    limits = {
        name: replace(settings.detectors[name], action=Action.ALERT)
        for name in ("guessing", "enumeration", "handshakes", "flood")
    }
    settings = replace(settings, detectors={**settings.detectors, **limits})
    return build_engine(settings, mode=Mode.ENFORCE, protected=[PBX])


@pytest.mark.parametrize("seed", range(8))
def test_what_kamailio_reads_we_read_or_drop(stack: Kamailio, engine: Engine, seed: int) -> None:
    r = random.Random(seed)
    answered = compared = 0
    for _ in range(4):
        messages = [mutated(r) for _ in range(64)]
        for message, said in zip(messages, stack.read(messages), strict=True):
            if said is None:
                continue
            answered += 1
            payload = message.replace(OWN_PORT, b"5060")
            packet = Packet(0, datagram(payload), LINK_RAW)
            if engine.process(packet).verdict is Verdict.DROP:
                continue
            examined = engine.examiner.examine(packet)
            for name, mark in MARKS.items():
                if said.get(name, b"").strip() == mark:
                    compared += 1
                    assert mark in [value.strip() for value in examined.values(FIELDS[name])], (name, payload)
    assert answered > 40
    assert compared > 80


def test_it_says_what_it_reads(stack: Kamailio) -> None:
    said = stack.read([b"\r\n".join([b"OPTIONS sip:bob@127.0.0.1 SIP/2.0", *LINES, b"", b""]), b"nonsense"])
    assert said[0] == {**MARKS, "from": b"sip:the-user@the-host"}
    assert said[1] is None
