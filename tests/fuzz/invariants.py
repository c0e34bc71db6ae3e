"""What holds for every packet, however broken. Each check raises AssertionError with what it saw."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sipsensor.engine import Engine
from sipsensor.fastpath import examine
from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.fastpath.matcher import VIEW_NORM, VIEW_RAW, Matcher
from sipsensor.fastpath.names import ANOMALIES, FIELD_HEADERS, FIELDS, HEADERS, header_number
from sipsensor.model import DROP_REASONS, Packet, Reason, Verdict
from sipsensor.reassembly.assembler import Assembler
from tests.fuzz.corpus import Frame
from tests.support.frames import found, read
from tests.support.packets import LINK_RAW, ipv4

SEED = b"0123456789abcdef"
MESSAGES = (examine.CONTENT_REQUEST, examine.CONTENT_RESPONSE, examine.CONTENT_MALFORMED)
FRAMES = (examine.CONTENT_FRAME, examine.CONTENT_MEDIA_FRAME, examine.CONTENT_FRAME_MALFORMED)
SOME_FIELDS = [field for field in FIELDS.values() if field < FIELD_HEADERS + 3]
"""All that are derived, and a few headers."""
SECONDS_MAX = 1.0
"""Processor time for one packet of at most 64 KiB under the sanitizers. What is linear needs a tenth of it, what is not a hundred times."""


def everything_matcher() -> Matcher:
    """A rule for each kind of leaf over each field, and trees over them."""
    leaves: list[tuple[Any, ...]] = []
    for field in FIELDS.values():
        leaves += [
            (
                "literal",
                field,
                VIEW_NORM,
                False,
                ((b"friendly-scanner", True, True), (b"sip", False, False), (b"100", True, False)),
            ),
            (
                "literal",
                field,
                VIEW_RAW,
                True,
                ((b"z9hG4bK", True, False), (b"\r\n", False, False), (b"x", False, True)),
            ),
            ("regex", field, VIEW_NORM, False, (b"a", b"tag")),
            ("present", field),
            ("length", field, 1, 40),
        ]
    for field in (*FIELDS.values(),)[:70]:
        leaves += [("integer", field, 0, 2**31 - 1), ("digits", field, 1, 12), ("same", field, FIELDS["user-agent"])]
        leaves += [("tag", field, form) for form in (0, 1, 2)]
    leaves += [("count", FIELD_HEADERS + number, 2, 300) for number in HEADERS.values()]
    leaves += [("count", 0, 0, 5), ("order", False, (0, 1, 2, 3)), ("order", True, (0, 6, 1, 2, 3, 4, 7, 8))]
    leaves += [("anomaly", bit) for bit in ANOMALIES.values()]
    rules: list[Any] = list(range(len(leaves)))
    rules += [
        ("all", (index, ("not", index + 1), ("any", (index + 2, index + 3)))) for index in range(0, len(leaves) - 3, 7)
    ]
    return Matcher(leaves, rules[:4096])


def raising(_examined: Examined, error: BaseException) -> None:
    """Stands where errors of the engine are reported."""
    raise AssertionError("the engine failed") from error


class Checker:
    """Two examiners with one key: what one of them remembers of the packet before must not show."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.matcher = everything_matcher()
        self.examiner = Examiner(self.matcher, (5060,), SEED)
        self.other = Examiner(self.matcher, (5060,), SEED)
        self.assembler = Assembler(self.examiner)
        self.engine = engine
        self.packets = 0
        self.messages = 0

    def frame(self, frame: Frame) -> None:
        """Everything that holds for one packet."""
        link, data = frame
        self.packets += 1
        started = time.process_time()
        examined = self.examiner.examine_raw(data, link, self.packets)
        if time.process_time() - started > SECONDS_MAX:
            self._slow(frame)
        self.examined(examined)
        self.other.examine_raw(b"E" + bytes(19), LINK_RAW, 0)
        again = self.other.examine_raw(data, link, self.packets)
        assert facts(again) == facts(examined), (facts(again), facts(examined))
        pieces = self.assembler.assemble(examined)
        for piece in pieces or ():
            self.examined(piece)
        self._chain(examined)
        if self.engine is not None:
            self._judge(Packet(self.packets * 1000, data, link, self.packets))

    def examined(self, e: Examined) -> None:
        """The facts of one message fit together and lie inside its payload."""
        payload = e.payload
        assert payload in e.data
        assert len(payload) == e.payload_length
        assert 0 <= e.decoded <= examine.DECODED_OTHER
        assert 0 <= e.content <= examine.CONTENT_FRAME_MALFORMED
        assert e.malformed_at <= len(payload)
        assert e.version in (0, 4, 6)
        assert e.anomalies >> len(ANOMALIES) == 0
        assert not set(e.hits) & set(e.candidates)
        if e.content in FRAMES:
            self.messages += 1
            assert found(e) == read(payload), payload
            assert (e.code, e.has_following, e.body_start <= len(payload)) == (0, False, True)
            for field in FIELDS.values():
                assert (e.raw(field) is not None) == e.has(field)
                assert all(value in payload for value in e.values(field, raw=True))
            return
        if e.content not in MESSAGES:
            assert (e.anomalies, e.hits, e.candidates, e.code, e.malformation, e.has_following) == (
                0,
                (),
                (),
                0,
                0,
                False,
            ), facts(e)
            assert e.headers() == []
            assert all(e.raw(field) is None for field in SOME_FIELDS)
            return
        self.messages += 1
        assert e.body_start <= len(payload)
        assert (e.malformation != 0) == (e.content == examine.CONTENT_MALFORMED)
        assert e.code == 0 or e.content != examine.CONTENT_REQUEST
        assert e.code != 0 or e.content != examine.CONTENT_RESPONSE
        self._fields(e, payload)
        self._lines(e, payload)

    def _fields(self, e: Examined, payload: bytes) -> None:
        present = {FIELD_HEADERS + number for number, _, _ in e.headers() if number >= 0}
        for field in present.union(SOME_FIELDS):
            raw, norm = e.raw(field), e.norm(field)
            assert (raw is None) == (norm is None), field
            assert raw is None or raw in payload, field
            if raw is not None and norm is not None:
                assert len(norm) <= len(raw), (field, raw, norm)
                assert e.content == examine.CONTENT_MALFORMED or norm in e.values(field), (field, norm)
                assert e.content == examine.CONTENT_MALFORMED or raw in e.values(field, raw=True), (field, raw)

    def _lines(self, e: Examined, payload: bytes) -> None:
        lines = e.headers()
        assert len(lines) == e.header_count <= 256
        by_number: dict[int, list[bytes]] = {}
        for number, name, value in lines:
            assert name
            assert name in payload
            assert value in payload
            assert number == header_number(name), name
            by_number.setdefault(number, []).append(value)
        for number in {*by_number, 0, 1, 100} - {-1}:
            assert e.occurrences(FIELD_HEADERS + number) == by_number.get(number, [])

    def _chain(self, e: Examined) -> None:
        chain = [e]
        while (following := chain[-1].following()) is not None:
            chain.append(following)
            self.examined(following)
            if len(chain) > 40:
                break
        for before, after in pairwise(chain):
            assert after.payload_length < before.payload_length
            assert before.payload.endswith(after.payload)

    def _judge(self, packet: Packet) -> None:
        assert self.engine is not None
        decision = self.engine.process(packet)
        assert (decision.verdict is Verdict.DROP) == (decision.reason in DROP_REASONS)
        assert decision.reason is not Reason.ERROR
        assert self.engine.counters.errors == 0

    def _slow(self, frame: Frame) -> None:
        best = min(self._time(frame) for _ in range(3))
        assert best < SECONDS_MAX, f"{best:.1f} s for {len(frame[1])} bytes"

    def _time(self, frame: Frame) -> float:
        started = time.process_time()
        self.examiner.examine_raw(frame[1], frame[0], 0)
        return time.process_time() - started

    def walk(self, data: bytes, index: bytes, link: int) -> None:
        """A batch whose records lie."""
        walk = self.examiner.walk(data, index, link, True, 1)
        judged = list(walk)
        assert walk.packets == len(index) // 16
        assert len(judged) <= walk.packets
        assert walk.bytes <= walk.packets * len(data)
        for examined in judged:
            assert examined.data in data
            self.examined(examined)

    def fragments(self, r: random.Random, body: bytes, ident: int) -> None:
        """An IP payload in pieces of any size, order and overlap."""
        cuts = sorted(8 * r.randrange(len(body) // 8 + 1) for _ in range(r.choice((1, 2, 5, 70))))
        pieces = [(start, body[start:end]) for start, end in pairwise([0, *cuts, len(body)])]
        r.shuffle(pieces)
        for start, text in pieces[: r.choice((len(pieces), len(pieces), 3))]:
            slip = r.choice((0, 0, 0, 0, 8))
            packet = ipv4(
                text + bytes(slip),
                offset=start,
                more=start + len(text) < len(body) or r.random() < 0.05,
                ident=ident & 0xFFFF,
            )
            self.frame((LINK_RAW, packet))


def facts(e: Examined) -> Sequence[object]:
    """All that an Examined says, to compare two."""
    return (
        e.decoded, e.content, e.truncated, e.version, e.transport, e.src, e.dst, e.sport, e.dport, e.src_text, e.dst_text, e.payload,
        e.fragment_key, e.fragment_offset, e.fragment_more, e.fragment, e.method, e.code, e.anomalies, e.malformation, e.malformed_at, e.hits,
        e.candidates, e.source_key, e.source_port_key, e.transaction_key, e.account_key, e.header_count, e.body_start, e.cseq_number,
        e.content_length, e.recorded_verdict, e.has_following, e.headers(),
    )  # fmt: skip
