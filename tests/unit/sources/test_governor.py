"""How many packets may be judged, by given times: nothing here waits."""

from __future__ import annotations

import time

import pytest

from sipsensor.fastpath.examine import Examined
from sipsensor.sources.governor import Governor
from tests.unit.sources.kernel import ACCEPT, DROP, HOOK_FORWARD, HOOK_OUT, PBX, Answer, Maker, ip, queued, settled

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND
COST = 40_000
"""ns of processor for one packet: 15,000 packets a second are 0.6 of a core."""
RATE = 15_000
DEPTH = RATE // 2
WINDOW = SECOND // 10


class Flood:
    """Traffic in the time of packets: ``sources`` (a key and packets a second each), window by window, as the pump drives a governor."""

    def __init__(self, governor: Governor) -> None:
        self.governor = governor
        self.now = START
        self.processor = 0
        governor.settle(self.now, 0)

    def run(self, sources: dict[int, int], seconds: float, *, other: float = 0.0) -> dict[int, int]:
        """Packets admitted of each source. ``other``: the share of a core that the thread uses besides judging."""
        admitted = dict.fromkeys(sources, 0)
        for _ in range(round(seconds * 10)):
            times = sorted(
                (self.now + WINDOW * index // (rate // 10), key)
                for key, rate in sources.items()
                for index in range(rate // 10)
            )
            before = self.governor.judged
            for at, key in times:
                admitted[key] += self.governor.admit(key, at)
            self.now += WINDOW
            self.processor += int((self.governor.judged - before) * self.governor.cost + other * WINDOW)
            self.governor.settle(self.now, self.processor)
        return admitted


@pytest.fixture
def governor() -> Governor:
    return Governor(0.6, COST)


@pytest.fixture
def flood(governor: Governor) -> Flood:
    return Flood(governor)


def test_what_is_below_the_rate_is_admitted_whole(governor: Governor, flood: Flood) -> None:
    assert flood.run({1: 10_000, 2: 4_000}, 3) == {1: 30_000, 2: 12_000}
    assert (governor.shed_sources, governor.shed_all, governor.level) == (0, 0, 0)


def test_a_burst_of_half_a_second_passes_at_once(governor: Governor) -> None:
    assert sum(governor.admit(1, START) for _ in range(2 * DEPTH)) == pytest.approx(DEPTH, abs=1)
    assert governor.admit(1, START + SECOND // 10)


def test_forged_sources_meet_the_bucket_of_all(governor: Governor) -> None:
    flood, key, admitted = Flood(governor), 0, 0
    for _ in range(50):
        window = {key + index: 10 for index in range(1, 6001)}  # each source sends one packet in this window
        key += 6000
        admitted += sum(flood.run(window, 0.1).values())
    # The last ones came at the beginning of their window.
    assert admitted == pytest.approx(RATE * 4.9 + DEPTH, rel=0.001)
    assert governor.shed_all == 50 * 6000 - admitted
    assert governor.shed_sources == 0


def test_the_loudest_are_shed_and_the_quiet_are_not(governor: Governor, flood: Flood) -> None:
    quiet = {100 + number: 20 for number in range(50)}
    flood.run({1: 40_000, **quiet}, 2)
    admitted = flood.run({1: 40_000, **quiet}, 3)
    assert {key: admitted[key] for key in quiet} == dict.fromkeys(quiet, 60)
    assert admitted[1] < RATE * 3
    assert governor.shed_all < 0.05 * governor.shed_sources


def test_many_loud_ones_have_less_each(governor: Governor, flood: Flood) -> None:
    loud = dict.fromkeys(range(1, 101), 400)
    quiet = {1000 + number: 10 for number in range(20)}
    flood.run({**loud, **quiet}, 2)
    admitted = flood.run({**loud, **quiet}, 3)
    assert all(admitted[key] == 30 for key in quiet)
    assert governor.level >= 3


def test_a_source_has_four_packets_a_second_at_any_level() -> None:
    slow = Governor(0.1, 1_000_000)  # a hundred packets a second
    flood = Flood(slow)
    flood.run(dict.fromkeys(range(1, 60), 100), 2)
    assert slow.level == 4
    assert slow.rate == pytest.approx(100)
    assert flood.run({900: 10}, 0.3) == {900: 3}


def test_it_is_gentle_again_a_second_after(governor: Governor, flood: Flood) -> None:
    flood.run({1: 60_000}, 2)
    assert governor.level
    flood.run({2: 100}, 1.0 * governor.level + 0.5)
    assert governor.level == 0
    assert flood.run({1: 10_000}, 1) == {1: 10_000}


def test_it_stays_strict_while_less_would_not_do(governor: Governor, flood: Flood) -> None:
    flood.run({1: 60_000}, 1)
    levels = []
    for _ in range(50):
        flood.run({1: 60_000}, 0.1)
        levels.append(governor.level)
    assert min(levels) >= 1


def test_what_those_we_protect_send_is_always_judged_and_counts(governor: Governor) -> None:
    assert all(governor.admit(1, START, refusable=False) for _ in range(3 * DEPTH))
    # It may owe a second at most: strangers come in again once the bucket of all is no fuller than full.
    assert not governor.admit(2, START + SECOND // 2 - 1)
    assert governor.admit(2, START + SECOND // 2 + SECOND // 100)


def test_answers_of_the_pbx_are_part_of_what_is_spent(governor: Governor) -> None:
    now, admitted = START, 0
    for _ in range(60_000):  # 20,000 requests a second, and an answer to each that is admitted
        now += SECOND // 20_000
        if governor.admit(1, now):
            admitted += 1
            governor.admit(0, now, refusable=False)
    assert 2 * admitted == pytest.approx(RATE * 3 + DEPTH, rel=0.02)


def test_the_cost_follows_what_judging_takes(governor: Governor) -> None:
    assert governor.rate == pytest.approx(RATE)
    for _ in range(1000):
        governor.spent(2 * COST)
    assert governor.cost == pytest.approx(2 * COST, rel=0.01)
    assert governor.rate == pytest.approx(RATE / 2, rel=0.01)


def test_a_pause_is_no_cost(governor: Governor) -> None:
    governor.spent(SECOND)
    assert governor.cost <= COST * 1.25
    governor.spent(-5)
    assert governor.cost > 0


def test_what_is_spent_besides_judging_is_taken_off(governor: Governor, flood: Flood) -> None:
    flood.run({1: 1_000}, 3, other=0.3)
    assert governor.overhead == pytest.approx(0.3, abs=0.01)
    assert governor.rate == pytest.approx(RATE / 2, rel=0.05)


def test_a_quarter_of_the_share_is_left_for_judging_whatever_comes(governor: Governor, flood: Flood) -> None:
    flood.run({1: 1_000}, 3, other=0.95)
    assert governor.rate == pytest.approx(RATE / 4, rel=0.01)


def test_a_time_that_goes_back_starts_anew(governor: Governor) -> None:
    while governor.admit(1, START):
        pass
    assert governor.admit(1, START - 10 * SECOND)
    governor.settle(START - 10 * SECOND, 0)
    governor.settle(START - 20 * SECOND, 5)
    assert 0 <= governor.overhead <= 1


@pytest.mark.parametrize(("share", "cost"), [(0, 1), (-1, 1), (1.1, 1), (float("nan"), 1), (0.5, 0), (0.5, 2e9)])
def test_settings_that_make_no_sense_are_refused(share: float, cost: float) -> None:
    with pytest.raises(ValueError, match=r"governor keeps|judging a packet"):
        Governor(share, cost)


# --- in the pump


def spent(cost: float = COST) -> Governor:
    """A governor whose bucket of all is full, for a long while."""
    governor = Governor(1e-9, cost)
    while governor.admit(1, time.time_ns()):
        pass
    return governor


def test_the_pump_judges_what_is_admitted_and_sheds_the_rest(make: Maker) -> None:
    judged: list[Examined] = []
    shed: list[Examined] = []

    def judge(examined: Examined) -> int:
        judged.append(examined)
        return 0

    def drop(examined: Examined) -> int:
        shed.append(examined)
        return 1

    governor = Governor(0.001, 100_000_000)  # one packet in a hundred seconds
    bench = make(judge, lambda *_: 0, governor=governor, shed=drop)
    ids = list(range(1, 21))
    bench.pump.feed(b"".join(queued(number, ip("203.0.113.5")) for number in ids))
    waiting = list(ids)
    verdicts = dict(settled(waiting, [answer for _ in range(3) for answer in bench.answers()]))
    assert not waiting
    assert (len(judged), len(shed)) == (governor.judged, governor.shed_all + governor.shed_sources)
    assert len(judged) + len(shed) == 20
    assert shed
    assert verdicts == {each.number: int(each in judged) for each in judged + shed}
    assert (bench.pump.packets, bench.pump.dropped) == (20, len(shed))


def test_what_must_be_judged_is_not_shed(make: Maker) -> None:
    judged: list[int] = []

    def judge(examined: Examined) -> int:
        judged.append(examined.number)
        return 0

    bench = make(judge, lambda *_: 0, governor=spent(), shed=lambda _examined: 1)
    bench.pump.feed(
        queued(1, ip("203.0.113.5"), HOOK_FORWARD, 7)  # a stranger
        + queued(2, ip(PBX), HOOK_FORWARD, 3)  # from inside
        + queued(3, ip(PBX), HOOK_OUT, 0)
        + queued(4, ip(PBX), HOOK_FORWARD, 7)  # forged: the engine drops it without looking
    )
    assert judged == [2, 3, 4]
    assert bench.answers() == [Answer(1, DROP), Answer(4, ACCEPT, batch=True)]


def test_shedding_may_hand_a_packet_back(make: Maker) -> None:
    bench = make(lambda _examined: 1, lambda *_: 0, governor=spent(), shed=lambda _examined: -1)
    bench.pump.feed(queued(1, ip("203.0.113.5")))
    assert bench.verdict() == (1, DROP)


def test_shedding_that_fails_is_answered_by_failed(make: Maker) -> None:
    def shed(_examined: Examined) -> int:
        raise RuntimeError("on purpose")

    bench = make(lambda _examined: 0, lambda *_: 1, governor=spent(), shed=shed)
    bench.pump.feed(queued(1, ip("203.0.113.5")))
    assert bench.verdict() == (1, DROP)
    assert bench.pump.failures == 1


def test_the_pump_measures_what_judging_costs(make: Maker) -> None:
    def judge(_examined: Examined) -> int:
        return sum(range(20_000)) and 0

    governor = Governor(1.0, 1000)
    bench = make(judge, lambda *_: 0, governor=governor, shed=lambda _examined: 1)
    for number in range(200):
        bench.pump.feed(queued(number, ip("203.0.113.5")))
        bench.answers()
    assert governor.cost > 2000
