"""One connection to the PBX, as an engine sees it: what it judges, and what it lets through."""

from __future__ import annotations

import random

import pytest

from sipsensor.fastpath import names
from sipsensor.fastpath.examined import Examined
from sipsensor.model import NANOSECONDS, Decision, Mode, Observation, Packet, Reason
from sipsensor.reassembly.framing import PIPELINED_MAX
from sipsensor.reassembly.streams import Known, Streams
from tests.support.engines import Watcher, always, engine, rule
from tests.support.packets import LINK_RAW, PBX, STRANGER, TCP, ipv4, message, tcp
from tests.support.scanning import PLAIN

FIN, SYN, RST, ACK, PUSH = 1, 2, 4, 16, 24
SERVER, CLIENT, PORT = 4_294_967_000, 4_294_966_000, 40_000
CALL_ID = names.FIELDS["call-id"]
BAD = b"bad@"


def text(number: int, *, body: bytes = b"", name: str = "call", method: str = "REGISTER") -> bytes:
    return message(method, change={"Call-ID": f"{name}@{number}"}, body=body)


def ours(observation: Observation) -> bool:
    return bool(observation.message.is_request and observation.direction == 0)


class Line:
    """A connection between a stranger and the PBX; requests whose Call-ID begins with "bad" are dropped."""

    def __init__(self, *, shake: bool = True, mode: Mode = Mode.ENFORCE, port: int = PORT) -> None:
        self.watcher = Watcher(self._answer)
        self.watcher.rules = (rule(),)
        self.engine = engine(self.watcher, mode=mode)
        self.sent, self.port, self.now = 1, port, 0
        if shake:
            self.shake()

    @staticmethod
    def _answer(observation: Observation) -> list:  # type: ignore[type-arg]
        bad = ours(observation) and (observation.examined.raw(CALL_ID) or b"").startswith(BAD[:3])
        return list(always(rule())(observation)) if bad else []

    def packet(self, payload: bytes, sequence: int, acknowledged: int, flags: int, *, out: bool = False) -> Decision:
        ports = (5060, self.port) if out else (self.port, 5060)
        body = tcp(payload, *ports, sequence=sequence % 2**32, acknowledged=acknowledged % 2**32, flags=flags)
        ends = (PBX, STRANGER) if out else (STRANGER, PBX)
        self.now += NANOSECONDS // 1000
        return self.engine.process(Packet(self.now, ipv4(body, *ends, protocol=TCP), LINK_RAW))

    def shake(self) -> None:
        self.packet(b"", CLIENT, 0, SYN)
        self.packet(b"", SERVER, CLIENT + 1, SYN | ACK, out=True)
        self.packet(b"", CLIENT + 1, SERVER + 1, ACK)

    def at(self, payload: bytes, place: int, flags: int = PUSH) -> Decision:
        """A segment; places count from the first byte, 1."""
        return self.packet(payload, CLIENT + place, SERVER + 1, flags)

    def send(self, payload: bytes) -> Decision:
        """The next segment, which goes on from there when it is not dropped."""
        decision = self.at(payload, self.sent)
        if not decision.effect:
            self.sent += len(payload)
        return decision

    def acknowledge(self, place: int | None = None) -> None:
        self.packet(b"", SERVER + 1, CLIENT + (self.sent if place is None else place), ACK, out=True)

    @property
    def calls(self) -> list[str]:
        """What was judged."""
        return [(one.examined.raw(CALL_ID) or b"").decode() for one in self.watcher.seen if ours(one)]


def test_a_message_is_judged_once_when_it_is_whole() -> None:
    line, whole = Line(), text(1, body=b"v=0\r\n")
    assert line.send(whole[:90]).reason is Reason.INCOMPLETE
    assert line.send(whole[90:-3]).reason is Reason.INCOMPLETE
    assert line.calls == []
    line.send(whole[-3:])
    assert line.calls == ["call@1"]


@pytest.mark.parametrize("shake", [True, False])
def test_what_begins_behind_the_tail_of_another_is_judged(*, shake: bool) -> None:
    """The hole: every segment begins inside a message, and holds the beginning of the next."""
    line = Line(shake=shake)
    line.send(text(0) + text(1)[:100])
    for number in range(1, 100):
        line.send(text(number)[100:] + text(number + 1)[:100])
    assert set(line.calls) >= {f"call@{number}" for number in range(100)}


