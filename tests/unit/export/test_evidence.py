"""Trails of sources: what was said of them, their last packets, and the bounds of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sipsensor.app import Replay, build_engine
from sipsensor.config.load import defaults
from sipsensor.export.evidence import LINES_MOST, PORTS_MOST, Evidence, capture
from sipsensor.export.recording import FILE_HEADER
from sipsensor.model import NANOSECONDS, Alert, Decision, Observation, Packet, Reason
from tests.support.engines import Watcher, engine, rule
from tests.support.packets import LINK_RAW, STRANGER, datagram, message
from tests.support.scanning import PLAIN
from tests.support.site import Guest, Site, behaviours

SECOND = NANOSECONDS
FORGEABLE = rule("probe.test.forgeable")
SURE = replace(rule("probe.test.sure", number=9002), spoofable=False)
BAD, WORSE = message(change={"User-Agent": "bad"}), message(change={"User-Agent": "worse"})


def judge(observation: Observation) -> Sequence[Alert]:
    agent = observation.message.user_agent
    said = [Alert(FORGEABLE, observation, {"agent": "bad"})] if agent == b"bad" else []
    return [Alert(SURE, observation)] if agent == b"worse" else said


class Watched:
    """An engine on which rules fire by User-Agent, and what is kept of it."""

    def __init__(self, *, sources: int = 64, packets: int = 10, size: int = 1 << 20, age: int = 3600) -> None:
        self.engine = engine(Watcher(judge))
        self.evidence = Evidence(sources, packets, size, age)

    def see(self, payload: bytes, src: str = STRANGER, ts: int = 0, port: int = 5060) -> Decision:
        examined = self.engine.examiner.examine(Packet(ts, datagram(payload, src, sport=port), LINK_RAW))
        decision = self.engine.judge(examined)
        self.evidence.see(examined, decision)
        return decision

    def packets(self, src: str = STRANGER, now: int = 0) -> list[bytes]:
        return [kept.data for kept in self.evidence.packets(key(src), now)]


def key(src: str = STRANGER) -> int:
    return PLAIN.examine_raw(datagram(message(), src), LINK_RAW, 0).network_key(False)


def test_nothing_is_kept_of_whom_no_rule_fires() -> None:
    watched = Watched()
    watched.see(message())
    assert watched.evidence.sources == watched.evidence.bytes == 0


def test_from_the_first_alert_on_all_packets_are_kept() -> None:
    watched = Watched()
    watched.see(message())
    watched.see(BAD, ts=1)
    watched.see(message(), ts=2)
    assert watched.packets() == [datagram(BAD), datagram(message())]
    trail = watched.evidence.trail(key(), 2)
    assert trail is not None
    line = trail.lines["probe.test.forgeable", Reason.SIGNATURE]
    assert (line.alerts, line.dropped, line.first, line.last, line.evidence) == (1, 1, 1, 1, {"agent": "bad"})
    assert trail.dropped == 1


def test_only_the_last_packets_stay() -> None:
    watched = Watched(packets=3)
    for number in range(9):
        watched.see(BAD, ts=number)
    assert [kept.ts for kept in watched.evidence.packets(key(), 9)] == [6, 7, 8]


def test_none_are_kept_where_none_are_wanted() -> None:
    for watched in (Watched(packets=0), Watched(size=0)):
        watched.see(BAD)
        assert watched.packets() == []
        assert watched.evidence.trail(key(), 0)


def test_memory_and_sources_are_bounded() -> None:
    watched = Watched(sources=100, size=200_000)
    for number in range(1000):
        watched.see(message(change={"User-Agent": "bad"}, body=b"x" * 4000), f"198.51.{number >> 8}.{number & 255}")
        assert watched.evidence.bytes <= 200_000
        assert watched.evidence.sources <= 100
    assert watched.evidence.trail(key("198.51.3.231"), 0)
    assert watched.evidence.trail(key("198.51.0.0"), 0) is None


def test_forged_sources_do_not_push_out_the_others() -> None:
    watched = Watched(sources=20)
    watched.see(WORSE)
    for number in range(1000):
        watched.see(BAD, f"198.51.{number >> 8}.{number & 255}", ts=number)
    assert watched.packets(now=1000) == [datagram(WORSE)]


def test_nothing_is_kept_longer_than_its_age() -> None:
    watched = Watched(age=10)
    watched.see(BAD, ts=1 * SECOND)
    watched.see(WORSE, "198.51.100.7", ts=2 * SECOND)
    watched.see(message(), ts=8 * SECOND)
    assert len(watched.packets(now=9 * SECOND)) == 2
    assert len(watched.packets(now=12 * SECOND)) == 1
    assert watched.evidence.trail(key(), 30 * SECOND) is None
    watched.evidence.tick(30 * SECOND)
    assert watched.evidence.sources == watched.evidence.bytes == 0


def test_rules_and_ports_of_a_source_are_bounded() -> None:
    many = [rule(f"probe.test.number{number}", number=9000 + number) for number in range(50)]
    watched = Watched()
    watched.engine = engine(Watcher(lambda observation: [Alert(one, observation) for one in many]))
    for port in range(50):
        watched.see(message(), port=1000 + port)
    trail = watched.evidence.trail(key(), 0)
    assert trail is not None
    assert (len(trail.lines), len(trail.ports)) == (LINES_MOST, PORTS_MOST)
    assert set(trail.ports.values()) == set(range(1042, 1050))


def test_the_exchange_is_kept_in_both_directions_and_the_account_has_its_name() -> None:
    evidence = Evidence(64, 6, 1 << 20, 3600)

    class Kept(Site):
        def process(self, packet: Packet) -> Decision:
            examined = self.engine.examiner.examine(packet)
            decision = self.engine.judge(examined)
            evidence.see(examined, decision)
            return decision

    site = Kept(engine(*behaviours()))
    guest = Guest("al\x1bice")
    for _ in range(30):
        site.register(guest, right=False)
        site.now += 1
    starts = [kept.data[28:35] for kept in evidence.packets(key(), site.ts)]
    assert b"SIP/2.0" in starts
    assert b"REGISTE" in starts
    assert list(evidence.names.values()) == ["al\\x1bice"]


def test_a_capture_of_it_can_be_read(tmp_path: Path) -> None:
    watched = Watched()
    for number in range(3):
        watched.see(BAD, ts=number * SECOND)
    file = tmp_path / "why.pcap"
    file.write_bytes(FILE_HEADER + capture(watched.evidence.packets(key(), 3)))
    replay = Replay(lambda: build_engine(defaults(), seed=Replay.SEED))
    replay.run([file])
    assert replay.summary.packets == 3
