"""What the command line makes of its options. The lab runs it for real."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sipsensor.cli import run
from sipsensor.config.load import defaults
from sipsensor.config.settings import Settings
from sipsensor.model import Mode
from tests.unit.cli.conftest import Command

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Told:
    """Takes the place of the sensor, and keeps what it was told. ``during`` happens while it runs."""

    settings: Settings
    record: Path | None
    stopped: bool
    rotated: bool
    during: Callable[[], None]

    def __init__(self, settings: Settings, say: Callable[[str], None], record: Path | None) -> None:
        del say
        Told.settings, Told.record, Told.rotated = settings, record, False

    def rotate(self) -> None:
        Told.rotated = True

    def run(self, stop: threading.Event) -> None:
        Told.during()
        Told.stopped = stop.wait(0)


@pytest.fixture(autouse=True)
def sensor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    monkeypatch.setattr(run, "Sensor", Told)
    Told.during = lambda: None
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_without_options_it_runs_as_configured(command: Command) -> None:
    command("run")
    assert Told.settings == defaults()
    assert Told.record is None


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("configured", Mode)
def test_the_mode_of_the_command_line_goes_before_the_files(
    command: Command, tmp_path: Path, mode: Mode, configured: Mode
) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f'mode = "{configured}"\n')
    command("run", "--config", file)
    assert Told.settings.mode is configured
    command("run", "--config", file, f"--{mode}")
    assert Told.settings.mode is mode


def test_files_go_where_they_are_told_to(command: Command, tmp_path: Path) -> None:
    command("run", "--state", tmp_path, "--record", tmp_path / "all.pcap")
    assert Told.settings.events.file == str(tmp_path / "events.jsonl")
    assert Told.settings.quarantine.file == str(tmp_path / "quarantine.pcap")
    assert Told.record == tmp_path / "all.pcap"
    command("run", "--state", tmp_path, "--events", "-")
    assert Told.settings.events.file == "-"


def test_files_that_are_switched_off_stay_off(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[events]\nfile = "-"\n[quarantine]\nfile = ""\n')
    command("run", "--config", file, "--state", tmp_path)
    assert Told.settings.events.file == "-"
    assert Told.settings.quarantine.file == ""


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_it(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    terminal: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(run, "_has_terminal", lambda: terminal)
    Told.during = lambda: os.kill(os.getpid(), number)
    command("run")
    rotates = number == signal.SIGHUP and not terminal
    assert (Told.stopped, Told.rotated) == (not rotates, rotates)
