"""What the command line makes of its options. The lab runs it for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from sipsensor.cli import run
from sipsensor.config.load import defaults
from sipsensor.config.settings import Settings
from sipsensor.model import Mode
from tests.unit.cli.conftest import Command


class Told:
    """Takes the place of the live processes, and keeps what they were told."""

    settings: Settings
    record: Path | None
    hangup_ends: bool
    protected = ("192.0.2.10",)
    page = None
    link = SimpleNamespace(keeper="its end")

    def __init__(self, settings: Settings, say: Callable[[str], None], record: Path | None) -> None:
        del say
        Told.settings, Told.record = settings, record


class Keeping:
    def __init__(self, settings: Settings, end: object, say: object) -> None:
        del say
        assert (settings, end) == (Told.settings, Told.link.keeper)


class Keeper:
    def __init__(self, settings: Settings, page: object, say: object, keeping: object) -> None:
        del say
        assert (settings, page) == (Told.settings, Told.page)
        assert isinstance(keeping, Keeping)


class Supervisor:
    def __init__(self, sensor: Told, keeper: Keeper, say: object, report: object, *, hangup_ends: bool) -> None:
        assert isinstance(sensor, Told)
        assert isinstance(keeper, Keeper)
        del say, report
        Told.hangup_ends = hangup_ends

    def run(self) -> int:
        return 0


@pytest.fixture(autouse=True)
def sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, stand_in in (
        ("Sensor", Told),
        ("Keeping", Keeping),
        ("Keeper", Keeper),
        ("Supervisor", Supervisor),
    ):
        monkeypatch.setattr(run, name, stand_in)


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
    assert Told.settings.control.socket == str(tmp_path / "control.sock")
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
def test_a_hangup_is_the_end_of_a_terminal_only(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(run, "_has_terminal", lambda: terminal)
    command("run")
    assert Told.hangup_ends is terminal


def test_its_exit_status_is_the_supervisors(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Supervisor, "run", lambda _: 2)
    command("run", code=2)
