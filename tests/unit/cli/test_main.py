import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from sipsensor.cli.main import COMMANDS, group, is_user_error, main
from sipsensor.config.errors import ConfigError
from sipsensor.control import ControlError
from sipsensor.export.events import EventLogError
from sipsensor.export.metrics import MetricsError
from sipsensor.signatures import SignatureError
from sipsensor.sources.nfqueue import QueueError
from sipsensor.sources.pcap import CaptureError
from tests.unit.cli.conftest import ATTACK, Command, Pcap, Program


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_has_help(command: Command, name: str) -> None:
    found = importlib.import_module(COMMANDS[name].module).command
    assert isinstance(found, click.Command)
    assert found.name == name
    text = command(name, "--help").output
    assert text.startswith(f"Usage: group {name}")
    assert len(text.splitlines()) > 3


def test_the_group_lists_all_commands_without_importing_them() -> None:
    code = "import sys; from sipsensor.cli.main import group; group(['--help'], standalone_mode=False); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    listing, _, loaded = out.rpartition("\n\n") if "\n\n" in out else ("", "", out)
    assert all(name in out for name in COMMANDS)
    assert "sipsensor.app" not in (loaded or listing).split()


@pytest.mark.parametrize(
    "error",
    [
        ConfigError(["x"]),
        ControlError("x"),
        CaptureError("x"),
        EventLogError("x"),
        MetricsError("x"),
        SignatureError(["x"]),
        QueueError("x"),
    ],
)
def test_errors_of_the_user_are_known(error: Exception) -> None:
    assert is_user_error(error)


def test_subclasses_are_known_and_bugs_are_not() -> None:
    class SpecialError(CaptureError):
        pass

    assert is_user_error(SpecialError("x"))
    assert not is_user_error(ValueError("x"))
    assert not is_user_error(KeyError("x"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nosuch"], "sipsensor: No such command 'nosuch'."),
        (["replay"], "sipsensor: Missing argument 'FILE...'. See \"sipsensor replay --help\"."),
        (["replay", "--nosuch", "x"], "sipsensor: No such option"),
        (["replay", "/nowhere.pcap"], "sipsensor: /nowhere.pcap: no such file; name a capture file or a directory"),
        (["replay", "--filter", "udp port", "x"], "sipsensor: --filter: can't parse filter expression: syntax error;"),
        (["replay", "--config", "/nowhere.toml", "x"], "sipsensor: /nowhere.toml: cannot be read: No such file"),
        (["replay", "--protected", "10.0.0.1/8", "x"], "sipsensor: Invalid value for '--protected': '10.0.0.1/8' has"),
        (["explain", "x"], "sipsensor: Missing option '--packet'"),
        (["explain", "x", "--packet", "0"], "sipsensor: Invalid value for '--packet': 0 is not in the range x>=1."),
        (["explain", "/nowhere.pcap", "--packet", "1"], "sipsensor: /nowhere.pcap: cannot be read: No such file"),
        (["explain", "/", "--packet", "1"], "sipsensor: /: is a directory; name the one file"),
        (["check", "--config", "/"], "sipsensor: Invalid value for '--config'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(program: Program, arguments: list[str], line: str) -> None:
    done = program(*arguments, code=2)
    assert done.stdout == ""
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1


def test_without_a_command_it_shows_its_help(program: Program) -> None:
    assert "Commands:" in program(code=2).stderr


def test_a_reader_that_leaves_early_is_no_error_worth_a_traceback(capture: Pcap) -> None:
    file = capture(*[ATTACK] * 3000)
    with subprocess.Popen(
        [sys.executable, "-m", "sipsensor", "replay", "--json", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_line(capture: Pcap) -> None:
    file = capture(*[ATTACK] * 3000)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sipsensor", "replay", "--json", str(file)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "sipsensor: output: No space left on device; check the path, its mode and the space left\n"


def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(group, "main", interrupted)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 130
    assert capsys.readouterr().err == ""


def test_a_broken_installation_is_one_line(tmp_path: Path) -> None:
    """A module that is not there is met when a command is called, so it must not look like a bug."""
    code = "import sys; sys.modules['pcapy'] = None; sys.argv = ['sipsensor', 'replay', 'x']; "
    code += "from sipsensor.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("sipsensor: cannot be loaded: ")
    assert done.stderr.endswith("; install sipsensor again, or make build in a checkout\n")
    assert len(done.stderr.splitlines()) == 1


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(group, "main", broken)
    with pytest.raises(ZeroDivisionError):
        main()


def test_the_installed_command_is_this_one() -> None:
    installed = Path(sys.executable).with_name("sipsensor")
    if not os.access(installed, os.X_OK):
        pytest.fail("the console command is not installed beside this Python")
    assert subprocess.run([installed, "version"], capture_output=True, text=True, check=True).stdout.startswith(
        "sipsensor "
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_fault(tmp_path: Path, closed: str) -> None:
    left = tmp_path / "numbers"
    code = (
        "import os, sys; from sipsensor.cli.main import main; sys.argv = ['sipsensor', 'version']\n"
        "try:\n main()\n"
        "except SystemExit as error:\n"
        f" open({str(left)!r}, 'w').write(f'{{error.code}} {{[os.fstat(n).st_mode > 0 for n in range(3)]}}')"
    )
    command = ["sh", "-c", f"exec '{sys.executable}' -c \"$CODE\" {closed}"]
    subprocess.run(command, env=os.environ | {"CODE": code}, check=True)
    assert left.read_text() == "0 [True, True, True]"
