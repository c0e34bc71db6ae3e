"""Commands run in this process, and capture files for them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sipsensor.cli.main import group
from sipsensor.control import ControlError
from sipsensor.control.server import Server
from tests.support.captures import NANO, START, pcap
from tests.support.commanding import Commanding
from tests.support.packets import datagram, message, response

Command = Callable[..., Result]
Program = Callable[..., subprocess.CompletedProcess[str]]
Pcap = Callable[..., Path]

ATTACK = message(change={"User-Agent": "friendly-scanner"})
BENIGN = message()
ANSWER = response()


@pytest.fixture
def command() -> Command:
    """Run a command; an error of the user's comes out as the exception that ``main`` turns into a line."""

    def command(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(group, [str(argument) for argument in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return command


@pytest.fixture
def program() -> Program:
    """Run the command line as its users do, in a process of its own."""

    def program(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "sipsensor", *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return program


@pytest.fixture
def capture(tmp_path: Path) -> Pcap:
    """A capture file of payloads, each in a datagram from a stranger to the PBX."""

    def capture(*payloads: bytes, name: str = "a.pcap", frames: bool = False) -> Path:
        path = tmp_path / name
        packets = [payload if frames else datagram(payload) for payload in payloads]
        path.write_bytes(pcap([(START + n * 1_000_000, data) for n, data in enumerate(packets)], magic=NANO))
        return path

    return capture


class Asked:
    """Asks a real engine over a real control socket."""

    def __init__(self, command: Command, socket: str, site: Commanding) -> None:
        self.site = site
        self._command = command
        self._socket = socket

    def __call__(self, *arguments: object, code: int = 0) -> Result:
        return self._command(*arguments, "--socket", self._socket, code=code)

    def refused(self, *arguments: object) -> str:
        """What it refuses, without the name of the socket: ``main`` makes exit code 2 of it."""
        result = CliRunner().invoke(group, [*map(str, arguments), "--socket", self._socket])
        assert isinstance(result.exception, ControlError), result.output
        return str(result.exception).removeprefix(f"{self._socket}: ")


@pytest.fixture
def asked(command: Command, tmp_path: Path) -> Iterator[Asked]:
    site = Commanding()
    site.now = time.time()
    path = str(tmp_path / "control.sock")
    server = Server(path, {**site.orders.commands(), **site.posture.commands(), "why": site.reasons.why})
    yield Asked(command, path, site)
    server.close()
