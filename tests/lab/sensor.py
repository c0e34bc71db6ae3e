"""The sensor as users start it, in a namespace of the lab."""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from sipsensor.cli.main import USAGE, group, is_user_error
from tests.lab.network import Namespace, inside, wait_for

COMMAND = Path(sys.executable).parent / "sipsensor"
GATEWAY = '[network]\nplacement = "gateway"\nprotected = ["10.71.2.0/24", "fd71:2::/64"]\n'
HOST = '[network]\nplacement = "host"\n'
UNLIMITED = "".join(
    f'[detectors.{name}]\naction = "alert"\n' for name in ("guessing", "enumeration", "handshakes", "flood")
)
"""For tests whose one sender stands for many."""
METRICS = "127.0.0.1:9437"


@dataclass(frozen=True)
class Running:
    """A sensor that has said that it runs."""

    process: subprocess.Popen[str]
    space: Namespace
    folder: Path

    @property
    def said(self) -> str:
        return (self.folder / "sensor.log").read_text()

    def part(self, name: str) -> int:
        """The process id of one of its parts: "sipsensor-queue" serves the queues, "sipsensor-rules" keeps the rules."""
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == name:
                return int(child)
        raise AssertionError(f"no {name} runs")

    @property
    def events(self) -> Path:
        return self.folder / "events.jsonl"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Exit status after a signal."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def attempt(self, line: str) -> tuple[int, str]:
        """Exit code and output of a command of the operator's, without its ``--config``; run in this process, which takes no start.

        The control socket is a file's name, so that it is the same in every network namespace.
        """
        return command(f"{line} --config {shlex.quote(str(self.folder))}/sipsensor.toml")

    def order(self, line: str) -> str:
        """What a command of the operator's printed. Raises AssertionError when it failed."""
        code, printed = self.attempt(line)
        assert code == 0, f"{line}: exit {code}: {printed}"
        return printed

    def metric(self, sample: str) -> float:
        """The sum of all samples of that name that have these labels, as in ``name{reason="LIMIT"}``."""
        wanted, labels = _parts(sample)
        found = []
        for line in scrape(self.space).splitlines():
            text, _, value = line.rpartition(" ")
            name, having = _parts(text)
            if name == wanted and labels <= having:
                found.append(float(value))
        assert found, f"no sample {sample}"
        return sum(found)


def command(line: str, space: Namespace | None = None) -> tuple[int, str]:
    """Exit code and output of a command, run in this process and in that namespace: much quicker than as one of its own."""
    with contextlib.nullcontext() if space is None else inside(space):
        done = CliRunner().invoke(group, shlex.split(line))
    if isinstance(done.exception, Exception) and not is_user_error(done.exception):
        raise done.exception
    return (USAGE, str(done.exception)) if isinstance(done.exception, Exception) else (done.exit_code, done.output)


def fetched(space: Namespace, server: str, path: str) -> str:
    """A page that is served in that namespace. Raises AssertionError where it is not."""
    try:
        with contextlib.closing(http.client.HTTPConnection(server, timeout=20)) as asking:
            with inside(space):
                asking.connect()
            asking.request("GET", path)
            answer = asking.getresponse()
            assert answer.status == http.client.OK, f"{path}: {answer.status} {answer.reason}"
            return answer.read().decode()
    except OSError as error:
        raise AssertionError(f"{server} in {space.name}: {error}") from error


def scrape(space: Namespace) -> str:
    """The page of metrics of the sensor in that namespace. Raises AssertionError where none is served."""
    return fetched(space, METRICS, "/metrics")


def _parts(sample: str) -> tuple[str, set[str]]:
    name, _, labels = sample.partition("{")
    return name, set(labels.rstrip("}").split(",")) - {""}


def config(folder: Path, text: str) -> Path:
    """A configuration file with its outputs in ``folder``."""
    file = folder / "sipsensor.toml"
    events, kept, control = folder / "events.jsonl", folder / "quarantine.pcap", folder / "control.sock"
    text += f'\n[events]\nfile = "{events}"\n[quarantine]\nfile = "{kept}"\n'
    if "[state]" not in text:
        text += f'[state]\ndatabase = "{folder / "state.db"}"\n'
    file.write_text(text if "[control]" in text else f'{text}[control]\nsocket = "{control}"\n')
    return file


@contextlib.contextmanager
def sensor(
    space: Namespace, folder: Path, text: str, options: str = "--enforce", program: str = str(COMMAND)
) -> Iterator[Running]:
    """Runs with a configuration until the end; ended by SIGTERM unless it has ended by then."""
    log = folder / "sensor.log"
    process = space.start(f"{program} run --config {config(folder, text)} {options}", log)
    try:
        wait_for(lambda: "queue 5060" in log.read_text() or process.poll() is not None, 20, "the sensor's start")
        assert process.poll() is None, log.read_text()
        yield Running(process, space, folder)
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


def mangle(space: Namespace) -> str:
    """All rules of both mangle tables, without counters and dates."""
    saved = space.run("iptables-save -t mangle") + space.run("ip6tables-save -t mangle")
    return "\n".join(line for line in saved.splitlines() if line.startswith(("-A", "-N", ":sipsensor")))


def bound(space: Namespace) -> bool:
    """Is queue 5060 of that namespace bound by anybody?"""
    return any(
        line.split()[:1] == ["5060"] for line in space.run("cat /proc/net/netfilter/nfnetlink_queue").splitlines()
    )
