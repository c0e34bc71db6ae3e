"""What status says, and what it calls trouble."""

from __future__ import annotations

import json
from typing import cast

import pytest

from sipsensor.live.memory import Facts
from sipsensor.live.page import BACKENDS, Lane, LaneNumber, Number
from sipsensor.live.status import KEEPER_PATIENCE, Watch, quantile
from sipsensor.model import Mode
from sipsensor.sources.nfqueue import QueueState
from sipsensor.sources.pump import LATENCY_BOUNDS
from tests.support.live import FakeSensor, Kernel
from tests.support.packets import message, packet


class Watched:
    """A watch over stand-ins, whose clock goes when it is told to; every second it takes its sample, and the keeper looks."""

    def __init__(self) -> None:
        self.sensor, self.kernel, self.now = FakeSensor(), Kernel(), 1000.0
        self.sensor.page[Number.RULES_STAND] = 1
        self.sensor.page[Number.BACKEND] = BACKENDS.index("nftables")
        self.watch = Watch(self.sensor, self.kernel, lambda: self.now)

    def wait(self, seconds: int, *, looks: bool = True) -> None:
        for _ in range(seconds):
            self.now += 1
            self.sensor.page[Number.KEEPER_LOOPS] += looks
            self.watch.sample()

    def troubles(self) -> list[str]:
        found = self.watch.status()["troubles"]
        assert isinstance(found, list)
        return found


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_all_is_well_at_the_start(watched: Watched) -> None:
    said = watched.watch.status()
    assert said["troubles"] == []
    assert said["protected"] == ["192.0.2.10"]
    assert (said["mode"], said["placement"]) == ("observe", "host")
    assert json.loads(json.dumps(said)) == said


def test_rates_are_those_of_the_last_ten_seconds(watched: Watched) -> None:
    pump = watched.sensor.pumps[Lane.STRANGERS]
    pump.packets = 100_000
    watched.wait(30)
    for _ in range(9):
        pump.packets += 50
        pump.packet_bytes += 500
        watched.sensor.engine.counters.dropped += 10
        watched.wait(1)
    pump.packets += 50
    pump.packet_bytes += 500
    watched.sensor.engine.counters.dropped += 10
    watched.now += 1
    rates = watched.watch.status()["rates"]
    assert rates == {"seconds": 10.0, "packets": 50.0, "bytes": 500.0, "messages": 0.0, "drops": 10.0}
    watched.wait(20)
    assert watched.watch.status()["rates"] == {"seconds": 9.0, "packets": 0, "bytes": 0, "messages": 0, "drops": 0}


def test_an_early_question_is_answered_from_what_there_is(watched: Watched) -> None:
    watched.sensor.pumps[Lane.TRUSTED].packets = 10
    watched.now += 2
    assert watched.watch.status()["rates"] == {"seconds": 2.0, "packets": 5, "bytes": 0, "messages": 0, "drops": 0}
    Watch(watched.sensor, watched.kernel, lambda: watched.now).status()


def test_missing_rules_are_trouble_until_they_are_back(watched: Watched) -> None:
    watched.sensor.page[Number.RULES_STAND] = 0
    assert watched.troubles() == ["the kernel rules are not in place: packets pass uninspected"]
    watched.sensor.page[Number.RULES_STAND] = 1
    watched.sensor.page[Number.RULES_PUT_BACK] = 1
    watched.sensor.page[Number.RULES_MISSING] = 2_500_000_000
    said = watched.watch.status()
    assert said["troubles"] == ["times that the kernel rules were damaged and put back in the last minute: 1"]
    assert said["rules"] == {
        "in_place": True,
        "backend": "nftables",
        "put_back": 1,
        "missing_seconds": 2.5,
        "last_look": 0.0,
    }
    watched.wait(61)
    assert watched.troubles() == []


def test_a_keeper_that_does_not_look_is_trouble(watched: Watched) -> None:
    watched.wait(20)
    assert watched.troubles() == []
    watched.wait(int(KEEPER_PATIENCE) + 2, looks=False)
    assert watched.troubles() == ["nobody has looked at the kernel rules for 17 s: whether they stand is not known"]
    watched.wait(1)
    assert watched.troubles() == []


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (LaneNumber.UNINSPECTED, "packets that passed uninspected in the last minute: 7"),
        (
            LaneNumber.UNJUDGED_ACCEPTED,
            "packets that were answered unjudged in the last minute, because the sensor hung or began: 7",
        ),
        (
            LaneNumber.UNJUDGED_DROPPED,
            "packets that were answered unjudged in the last minute, because the sensor hung or began: 7",
        ),
    ],
)
def test_what_grows_is_trouble_for_a_minute(watched: Watched, number: LaneNumber, line: str) -> None:
    watched.sensor.page.lane(Lane.STRANGERS)[number] = 1000
    watched.wait(100)
    assert watched.troubles() == []
    watched.sensor.page.lane(Lane.TRUSTED)[number] += 7
    assert watched.troubles() == [line]
    watched.wait(59)
    assert watched.troubles() == [line]
    watched.wait(3)
    assert watched.troubles() == []


