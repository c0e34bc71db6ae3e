"""The keeper with rules and queues of the test's making. The lab has real ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from sipsensor.config.errors import ConfigError
from sipsensor.config.load import defaults
from sipsensor.config.settings import NetworkSettings, Placement, QueueRules, Settings
from sipsensor.enforce.rules import Counts, RulesError
from sipsensor.live import keeper as keepers
from sipsensor.live import keeping as keepings
from sipsensor.live.keeper import Keeper
from sipsensor.live.keeping import Keeping
from sipsensor.live.link import Link
from sipsensor.live.page import BACKENDS, Lane, LaneNumber, Number, Page, State
from sipsensor.sources.nfqueue import QueueState


@dataclass(frozen=True)
class Plan:
    inside: tuple[str, ...]
    trusted: tuple[str, ...] = ()


class Kernel:
    """Rules that stand until the test takes them away, and the counters of rules and queues."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.wrong: list[str] = []
        self.unseen: list[str] = []
        self.refusal: Exception | None = None
        self.counted = Counts((0, 0), (0, 0), 0)
        self.queue: QueueState | None = QueueState(0, 0, 0)
        self.inside: tuple[int, ...] = (3,)
        self.names = ("lan0",)
        self.drained: bool | None = None

    def __call__(self, *_: object) -> Kernel:
        return self

    def install(self) -> str:
        self.happened.append("install")
        return "iptables"

    def put_back(self) -> None:
        self.happened.append("put back")
        if self.refusal is not None:
            raise self.refusal
        self.wrong = []
        self.counted = Counts((0, 0), (0, 0), 0)

    def remove(self, is_drained: Callable[[], bool]) -> None:
        self.drained = is_drained()
        self.happened.append("remove")

    def faults(self) -> list[str]:
        return self.wrong

    def changed_elements(self, times: int) -> None:
        assert times == 0

    def blind_spots(self) -> list[str]:
        return self.unseen

    def counts(self) -> Counts:
        return self.counted

    def state(self, _number: int) -> QueueState | None:
        return self.queue

    def plan(self, *_: object) -> Plan:
        return Plan(self.names)

    def numbers(self, *_: object) -> tuple[int, ...]:
        if not self.inside:
            raise ConfigError(["no route"])
        return self.inside


def keeper_of(settings: Settings, page: Page, say: Callable[[str], None]) -> Keeper:
    """One that keeps no database, and whose sensor never says anything."""
    settings = replace(settings, state=replace(settings.state, database=""))
    return Keeper(settings, page, say, Keeping(settings, Link().keeper, say))


class Kept:
    """A keeper that runs in a thread."""

    def __init__(self, settings: Settings) -> None:
        self.page = Page()
        self.page[Number.SENSOR_STATE] = State.READY
        self.said: list[str] = []
        self.stop = threading.Event()
        self.keeper = keeper_of(settings, self.page, self.said.append)
        self.thread = threading.Thread(target=self.keeper.run, args=(self.stop,))
        self.thread.start()
        self.until(lambda: self.page[Number.BACKEND])

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.005)

    def look(self, times: int = 3) -> None:
        """Wait until it has looked so often."""
        before = self.page[Number.KEEPER_LOOPS]
        self.until(lambda: self.page[Number.KEEPER_LOOPS] >= before + times)

    def uninspected(self, lane: Lane = Lane.STRANGERS) -> int:
        return self.page.of(lane, LaneNumber.UNINSPECTED)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(5)
        assert not self.thread.is_alive()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(keepers, "KernelRules", made)
    monkeypatch.setattr(keepings, "generation", lambda: 1)
    monkeypatch.setattr(keepings, "_change", lambda _script: None)
    monkeypatch.setattr(keepings, "_listing", lambda _name: "{}")
    monkeypatch.setattr(keepers, "kernel_plan", made.plan)
    monkeypatch.setattr(keepers, "inside_interfaces", made.numbers)
    monkeypatch.setattr(keepers, "state", made.state)
    monkeypatch.setattr(keepers, "readable", lambda: True)
    monkeypatch.setattr(Keeper, "LOOK", 0.01)
    return made


@pytest.fixture
def kept(kernel: Kernel) -> Iterator[Kept]:  # noqa: ARG001 - in place before the keeper is
    made = Kept(defaults())
    yield made
    made.end()


