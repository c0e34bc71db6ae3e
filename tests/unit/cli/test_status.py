"""``sipsensor status`` against a real control socket with a stand-in behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sipsensor.cli.asking import span
from sipsensor.cli.status import _latency
from sipsensor.control.server import Server
from sipsensor.engine import Engine
from sipsensor.live.page import Lane, LaneNumber, Number
from sipsensor.live.posture import Posture
from sipsensor.live.serving import serve_control
from sipsensor.model import Table
from tests.support.live import FakeSensor
from tests.support.packets import message, packet
from tests.unit.cli.conftest import Command, Program


@pytest.fixture
def sensor(tmp_path: Path) -> FakeSensor:
    made = FakeSensor()
    made.settings = replace(made.settings, control=replace(made.settings.control, socket=str(tmp_path / "c.sock")))
    made.page[Number.RULES_STAND] = made.page[Number.RECKONED] = made.page[Number.BACKEND] = 1
    return made


@pytest.fixture
def socket(sensor: FakeSensor) -> Iterator[str]:
    with ExitStack() as edges:
        assert serve_control(sensor, Posture(sensor), edges, print)
        yield sensor.settings.control.socket


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[Callable[[dict[str, object]], str]]:
    with ExitStack() as edges:

        def answers(answer: dict[str, object]) -> str:
            path = str(tmp_path / "other.sock")
            edges.callback(Server(path, {"status": lambda *_: answer}).close)
            return path

        yield answers


def test_all_well_is_exit_0(command: Command, sensor: FakeSensor, socket: str) -> None:
    pump = sensor.pumps[Lane.STRANGERS]
    pump.packets, pump.dropped = 1234, 5
    pump.latency = (1234, *pump.latency[1:])
    text = command("status", "--socket", socket).output
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "troubles none",
        "mode observe, on a host",
        "protects 192.0.2.10",
        "verdicts 0 to accept, 0 to drop",
        "drops none",
        "none",
    ):
        assert line in lines, text
    assert any(line.startswith("rules in place (nftables), looked at 0.") for line in lines), text
    for line in (
        "queue strangers trusted",
        "number 5060 5061",
        "capacity 8192 512",
        "packets 1234 0",
        "dropped 5 0",
        "uninspected 0 0",
        "99 of 100 within 10 µs -",
    ):
        assert line in lines, text
    assert any(line.startswith("transactions 0 65536 0.0% 0") for line in lines)


def test_trouble_is_exit_1_and_said_first(command: Command, sensor: FakeSensor, socket: str) -> None:
    sensor.page[Number.RULES_STAND] = 0
    sensor.page.lane(Lane.TRUSTED)[LaneNumber.UNINSPECTED] = 40
    sensor.page[Number.RESTARTS] = 2
    lines = [" ".join(line.split()) for line in command("status", "--socket", socket, code=1).output.splitlines()]
    assert lines[1] == "troubles the kernel rules are not in place: packets pass uninspected"
    assert lines[2] == "packets that passed uninspected in the last minute: 40"
    assert "rules NOT in place (nftables)" in " ".join(lines)
    assert "restarts 2" in lines


def test_the_configuration_names_the_socket(command: Command, socket: str, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f"[control]\nsocket = '{socket}'\n")
    assert "troubles" in command("status", "--config", file).output
    file.write_text("[control]\nsocket = ''\n")
    assert "control.socket is empty" in command("status", "--config", file, code=2).output
    assert "troubles" in command("status", "--config", file, "--socket", socket).output


def test_json_has_everything(command: Command, sensor: FakeSensor, socket: str) -> None:
    sensor.engine.process(packet(message(change={"User-Agent": "friendly-scanner"})))
    said = json.loads(command("status", "--socket", socket, "--json").output)
    assert said["drops"]["SIGNATURE"] == 1
    assert said["queues"][1]["queue"] == "trusted"
    sensor.page[Number.RULES_STAND] = 0
    said = json.loads(command("status", "--socket", socket, "--json", code=1).output)
    assert said["troubles"]


def test_nobody_there_is_exit_1_in_one_line(program: Program, tmp_path: Path) -> None:
    done = program("status", "--socket", tmp_path / "none.sock", code=1)
    assert done.stdout == ""
    remedy = "start one with sipsensor run, or name its socket with --socket or --config"
    assert done.stderr == f"sipsensor: {tmp_path}/none.sock: no sensor runs there; {remedy}\n"


def test_a_bad_configuration_is_exit_2(program: Program, tmp_path: Path) -> None:
    assert "cannot be read" in program("status", "--config", tmp_path / "none.toml", code=2).stderr


class Evil:
    """An engine whose table has a name that no table has."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def tables(self) -> Iterator[Table]:
        return iter([Table(self._name, 1, 2, 3)])


def test_what_comes_through_the_socket_is_escaped(
    command: Command, sensor: FakeSensor, socket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "\x1b[2J\u202e\nFaults"
    sensor.errors.append((1_800_000_000.0, evil))
    sensor.engine.counters.alerts[evil] = 1
    sensor.protected = (evil,)
    monkeypatch.setattr(sensor, "engine", Evil(sensor.engine, evil))
    text = command("status", "--socket", socket).output
    assert text.count("\\x1b[2J\\u202e\\x0aFaults") == 4
    assert not set(text) & {"\x1b", "\u202e"}


@pytest.mark.parametrize(
    "answer", [{}, {"version": "9\x1b"}, {"troubles": 7, "version": "9\x1b", "process": 1, "uptime": "x"}]
)
def test_the_answer_of_another_version_is_one_line(
    command: Command, answers: Callable[[dict[str, object]], str], answer: dict[str, object]
) -> None:
    text = command("status", "--socket", answers(answer), code=1).output
    assert "ask with --json" in text
    assert "\x1b" not in text
    assert "Traceback" not in text


def test_what_is_not_known_is_no_zero(command: Command, sensor: FakeSensor, socket: str) -> None:
    sensor.page[Number.RECKONED] = 0
    lines = [" ".join(line.split()) for line in command("status", "--socket", socket).output.splitlines()]
    for line in ("waiting unknown unknown", "lost unknown unknown", "uninspected unknown unknown"):
        assert line in lines


def test_times_are_in_the_unit_that_fits() -> None:
    assert [_latency(seconds) for seconds in (None, 1e-5, 5e-4, 1e-3, 0.02, 0.1)] == [
        "-",
        "10 µs",
        "500 µs",
        "1 ms",
        "20 ms",
        "100 ms",
    ]


def test_spans_have_two_units() -> None:
    assert [span(seconds) for seconds in (0, 1.25, 59.9, 60, 3599, 3600, 90_000, 864_000)] == [
        "0.0 s",
        "1.2 s",
        "59.9 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
        "1 d 1 h",
        "10 d 0 h",
    ]
