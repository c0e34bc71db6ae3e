"""What becomes of strangers' packets that are shed, and the measure of what judging costs."""

from __future__ import annotations

import struct
import time
from dataclasses import replace

import pytest

from sipsensor.app import build_engine
from sipsensor.config.load import defaults, parse
from sipsensor.engine import Engine
from sipsensor.fastpath.examine import Examined
from sipsensor.live.shedding import JUDGE, TELL_MOST, Shedding, cost_of_judging
from sipsensor.model import Arrival, Decision, Mode, Packet, Reason, Verdict

PBX = "192.0.2.1"
TS = 1_800_000_000_000_000_000
Told = list[tuple[Decision, bool]]


@pytest.fixture
def engine() -> Engine:
    return build_engine(defaults(), mode=Mode.ENFORCE, protected=[PBX])


@pytest.fixture
def told() -> Told:
    return []


def shedding(engine: Engine, told: Told, verdict: Verdict = Verdict.DROP) -> Shedding:
    return Shedding(engine, verdict, lambda _examined, decision, aloud: told.append((decision, aloud)))


def request(method: str, uri: str, agent: str = "Phone", more: str = "") -> bytes:
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK1\r\nFrom: <sip:a@{PBX}>;tag=1\r\n"
        f"To: <{uri}>\r\nCall-ID: 1@x\r\nCSeq: 1 {method}\r\nUser-Agent: {agent}\r\n{more}Content-Length: 0\r\n\r\n"
    ).encode()


def packet(payload: bytes, protocol: int = 17, source: bytes = b"\xc6\x33\x64\x07") -> bytes:
    if protocol == 17:
        rest = struct.pack(">HHHH", 5060, 5060, 8 + len(payload), 0) + payload
    else:
        rest = struct.pack(">HHIIBBHHH", 5060, 5060, 1, 1, 5 << 4, 0x18, 1000, 0, 0) + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(rest), 1, 0, 64, protocol, 0)
    return head + source + b"\xc0\0\x02\x01" + rest


def seen(engine: Engine, payload: bytes, protocol: int = 17, ts: int = TS) -> Examined:
    return engine.examiner.examine(Packet(ts, packet(payload, protocol), 12, 1, arrival=Arrival.INBOUND))


REGISTER = request("REGISTER", f"sip:{PBX}")


def test_it_is_dropped_for_overload_and_nobody_judged_it(engine: Engine, told: Told) -> None:
    made = shedding(engine, told)
    assert made.shed(seen(engine, REGISTER)) == Verdict.DROP
    assert (made.dropped, made.accepted) == (1, 0)
    assert engine.counters.reasons[Reason.OVERLOAD] == engine.counters.dropped == engine.counters.packets == 1
    assert engine.counters.sip_messages == 0
    assert [(decision.reason, aloud) for decision, aloud in told] == [(Reason.OVERLOAD, True)]


def test_observe_says_so_and_accepts(engine: Engine, told: Told) -> None:
    engine.policy.mode = Mode.OBSERVE
    made = shedding(engine, told)
    assert made.shed(seen(engine, REGISTER)) == Verdict.ACCEPT
    assert told[0][0].verdict is Verdict.DROP
    assert (made.dropped, made.accepted) == (0, 1)


def test_on_full_may_accept(engine: Engine, told: Told) -> None:
    made = shedding(engine, told, Verdict.ACCEPT)
    assert made.shed(seen(engine, REGISTER)) == Verdict.ACCEPT
    assert engine.counters.reasons[Reason.OVERLOAD] == engine.counters.accepted == 1


@pytest.mark.parametrize("verdict", Verdict)
def test_a_sure_signature_still_drops(engine: Engine, told: Told, verdict: Verdict) -> None:
    made = shedding(engine, told, verdict)
    assert made.shed(seen(engine, request("OPTIONS", f"sip:100@{PBX}", "friendly-scanner"))) == Verdict.DROP
    ((decision, _),) = told
    assert decision.reason is Reason.SIGNATURE
    assert decision.rule is not None


def test_a_signature_that_only_alerts_does_not(told: Told) -> None:
    settings = parse('[detectors.scanner]\naction = "alert"\n', "x")
    engine = build_engine(settings, mode=Mode.ENFORCE, protected=[PBX])
    made = shedding(engine, told, Verdict.ACCEPT)
    assert made.shed(seen(engine, request("OPTIONS", f"sip:100@{PBX}", "friendly-scanner"))) == Verdict.ACCEPT
    assert told[0][0].reason is Reason.OVERLOAD


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE"])
@pytest.mark.parametrize("number", ["112", "911"])
def test_emergency_calls_are_never_shed(engine: Engine, told: Told, method: str, number: str) -> None:
    made = shedding(engine, told)
    assert made.shed(seen(engine, request(method, f"sip:{number}@{PBX}"))) == JUDGE
    assert not told
    assert engine.counters.packets == 0


@pytest.mark.parametrize("uri", [f"sip:1120@{PBX}", f"sip:{PBX}", "sip:x@112"])
def test_other_calls_are(engine: Engine, told: Told, uri: str) -> None:
    assert shedding(engine, told).shed(seen(engine, request("INVITE", uri))) == Verdict.DROP


def test_a_registration_of_an_emergency_number_is_no_call(engine: Engine, told: Told) -> None:
    assert shedding(engine, told).shed(seen(engine, request("REGISTER", f"sip:112@{PBX}"))) == Verdict.DROP


def test_the_allowlisted_are_never_shed(told: Told) -> None:
    settings = parse('[trust]\nallowlist = ["198.51.100.0/24"]\n', "x")
    engine = build_engine(settings, mode=Mode.ENFORCE, protected=[PBX])
    assert shedding(engine, told).shed(seen(engine, REGISTER)) == JUDGE


def test_a_segment_is_not_let_past_the_streams(engine: Engine, told: Told) -> None:
    assert shedding(engine, told, Verdict.DROP).shed(seen(engine, REGISTER, 6)) == Verdict.DROP
    assert shedding(engine, told, Verdict.ACCEPT).shed(seen(engine, REGISTER, 6)) == JUDGE
    engine.policy.mode = Mode.OBSERVE
    assert shedding(engine, told, Verdict.DROP).shed(seen(engine, REGISTER, 6)) == JUDGE


def test_events_are_few_in_any_second(engine: Engine, told: Told) -> None:
    made = shedding(engine, told)
    for number in range(100):
        made.shed(seen(engine, REGISTER, ts=TS + number))
    assert sum(aloud for _, aloud in told) == TELL_MOST
    made.shed(seen(engine, REGISTER, ts=TS + 1_000_000_000))
    assert told[-1][1]


def test_the_cost_is_measured_within_its_time() -> None:
    began, processor = time.monotonic(), time.thread_time()
    cost = cost_of_judging(defaults(), 0.05)
    assert time.monotonic() - began < 2
    assert 0 < cost < (time.thread_time() - processor) * 1e9


def test_the_cost_is_of_packets_that_the_settings_judge() -> None:
    # Whatever is protected or listens where: the test is about its own addresses.
    network = replace(defaults().network, protected=("2001:db8::/32",), public=("203.0.113.1",), sip_ports=(15060,))
    assert cost_of_judging(replace(defaults(), network=network), 0.02) > 1000