def test_rules_stand_as_long_as_it_runs(kernel: Kernel, kept: Kept) -> None:
    kept.look()
    assert kept.page[Number.RULES_STAND] == 1
    assert BACKENDS[kept.page[Number.BACKEND]] == "iptables"
    kept.end()
    assert kept.page[Number.RULES_STAND] == 0
    assert kernel.happened == ["install", "remove"]


def test_what_others_keep_from_the_queues_is_said_at_the_start(kernel: Kernel) -> None:
    kernel.unseen = ["a flowtable takes connections past them"]
    kept = Kept(defaults())
    kept.look()
    kept.end()
    assert kept.said == ["the kernel rules: a flowtable takes connections past them"]


def test_rules_that_went_are_put_back_and_the_gap_is_known(kernel: Kernel, kept: Kept) -> None:
    kernel.wrong = ["the table is gone"]
    kept.until(lambda: kept.page[Number.RULES_PUT_BACK])
    kept.look()
    assert kernel.happened == ["install", "put back"]
    assert kept.page[Number.RULES_STAND] == 1
    assert 0 < kept.page[Number.RULES_MISSING] < 5e9
    assert kept.said[0].startswith("the kernel rules were put back after at most ")
    assert kept.said[0].endswith("s: the table is gone")


def test_rules_that_cannot_be_put_back_are_said_once_and_tried_again(kernel: Kernel, kept: Kept) -> None:
    kernel.refusal = RulesError("nft does not answer")
    kernel.wrong = ["the table is gone"]
    kept.until(lambda: kernel.happened.count("put back") > 3)
    assert kept.page[Number.RULES_STAND] == 0
    assert kept.said == ["the kernel rules: nft does not answer"]
    kernel.refusal = None
    kept.until(lambda: kept.page[Number.RULES_STAND])


def test_the_operators_own_rules_are_left_to_him(kernel: Kernel) -> None:
    settings = defaults()
    kept = Kept(replace(settings, queue=replace(settings.queue, rules=QueueRules.NONE)))
    kernel.wrong = ["nothing is queued to 5060"]
    kept.until(lambda: not kept.page[Number.RULES_STAND])
    kept.look()
    kept.end()
    assert kernel.happened == ["install", "remove"]
    assert kept.said == ["the kernel rules: nothing is queued to 5060; they are yours to mend: sipsensor rules print"]


def test_rules_that_the_operator_mends_end_the_gap_and_are_counted_anew(kernel: Kernel) -> None:
    settings = defaults()
    kept = Kept(replace(settings, queue=replace(settings.queue, rules=QueueRules.NONE)))
    kernel.counted = Counts((100, 0), (0, 0), 0)
    kept.until(lambda: kept.uninspected() == 100)
    kernel.wrong = ["nothing is queued to 5060"]
    kept.until(lambda: not kept.page[Number.RULES_STAND])
    # While one rule is missing, what meets the others counts.
    kernel.counted = Counts((103, 0), (0, 0), 0)
    kept.until(lambda: kept.uninspected() == 103)
    kernel.counted = Counts((0, 0), (0, 0), 0)
    kernel.wrong = []
    kept.until(lambda: kept.page[Number.RULES_STAND])
    kept.look()
    assert 0 < kept.page[Number.RULES_MISSING] < 5e9
    assert kept.said[-1].startswith("the kernel rules stand again after at most ")
    kernel.counted = Counts((7, 0), (0, 0), 0)
    kept.until(lambda: kept.uninspected() == 110)
    kept.end()


