"""A real Asterisk 22 for the lab, of Debian sid in a folder: as the PBX, and as a peer that registers there."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.lab import sid
from tests.lab.network import Namespace, wait_for

FOLDER = Path(__file__).parent / "asterisk.d"
OWN = ("cache", "db", "spool", "run", "log")


def tree() -> Path:
    """The folder with an Asterisk in it; fetches it first where there is none. Raises TreeError."""
    return sid.tree("asterisk", "usr/sbin/asterisk")


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
    process = space.start(sid.command(found, folder, "asterisk -f -C /lab/etc/asterisk.conf"), output)
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
