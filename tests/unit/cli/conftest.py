"""Commands run in this process, and capture files for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sipsensor.cli.main import group
from tests.support.captures import NANO, START, pcap
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