@pytest.mark.parametrize("shake", [True, False])
def test_one_that_is_dropped_does_not_reach_the_pbx_however_often_it_comes(*, shake: bool) -> None:
    line, bad = Line(shake=shake), text(1, name="bad")
    line.send(text(0) + bad[:60])
    for _ in range(5):
        assert line.send(bad[60:]).effect
    assert line.send(bad[60:] + text(2)).effect


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_segments_of_any_size(size: int) -> None:
    line = Line()
    whole = b"\r\n\r\n".join(
        text(number, body=b"v=0\r\n" * number, name="bad"[: number % 2] + "x") for number in range(4)
    )
    for start in range(0, len(whole), size):
        line.send(whole[start : start + size])
    assert line.calls == ["x@0", "bx@1", "x@2", "bx@3"]


@pytest.mark.parametrize("mark", [b"\n\r\n", b"\r\n\r\n", b"\n", b"STER sip", b" SIP/2.0", b"SIP/2.0/UDP", b"ength"])
def test_cut_anywhere(mark: bytes) -> None:
    line, bad = Line(), text(1, name="bad")
    at = bad.index(mark)
    line.send(text(0) + bad[:at])
    assert line.send(bad[at:]).effect


def test_a_segment_before_its_time_waits_and_who_fills_the_hole_answers() -> None:
    line, bad = Line(), text(1, name="bad")
    assert line.at(bad[50:], 51).reason is Reason.INCOMPLETE
    assert line.at(bad[20:50], 21).reason is Reason.INCOMPLETE
    assert line.at(bad[:20], 1).effect
    assert line.at(bad[:20], 1).effect
    assert line.at(bad[:50], 1).effect


def test_copies_that_say_something_else_are_refused() -> None:
    line, bad, good = Line(), text(1, name="bad"), text(1, name="xyz")
    assert line.at(good[50:], 51).reason is Reason.INCOMPLETE
    assert line.at(good[50:90], 51).reason is Reason.INCOMPLETE
    assert line.at(bad[50:], 51).reason is Reason.UNINSPECTED
    assert line.at(b"!" * 60, 41).reason is Reason.UNINSPECTED
    assert not line.at(good[:60], 1).effect
    assert line.at(bad, 1).reason is Reason.UNINSPECTED
    assert line.calls == ["xyz@1"]


def test_a_segment_that_perhaps_never_arrived_is_no_cover_for_another() -> None:
    """Insertion: the PBX throws the first away (a wrong checksum), and reads the second in its place."""
    line = Line()
    harmless = text(1, name="xyz")
    assert not line.send(harmless).effect
    assert line.at(text(1, name="bad"), 1).effect
    assert line.at(harmless, 1).reason is Reason.INCOMPLETE
    line.acknowledge()
    assert not line.at(text(1, name="bad"), 1).effect  # he has these bytes


def test_what_overlaps_counts_beyond_what_was_there() -> None:
    line, first, bad = Line(), text(1), text(2, name="bad")
    line.send(first)
    assert line.at(first[-30:] + bad, 1 + len(first) - 30).effect
    assert not line.at(first[-30:] + text(3), 1 + len(first) - 30).effect
    assert line.calls == ["call@1", "bad@2", "call@3"]


def test_numbers_out_of_the_window_move_nothing() -> None:
    line, bad = Line(), text(1, name="bad")
    line.send(bad[:50])
    for sequence in (2**31, 70_000, -70_000):
        line.at(text(9), sequence)
        line.packet(b"", CLIENT + sequence, SERVER + 99, RST | ACK)
    line.packet(text(9)[:30], CLIENT + 60, SERVER + 99_999, PUSH)
    line.at(b"", line.sent, SYN)
    line.at(b"", line.sent, RST)
    assert line.send(bad[50:]).effect
    assert line.calls == ["bad@1"]


def test_a_hole_in_what_we_see_does_not_hold_the_connection_up() -> None:
    line = Line()
    line.send(text(0))
    unseen = text(1) + text(2)[:77]
    line.sent += len(unseen)
    assert not line.send(text(2)[77:] + text(3)[:50]).effect
    line.acknowledge()
    assert not line.send(text(3)[50:]).effect
    line.acknowledge()
    assert not line.send(text(4)).effect
    assert line.calls[-1] == "call@4"
    line.send(text(5)[:50])
    assert line.send(text(5)[50:] + text(6, name="bad")).effect


