"""The demo convinces only while the sensor works, and leaves nothing, however it ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.lab.demo.__main__ import lacking
from tests.lab.network import HOSTS, wait_for

LIMIT = 150
"""Seconds, on a machine that is busy besides. It is made for less than 60."""


@dataclass(frozen=True)
class Demo:
    """A demo that runs; all that it starts carries its mark in the environment."""

    process: subprocess.Popen[str]
    output: Path
    mark: str

    def said(self) -> str:
        return self.output.read_text()

    def marked(self) -> list[int]:
        """Processes that it started, and itself."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found


@pytest.fixture(autouse=True)
def fresh_counters() -> None:
    """The demo makes networks of its own: this one is not wanted."""


@pytest.fixture
def tools(root: None) -> None:  # noqa: ARG001
    """What the demo cannot be shown without."""
    if packages := lacking():
        missing(", ".join(packages), "make setup-test")


@contextlib.contextmanager
def demo(folder: Path, *options: str, path: str = os.environ["PATH"]) -> Iterator[Demo]:
    """Started as ``make demo`` does; afterwards nothing of it may be left."""
    files = folder / "files"
    files.mkdir()
    mark = f"DEMO={uuid.uuid4()}"
    environment = os.environ | {"PATH": path, "TMPDIR": str(files), **dict([mark.split("=")])}
    before = _left()
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.demo", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            env=environment,
            start_new_session=True,
        )
    running = Demo(process, folder / "output", mark)
    try:
        yield running
        wait_for(lambda: not running.marked(), 30, f"the end of processes {running.marked()}")
        assert _left() == before
        assert list(files.iterdir()) == []
    finally:
        process.kill()
        process.wait()


def _left() -> tuple[set[str], set[str], bool]:
    """What a demo could leave on the host: namespaces with names, their files, mounts."""
    mounts = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()}
    spaces = set(subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout.splitlines())
    return {name for name in spaces if "sslab-1-" in name}, {name for name in mounts if "demo" in name}, HOSTS.exists()


@pytest.mark.usefixtures("tools")
def test_it_shows_what_it_claims(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    with demo(folder) as running:
        status = running.process.wait(LIMIT)
        seconds = time.monotonic() - started
        assert status == 0, running.said()
    said = running.said()
    assert "NO " not in said
    assert "with: the attacker found nothing" in said
    assert re.search(r"with +svmap: is there a PBX\? +nothing", said)
    assert re.search(r"without +svcrack: password of 202\? +202: 202", said)
    assert re.search(r"with: 0 of the attacker's [1-9]\d* packets reached the PBX", said)
    assert 'sipsensor_drops_total{reason="SIGNATURE"}' in said
    assert "\x1b" not in said
    with capsys.disabled():
        sys.stdout.write(f"\nthe demo took {seconds:.0f} s\n")


@pytest.mark.usefixtures("tools")
@pytest.mark.slow
def test_a_sensor_that_only_watches_does_not_convince(folder: Path) -> None:
    with demo(folder, "--observe") as running:
        assert running.process.wait(LIMIT) == 1, running.said()
    assert re.search(r"NO +with: the attacker found .*202: 202", running.said())
    assert "NOT all of it is as claimed" in running.said()


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_nothing_is_left_of_one_that_is_interrupted(folder: Path, number: signal.Signals) -> None:
    with demo(folder) as running:
        wait_for(lambda: "svmap: is there a PBX?" in running.said(), 60, "the first finding")
        assert len(running.marked()) > 10
        running.process.send_signal(number)
        status = running.process.wait(20)
        assert status == (-9 if number == signal.SIGKILL else 130)
    assert "Traceback" not in running.said()


@pytest.mark.usefixtures("root")
def test_what_is_missing_is_one_line(folder: Path) -> None:
    with demo(folder, path="/nonexistent") as running:
        assert running.process.wait(20) == 2
    assert running.said() == (
        "demo: missing: apt-get install iproute2 iptables kamailio nftables procps sip-tester sipvicious util-linux\n"
    )


@pytest.mark.usefixtures("tools")
def test_a_machine_that_allows_no_namespaces_is_one_line(repository: Path) -> None:
    done = subprocess.run(
        ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", sys.executable, "-m", "tests.lab.demo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=repository,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "this machine lets root make no namespaces" in done.stderr
