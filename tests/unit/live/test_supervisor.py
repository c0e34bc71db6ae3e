"""The supervisor with bodies of the test's making in its children: order, restarts, standstill, signals. The lab has real queues."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sipsensor.config.load import defaults
from sipsensor.live import supervisor
from sipsensor.live.child import Child
from sipsensor.live.notify import Notifier
from sipsensor.live.page import Lane, LaneNumber, Number, Page, State
from sipsensor.live.supervisor import Supervisor

Body = Callable[["Fake", threading.Event], None]


class Fake:
    """Takes the place of sensor and keeper alike. What its ``body`` says goes to a file that outlives the process."""

    protected = ("192.0.2.10",)
    settings = defaults()

    def __init__(self, page: Page, said: Path, body: Body) -> None:
        self.page, self._said, self._body = page, said, body

    def say(self, line: str) -> None:
        with self._said.open("a") as file:
            file.write(line + "\n")

    def rotate(self) -> None:
        self.say("rotated")

    def run(self, stop: threading.Event) -> None:
        self._body(self, stop)


def serves(fake: Fake, stop: threading.Event) -> None:
    """A sensor that makes progress until it is told to stop."""
    fake.say("sensor starts")
    fake.page[Number.SENSOR_STATE] = State.READY
    while not stop.wait(0.01):
        for lane in Lane:
            fake.page.lane(lane)[LaneNumber.LOOPS] += 1
    fake.say("sensor ends")


def keeps(fake: Fake, stop: threading.Event) -> None:
    fake.say("rules stand")
    fake.page[Number.BACKEND] = 2
    stop.wait()
    fake.say("rules are gone")


def refuses(_fake: Fake, _stop: threading.Event) -> None:
    raise ValueError("no")


class Running:
    """A supervisor in a process of its own: signals are for it alone."""

    def __init__(
        self,
        folder: Path,
        sensor: Body,
        keeper: Body,
        *,
        hangup_ends: bool = False,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.page = Page()
        self.file = folder / "said"
        self.file.touch()
        fakes = [Fake(self.page, self.file, body) for body in (sensor, keeper)]
        self.process = os.fork()
        if self.process == 0:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it goes with the tests
            made = Supervisor(
                fakes[0],  # type: ignore[arg-type]
                fakes[1],  # type: ignore[arg-type]
                fakes[0].say,
                self._report,
                hangup_ends=hangup_ends,
                notifier=Notifier(environment or {}),
            )
            os._exit(made.run())
        self.status: int | None = None

    def _report(self, error: BaseException) -> int:
        with self.file.open("a") as file:
            file.write(f"reported {error}\n")
        return 2

    @property
    def said(self) -> list[str]:
        return self.file.read_text().splitlines()

    def wait_for(self, line: str, times: int = 1) -> None:
        deadline = time.monotonic() + 15
        while sum(said.startswith(line) for said in self.said) < times:
            assert time.monotonic() < deadline, self.said
            time.sleep(0.01)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.status is None:
            os.kill(self.process, number)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return self.status

    def ended(self) -> int:
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return self.status


Maker = Callable[..., Running]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Maker]:
    made: list[Running] = []

    def maker(
        sensor: Body = serves,
        keeper: Body = keeps,
        *,
        hangup_ends: bool = False,
        environment: dict[str, str] | None = None,
    ) -> Running:
        made.append(Running(tmp_path, sensor, keeper, hangup_ends=hangup_ends, environment=environment))
        return made[-1]

    yield maker
    for running in made:
        if running.status is None:
            running.end(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_sensor_comes_first_and_goes_last(make: Maker, number: signal.Signals) -> None:
    running = make()
    running.wait_for("version")
    assert running.end(number) == 0
    posture = running.said[2]
    assert "observe, host, protects 192.0.2.10, queue 5060 and 5061, rules iptables, metrics 127.0.0.1:9437" in posture
    assert running.said == ["sensor starts", "rules stand", posture, "rules are gone", "sensor ends"]


def test_a_sensor_that_cannot_start_is_the_end(make: Maker) -> None:
    running = make(sensor=refuses)
    assert running.ended() == 2
    assert running.said == ["reported no"]


def test_rules_that_cannot_be_made_end_the_sensor_too(make: Maker) -> None:
    running = make(keeper=refuses)
    assert running.ended() == 2
    assert running.said == ["sensor starts", "reported no", "sensor ends"]


def test_a_dead_sensor_is_started_again_and_the_rules_stay(make: Maker) -> None:
    def dies_once(fake: Fake, stop: threading.Event) -> None:
        if fake.page[Number.RESTARTS] == 0:
            for number in supervisor.OF_ONE_SENSOR:
                fake.page.lane(Lane.TRUSTED)[number] = 9
            fake.page[Number.SENSOR_STATE] = State.READY
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        serves(fake, stop)

    running = make(sensor=dies_once)
    running.wait_for("sensor starts")
    assert running.end() == 0
    assert [running.page.of(Lane.TRUSTED, number) for number in supervisor.OF_ONE_SENSOR] == [0] * 5
    assert running.page[Number.RESTARTS] == 1
    assert running.page[Number.HANGS] == 0
    assert "the sensor was killed by SIGKILL; it is started again" in running.said
    assert running.said.count("rules stand") == 1


def test_a_sensor_that_dies_again_and_again_is_given_time(make: Maker) -> None:
    def dies(fake: Fake, _stop: threading.Event) -> None:
        fake.page[Number.SENSOR_STATE] = State.READY
        fake.say("up")
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)

    running = make(sensor=dies)
    running.wait_for("the sensor was killed by SIGKILL; it is started again in 1 s")
    running.wait_for("the sensor was killed by SIGKILL; it is started again in 2 s")
    assert running.end() == 0


def test_a_dead_keeper_is_started_again(make: Maker) -> None:
    running = make()
    running.wait_for("version")
    os.kill(child_of(running.process, "sipsensor-rules"), signal.SIGKILL)
    running.wait_for("rules stand", times=2)
    assert running.end() == 0
    assert running.said.count("sensor starts") == 1


def test_rules_that_nobody_looks_after_are_not_said_to_stand(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "KEEPER_STALE", 5)
    running = make()
    running.wait_for("version")
    running.page[Number.RULES_STAND] = 1
    deadline = time.monotonic() + 5
    while running.page[Number.RULES_STAND]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert running.end() == 0


def test_a_keeper_that_hangs_is_started_again(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "KEEPER_STANDSTILL", 5)
    running = make()
    running.wait_for("the keeper of the rules was killed by SIGKILL; it is started again")
    running.wait_for("rules stand", times=2)
    assert running.end() == 0


@pytest.mark.parametrize("lane", Lane)
def test_a_lane_without_progress_is_a_hang(make: Maker, lane: Lane) -> None:
    def hangs_once(fake: Fake, stop: threading.Event) -> None:
        if fake.page[Number.HANGS]:
            serves(fake, stop)
            return
        fake.page[Number.SENSOR_STATE] = State.READY
        other = Lane.TRUSTED if lane is Lane.STRANGERS else Lane.STRANGERS
        while not stop.wait(0.01):
            fake.page.lane(other)[LaneNumber.LOOPS] += 1

    running = make(sensor=hangs_once)
    running.wait_for("version")
    began = time.monotonic()
    running.wait_for("sensor starts")
    assert time.monotonic() - began > 1.5
    assert running.page[Number.HANGS] == running.page[Number.RESTARTS] == 1
    assert running.end() == 0


def test_the_watchdog_is_fed_by_progress_alone(make: Maker, tmp_path: Path) -> None:
    def stalls(fake: Fake, stop: threading.Event) -> None:
        fake.page[Number.SENSOR_STATE] = State.READY
        for _ in range(100):
            for lane in Lane:
                fake.page.lane(lane)[LaneNumber.LOOPS] += 1
            time.sleep(0.01)
        fake.say("stalls")
        while not stop.wait(0.01):  # one lane alone is no progress
            fake.page.lane(Lane.TRUSTED)[LaneNumber.LOOPS] += 1

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        running = make(stalls, environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000"})
        running.wait_for("stalls")
        time.sleep(0.3)  # the look that still saw progress
        assert beats(systemd) > 2
        time.sleep(1)  # half of the time after which it is killed
        assert beats(systemd) == 0
        running.wait_for("the sensor made no progress")


def beats(systemd: socket.socket) -> int:
    """How often the watchdog was fed since the last time this was asked."""
    told = []
    while True:
        try:
            told.append(systemd.recv(500, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return told.count(b"WATCHDOG=1")


def test_slow_progress_is_progress(make: Maker) -> None:
    def slow(fake: Fake, stop: threading.Event) -> None:
        fake.page[Number.SENSOR_STATE] = State.READY
        while not stop.wait(1):
            for lane in Lane:
                fake.page.lane(lane)[LaneNumber.LOOPS] += 1

    running = make(sensor=slow)
    running.wait_for("version")
    time.sleep(3.5)
    assert running.end() == 0
    assert running.page[Number.HANGS] == 0


@pytest.mark.parametrize("hangup_ends", [True, False])
def test_a_hangup_rotates_unless_it_was_the_terminal(make: Maker, hangup_ends: bool) -> None:  # noqa: FBT001
    running = make(hangup_ends=hangup_ends)
    running.wait_for("version")
    if hangup_ends:
        assert running.end(signal.SIGHUP) == 0
        assert "rotated" not in running.said
    else:
        os.kill(running.process, signal.SIGHUP)
        running.wait_for("rotated")
        assert running.end() == 0


def test_a_dead_supervisor_leaves_no_process(make: Maker) -> None:
    running = make()
    running.wait_for("version")
    children = [child_of(running.process, name) for name in ("sipsensor-queue", "sipsensor-rules")]
    assert running.end(signal.SIGKILL) == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_that_does_not_end_is_killed(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "END_PATIENCE", 0.5)

    def stays(fake: Fake, _stop: threading.Event) -> None:
        fake.page[Number.SENSOR_STATE] = State.READY
        while True:
            time.sleep(0.01)
            for lane in Lane:
                fake.page.lane(lane)[LaneNumber.LOOPS] += 1

    running = make(sensor=stays)
    running.wait_for("version")
    assert running.end() == 0
    assert (
        "the sensor did not end within 0.5 s and was killed; 0 packets that waited were answered unjudged"
        in running.said
    )


def test_a_killed_sensor_that_takes_its_time_to_die_is_taken_over_once(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "START_PATIENCE", 0.3)
    monkeypatch.setattr(supervisor, "END_PATIENCE", 0.3)
    ended, taken = Child.ended, list[float]()

    def in_the_end(child: Child) -> int | None:
        return None if taken and time.monotonic() < taken[0] + 1.5 else ended(child)

    def take_over(process: int, *_: object) -> int:
        taken.append(time.monotonic())
        os.kill(process, signal.SIGKILL)
        return 0

    def hangs_once(fake: Fake, stop: threading.Event) -> None:
        fake.page[Number.SENSOR_STATE] = State.READY
        if fake.page[Number.HANGS]:
            serves(fake, stop)
        time.sleep(60)

    monkeypatch.setattr(supervisor, "take_over", take_over)
    monkeypatch.setattr(Child, "ended", in_the_end)
    running = make(sensor=hangs_once)
    running.wait_for("sensor starts")
    assert running.page[Number.HANGS] == running.page[Number.RESTARTS] == 1
    assert [line.split(";")[0] for line in running.said if "was killed;" in line] == [
        "the sensor made no progress for 2 s and was killed"
    ]


def test_a_sensor_that_ends_by_itself_may_do_so_in_order(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_PATIENCE", 0.3)

    def ends_once(fake: Fake, stop: threading.Event) -> None:
        fake.page[Number.SENSOR_STATE] = State.READY
        if not fake.page[Number.RESTARTS]:
            time.sleep(0.5)
            fake.page[Number.SENSOR_STATE] = State.ENDING
            time.sleep(0.5)
            fake.say("all is answered")
            return
        serves(fake, stop)

    running = make(sensor=ends_once)
    running.wait_for("sensor starts")
    assert "all is answered" in running.said
    assert running.page[Number.HANGS] == 0


def test_a_sensor_that_does_not_come_to_its_end_is_killed(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "END_PATIENCE", 0.3)

    def ends_never(fake: Fake, stop: threading.Event) -> None:
        if not fake.page[Number.HANGS]:
            fake.page[Number.SENSOR_STATE] = State.READY
            time.sleep(0.5)
            fake.page[Number.SENSOR_STATE] = State.ENDING
            time.sleep(60)
        serves(fake, stop)

    running = make(sensor=ends_never)
    running.wait_for("the sensor did not end within 0.3 s and was killed")
    running.wait_for("sensor starts")


def child_of(process: int, name: str) -> int:
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text().strip() == name:
            return int(child)
    raise AssertionError(f"no {name}")


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