def test_losses_and_faults_are_trouble(watched: Watched) -> None:
    watched.kernel.queues[5060] = QueueState(8000, 3, 4)
    watched.sensor.shedding.dropped, watched.sensor.shedding.accepted = 5, 6
    watched.sensor.engine.counters.errors = 1
    watched.sensor.pumps[Lane.STRANGERS].failures = 2
    watched.sensor.outlets.lost = 3
    assert watched.troubles() == [
        "packets that the kernel dropped unseen in the last minute, because a queue or its socket was full: 7",
        "packets of strangers that were shed unjudged in the last minute, because more came than queue.governor allows: 11",
        "packets on which the engine failed in the last minute: 1",
        "exceptions beside the engine in the last minute (see the log): 2",
        "events or recorded packets that could not be written in the last minute (see the disk): 3",
    ]


def test_a_keeper_that_fails_is_trouble(watched: Watched) -> None:
    watched.sensor.facts = Facts(blocked=5, trusted=6, enforcement_errors=7, store_errors=8, last_error="disk full")
    assert watched.troubles() == [
        "changes that the kernel's sets refused in the last minute (the sensor drops by itself): 7",
        "times that the state could not be kept in the last minute (see the disk): 8",
    ]
    assert watched.watch.status()["kernel_sets"] == {"blocked": 5, "trusted": 6}


def test_the_mode_is_that_of_the_moment_and_a_tripped_net_is_trouble(watched: Watched) -> None:
    engine = watched.sensor.engine
    engine.policy.mode = Mode.ENFORCE
    said = watched.watch.status()
    assert (said["mode"], said["configured_mode"], said["safety_net"]) == ("enforce", "observe", "")
    engine.safety.tripped = "9 of 10 registered phones are gone since something was cut"
    engine.policy.mode = Mode.OBSERVE
    assert watched.troubles() == [
        f"the safety net fell back to observe: {engine.safety.tripped}; sipsensor enforce goes on"
    ]


def test_what_is_cut_and_known_is_told(watched: Watched) -> None:
    watched.sensor.engine.ledger.ban("203.0.113.0/24", 1 << 62)
    said = watched.watch.status()
    assert said["cuts"] == {"account": 0, "source": 0, "network": 0}
    assert said["standing"] == {"proven": 0, "trusted": 0}
    assert said["orders"] == {"bans": 1, "trusted": 0}


def test_queues_are_told_with_what_others_know_of_them(watched: Watched) -> None:
    watched.kernel.queues = {5060: QueueState(12, 3, 4), 5061: None}
    page, pump = watched.sensor.page, watched.sensor.pumps[Lane.STRANGERS]
    page.lane(Lane.STRANGERS)[LaneNumber.LOST_BEFORE] = 100
    page.lane(Lane.STRANGERS)[LaneNumber.UNINSPECTED] = 5
    pump.packets, pump.dropped, pump.accepted = 10, 4, 6
    pump.latency = (90, 9, 1, *[0] * (len(LATENCY_BOUNDS) - 2))
    strangers, trusted = cast("list[dict[str, object]]", watched.watch.status()["queues"])
    assert strangers == {
        "queue": "strangers",
        "number": 5060,
        "waiting": 12,
        "capacity": 8192,
        "packets": 10,
        "accepted": 6,
        "dropped": 4,
        "lost": 107,
        "uninspected": 5,
        "unjudged_accepted": 0,
        "unjudged_dropped": 0,
        "forged": 0,
        "truncated": 0,
        "netlink_errors": 0,
        "latency_p50": LATENCY_BOUNDS[0] / 1e9,
        "latency_p99": LATENCY_BOUNDS[1] / 1e9,
    }
    assert (trusted["queue"], trusted["number"], trusted["capacity"]) == ("trusted", 5061, 512)
    assert trusted["waiting"] is trusted["lost"] is trusted["latency_p50"] is None


def test_what_was_judged_is_told(watched: Watched) -> None:
    watched.sensor.engine.process(packet(message(change={"User-Agent": "friendly-scanner"})))
    watched.sensor.errors.append((1_800_000_001.5, "events.file: no"))
    said = watched.watch.status()
    assert said["messages"] == 1
    assert said["verdicts"] == {"accept": 0, "drop": 1}
    assert said["drops"]["SIGNATURE"] == 1  # type: ignore[index]
    assert sum(said["alerts"].values()) >= 1  # type: ignore[attr-defined]
    assert said["errors"] == [{"time": 1_800_000_001.5, "line": "events.file: no"}]
    names = [table["name"] for table in said["tables"]]  # type: ignore[attr-defined]
    assert names[:2] == ["fragments", "streams"]
    assert len(set(names)) == len(names)


def test_a_quantile_is_the_bound_that_was_kept() -> None:
    none = [0] * (len(LATENCY_BOUNDS) + 1)
    assert quantile(none, 50) is None
    assert quantile([100, *none[1:]], 99) == LATENCY_BOUNDS[0] / 1e9
    assert quantile([98, 0, 2, *none[3:]], 99) == LATENCY_BOUNDS[2] / 1e9
    assert quantile([*none[:-1], 5], 50) is None
    assert quantile([99, *none[1:-1], 1], 99) == LATENCY_BOUNDS[0] / 1e9
