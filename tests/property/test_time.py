"""Time is data: the same packets an hour, a year or a century later get the same decisions."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sipsensor.detect.flood import Flood, FloodSettings
from sipsensor.detect.malformed import MalformedSettings, MalformedShapes
from sipsensor.model import Limit, Packet
from tests.support.engines import engine
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, ipv4, message, response, udp

SOON = Limit(2, 5)
SETTINGS = FloodSettings(
    register_source=SOON,
    register_source_sustained=Limit(5, 60),
    register_aor=SOON,
    invite_source=SOON,
    source=Limit(4, 3),
)
FRAGMENTS = udp(message("INVITE"))
KINDS = (
    *(datagram(message(method)) for method in ("OPTIONS", "REGISTER", "INVITE", "ACK")),
    *(datagram(message("REGISTER", change={"Via": f"SIP/2.0/UDP a;branch=z9hG4bK{number}"})) for number in range(6)),
    *(datagram(message("INVITE", change={"Via": None, "Call-ID": None}), f"203.0.113.{number}") for number in range(3)),
    datagram(b"OPTIONS"),
    datagram(response(), PBX, STRANGER),
    ipv4(FRAGMENTS[:80], more=True),
    ipv4(FRAGMENTS[80:], offset=80),
)
traffic = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 12 * 10**9)), max_size=60)


def decisions(packets: list[tuple[bytes, int]], start: int, ticks: int = 0) -> list[tuple[object, ...]]:
    one, now = engine(MalformedShapes(MalformedSettings()), Flood(SETTINGS)), start
    found: list[tuple[object, ...]] = []
    for number, (data, wait) in enumerate(packets):
        now += wait
        if ticks and number % ticks == 0:
            one.tick(now)
        decision = one.process(Packet(now, data, LINK_RAW, number))
        found.append(
            (decision.verdict, decision.reason, [(alert.rule.id, alert.evidence) for alert in decision.alerts])
        )
    return found


@given(traffic, st.integers(0, 100 * 365 * 86_400 * 10**9))
@settings(max_examples=150, deadline=None)
def test_shifted_time_stamps_change_nothing(packets: list[tuple[bytes, int]], shift: int) -> None:
    assert decisions(packets, 0) == decisions(packets, shift)


@given(traffic, st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_ticks_change_nothing(packets: list[tuple[bytes, int]], ticks: int) -> None:
    assert decisions(packets, 10**18) == decisions(packets, 10**18, ticks)
