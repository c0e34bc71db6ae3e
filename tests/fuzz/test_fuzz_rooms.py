"""A few rounds of each target of `make fuzz` above the scan, and that they look at what they say."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.fuzz.fuzz_rooms import TARGETS, run
from tests.fuzz.rooms.conversations import Conversations
from tests.fuzz.rooms.frames import Frames
from tests.fuzz.rooms.pumps import Pumps
from tests.fuzz.rooms.shapes import Shapes
from tests.fuzz.rooms.states import Governors, States


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_finds_nothing(name: str) -> None:
    with closing(TARGETS[name](1)) as target:
        run(target, 1)
    assert target.done > 0


def test_conversations_go_on_though_some_packets_are_broken() -> None:
    target = Conversations(2)
    while target.done < 10_000:
        target.round()
    counters = target.engine.counters
    assert counters.packets > 0
    assert 0 < counters.dropped < counters.packets


def test_of_messages_that_are_alike_many_are_recalled_and_many_match() -> None:
    target = Shapes(4)
    while target.done < 6_000:
        target.round()
    assert target.done / 10 < target.recalled < target.done * 0.9
    assert target.done / 10 < target.matched


def test_many_frames_are_broken_and_more_are_not() -> None:
    target = Frames(7)
    while target.done < 3_000:
        target.round()
    assert target.done / 20 < target.malformed < target.done / 2


def test_a_seed_gives_the_same_again() -> None:
    def tried(seed: int) -> list[bytes]:
        with closing(Pumps(seed)) as target:
            return [target.datagram() for _ in range(50)]

    assert tried(3) == tried(3)
    assert tried(3) != tried(4)


def test_pumps_judge_what_they_can_read() -> None:
    with closing(Pumps(5)) as target:
        for _ in range(100):
            target.round()
    assert all(pump.packets > 100 for pump in target.pumps)
    assert sum(pump.netlink_errors for pump in target.pumps) > 10
    assert sum(pump.dropped for pump in target.pumps) > 10


def test_tables_are_pushed_over_their_brim_and_governors_to_shed() -> None:
    states, governors = States(6), Governors(6)
    gone = shed = 0
    for _ in range(30):
        states.round()
        governors.round()
        gone += states.records.evictions + states.rates.evictions
        shed += governors.governor.shed_all + governors.governor.shed_sources
    assert gone
    assert shed