def test_what_comes_while_counting_begins_is_not_said_to_have_passed(
    kernel: Kernel, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packet before and after each reading of rules and queues, as under load; the sensor receives all of them."""
    numbers = kept.page.lane(Lane.STRANGERS)
    over = threading.Event()

    def comes() -> None:
        if over.is_set():
            return
        for number in (LaneNumber.UDP, LaneNumber.RECEIVED, LaneNumber.ANSWERED):
            numbers[number] += 1
        kernel.counted = Counts((kernel.counted.udp[0] + 1, 0), (0, 0), 0)

    def counts() -> Counts:
        comes()
        found = kernel.counted
        comes()
        return found

    def state(number: int) -> QueueState:
        if number == defaults().queue.first:
            comes()
        return QueueState(0, 0, 0)

    monkeypatch.setattr(kernel, "counts", counts)
    monkeypatch.setattr(keepers, "state", state)
    kernel.wrong = ["the table is gone"]
    kept.until(lambda: kept.page[Number.RULES_PUT_BACK])
    for _ in range(2):
        kept.look(2 * Keeper.COUNT)
        assert kept.uninspected() == 0
        over.set()


def test_what_passed_uninspected_is_reckoned(kernel: Kernel, kept: Kept) -> None:
    numbers = kept.page.lane(Lane.STRANGERS)
    numbers[LaneNumber.UDP] = 6
    kernel.queue = QueueState(1, 2, 0)
    kernel.counted = Counts((10, 4), (0, 0), 7, 8, 9)
    kept.until(lambda: kept.page[Number.LIMITED] == 7)
    kept.look()
    assert (kept.page[Number.SOURCE_LIMITED], kept.page[Number.TRUSTED_FALLEN]) == (8, 9)
    assert kept.page[Number.RECKONED] == 1
    # Of ten, six were received, two dropped, one waits. The trusted lane's queue has the same state, and received nothing.
    assert (kept.uninspected(), kept.uninspected(Lane.TRUSTED)) == (1, 1)


def test_nothing_is_reckoned_between_two_sensors(kernel: Kernel, kept: Kept) -> None:
    for state, queue in ((State.READY, None), (State.ENDING, kernel.queue), (State.STARTING, kernel.queue)):
        kept.page[Number.SENSOR_STATE] = state
        kernel.queue = queue
        kept.look()
        kernel.counted = Counts((kernel.counted.udp[0] + 5, 0), (0, 0), 0)
        kept.look(5)
        assert kept.uninspected() == 0
        kernel.queue = QueueState(0, 0, 0)
    # With the dead one's losses noted, what passed meanwhile counts, while the next one starts.
    kept.page[Number.SENSOR_STATE] = State.STARTING
    kernel.queue = None
    kept.until(lambda: kept.uninspected() == 15)


@pytest.mark.parametrize("waiting", [0, 3])
def test_the_rules_are_told_whether_something_waits(kernel: Kernel, waiting: int) -> None:
    kept = Kept(defaults())
    kernel.queue = QueueState(waiting, 0, 0)
    kept.end()
    assert kernel.drained is (waiting == 0)


def test_a_keeper_after_another_goes_on_from_its_numbers(kernel: Kernel) -> None:
    page = Page()
    page[Number.SENSOR_STATE] = State.READY
    page[Number.LIMITED], page[Number.TRUSTED_FALLEN] = 100, 5
    page.lane(Lane.TRUSTED)[LaneNumber.UNINSPECTED] = 9
    keeper = keeper_of(defaults(), page, print)
    kernel.counted = Counts((0, 50), (0, 0), 30, 0, 40)
    stop = threading.Event()
    stop.set()
    keeper.run(stop)
    assert (page[Number.LIMITED], page[Number.TRUSTED_FALLEN]) == (100, 5)
    assert page.of(Lane.TRUSTED, LaneNumber.UNINSPECTED) == 9


def test_interfaces_are_followed(kernel: Kernel) -> None:
    network = NetworkSettings(placement=Placement.GATEWAY, protected=("192.0.2.10",), inside=("lan0",))
    kept = Kept(replace(defaults(), network=network))
    assert (kept.page[Number.INSIDE_COUNT], kept.page.numbers[Number.INSIDE]) == (1, 3)
    kernel.inside = (8, 9)
    kept.until(lambda: kept.page[Number.INSIDE_COUNT] == 2)
    assert list(kept.page.numbers[Number.INSIDE : Number.INSIDE + 2]) == [8, 9]
    assert kernel.happened == ["install"]
    kernel.names = ("lan1",)
    kept.until(lambda: kernel.happened == ["install", "put back"])
    # No route for a while: what was known stays.
    kernel.inside = ()
    kept.look()
    assert kept.page[Number.INSIDE_COUNT] == 2
    kept.end()


def test_rules_that_cannot_be_made_raise(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise RulesError("no")

    monkeypatch.setattr(kernel, "install", refuse)
    with pytest.raises(RulesError, match="no"):
        keeper_of(defaults(), Page(), print).run(threading.Event())
    assert kernel.happened == []