def test_in_observe_mode_what_would_be_dropped_is_behind_us() -> None:
    line = Line(mode=Mode.OBSERVE)
    assert line.send(text(1, name="bad") + text(2)[:50]).verdict
    line.send(text(2)[50:])
    assert line.calls == ["bad@1", "call@2"]


@pytest.mark.parametrize("length", ["-1", "x", "", "200000"])
def test_lengths_that_stacks_read_differently_are_refused(length: str) -> None:
    line = Line()
    assert line.send(message(change={"Content-Length": length})).reason is Reason.UNINSPECTED
    assert line.send(message(extra=[("l", "5")])).reason is Reason.UNINSPECTED
    assert not line.send(text(1)).effect


def test_a_message_that_names_no_length_ends_with_its_head() -> None:
    line, silent = Line(), message(change={"Content-Length": None, "Call-ID": "silent"})
    assert not line.send(silent).effect
    assert line.send(silent + text(1)).reason is Reason.UNINSPECTED
    assert line.send(silent + b"v=0\r\n" + text(1)).reason is Reason.UNINSPECTED


def test_a_head_that_never_ends_is_refused_in_the_end() -> None:
    line = Line()
    line.send(text(1)[:-2])
    decisions = [line.send(b"X-More: " + b"x" * 990 + b"\r\n") for _ in range(140)]
    assert decisions[0].reason is Reason.INCOMPLETE
    assert decisions[-1].reason is Reason.UNINSPECTED


@pytest.mark.parametrize("start", [b"\x16\x03\x01\x02\x00\x01" + bytes(90), b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_what_is_no_sip_passes_and_hides_none(start: bytes) -> None:
    line = Line()
    assert not line.send(start).effect
    assert not line.send(b"\x17\x03\x03" + random.Random(1).randbytes(500)).effect
    assert line.send(b"\r\n\r\n" + text(1)).reason is Reason.UNINSPECTED


def test_line_ends_between_messages() -> None:
    line = Line()
    for payload in (b"\r\n\r\n", text(1), b"\r\n", b"\r\n" + text(2)[:30], text(2)[30:] + b"\r", b"\n" + text(3)):
        assert not line.send(payload).effect
    assert line.calls == ["call@1", "call@2", "call@3"]


def test_a_large_segment() -> None:
    line = Line()
    tiny = b"A sip:b SIP/2.0\r\nl:0\r\n\r\n"
    assert line.send(tiny * PIPELINED_MAX).reason is not Reason.UNINSPECTED
    assert line.send(b"\r\n" + tiny * (PIPELINED_MAX + 1)).reason is Reason.UNINSPECTED
    line.send(tiny[:5])
    assert line.send(tiny[5:] + tiny * PIPELINED_MAX).reason is Reason.UNINSPECTED


def test_a_new_connection_of_the_same_ports_begins_anew() -> None:
    line = Line()
    line.send(text(1)[:50])
    line.packet(b"", CLIENT + 9_000_000, 0, SYN)
    line.packet(b"", SERVER + 7, CLIENT + 9_000_001, SYN | ACK, out=True)
    line.packet(b"", CLIENT + 9_000_001, SERVER + 8, ACK)
    assert line.packet(text(2, name="bad"), CLIENT + 9_000_001, SERVER + 8, PUSH).effect


def seen(payload: bytes, sequence: int, port: int) -> Examined:
    body = tcp(payload, port % 60_000, 5060, sequence=sequence)
    return PLAIN.examine_raw(
        ipv4(body, f"10.{port >> 16}.{port >> 8 & 255}.{port & 255}", PBX, protocol=TCP), LINK_RAW, port
    )


@pytest.mark.parametrize("known", [None, Known(5, 5, proves=True)])
def test_many_connections_are_bounded_in_number_and_bytes(known: Known | None) -> None:
    streams = Streams(PLAIN, capacity=500, loose_max=500, bytes_max=50_000)
    for port in range(5000):
        streams.take([seen(text(1)[:200], 5, port)], known)
        streams.settle(delivered=True)
        assert len(streams) <= 500
        assert streams.bytes <= 50_000
    assert streams.evicted >= 4500
    streams.tick(10**18)
    assert len(streams) == streams.bytes == 0
