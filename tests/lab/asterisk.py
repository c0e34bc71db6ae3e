"""A real Asterisk 22 for the lab, of Debian sid in a folder: as the PBX, and as a peer that registers there."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.lab.network import Namespace, wait_for

FOLDER = Path(__file__).parent / "asterisk.d"
TREE = FOLDER.parents[2] / "build" / "asterisk"
"""Fetched once, then kept; ``make clean`` removes it."""

FETCH_SECONDS = 900
OWN = ("cache", "db", "spool", "run", "log")


class TreeError(Exception):
    """There is no Asterisk here, and none could be fetched. The text says why."""


def tree() -> Path:
    """The folder with an Asterisk in it; fetches it first where there is none. Raises TreeError."""
    TREE.parent.mkdir(exist_ok=True)
    with (TREE.parent / "asterisk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (TREE / "usr/sbin/asterisk").exists():
            _fetch(mirror())
    return TREE


def mirror() -> str:
    """The mirror of Debian that this machine's apt fetches from. Raises TreeError when it knows none."""
    if shutil.which("debootstrap") is None:
        raise TreeError("debootstrap is missing: apt-get install debootstrap")
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)"], capture_output=True, text=True, check=False
    )
    for line in listed.stdout.splitlines():
        label, _, address = line.partition(" ")
        if label == "Debian":
            return address
    raise TreeError("apt knows no mirror of Debian here (apt-get update, if this is Debian)")


def _fetch(address: str) -> None:
    """Fills the folder. A part of it never stands under its name. Raises TreeError."""
    log = TREE.parent / "asterisk.log"
    with log.open("w") as output:
        try:
            done = subprocess.run(
                [FOLDER / "build-tree", TREE, address],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=FETCH_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TreeError(f"{address}: not fetched in {FETCH_SECONDS} s, see {log}") from None
    if done.returncode != 0:
        last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise TreeError(f"{address}: {last[0]}, see {log}")


@dataclass(frozen=True)
class Asterisk:
    """One that runs."""

    process: subprocess.Popen[str]
    space: Namespace
    folder: Path

    def ask(self, command: str) -> str:
        """What it answers on its command line. Raises AssertionError when it does not."""
        inside = f"nsenter --target {self.process.pid} --mount --net --root --wd"
        done = subprocess.run(
            [*inside.split(), "asterisk", "-C", "/lab/etc/asterisk.conf", "-rx", command],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def version(self) -> str:
        return self.ask("core show version").partition(" built")[0]

    def log(self) -> str:
        return (self.folder / "log" / "messages").read_text(errors="replace")


@contextlib.contextmanager
def asterisk(space: Namespace, role: Literal["pbx", "peer"], folder: Path, more: str = "") -> Iterator[Asterisk]:
    """Runs with the configuration of its role until the end (``more`` of pjsip.conf); what it writes goes to ``folder``. Raises TreeError."""
    found = tree()
    configured = folder / "etc"
    shutil.copytree(FOLDER / role, configured)
    for shared in FOLDER.glob("*.conf"):
        shutil.copy(shared, configured)
    with (configured / "pjsip.conf").open("a") as accounts:
        accounts.write(more)
    for name in OWN:
        (folder / name).mkdir()
    output = folder / "output"
    process = space.start(f"{FOLDER}/start {found} {folder}", output)
    running = Asterisk(process, space, folder)
    try:
        wait_for(lambda: _booted(running), 60, f"Asterisk, see {output}")
        yield running
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


def _booted(running: Asterisk) -> bool:
    assert running.process.poll() is None, (running.folder / "output").read_text()
    if not (running.folder / "run" / "asterisk.ctl").exists():
        return False
    try:
        return "fully booted" in running.ask("core waitfullybooted")
    except AssertionError:
        return False
