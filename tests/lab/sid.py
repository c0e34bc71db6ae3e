"""Programs of Debian sid that the machine's own release lacks, each in a folder of its own under build/: what they need comes with them."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from tests.conftest import REPOSITORY

FOLDER = Path(__file__).parent / "sid.d"
BUILT = REPOSITORY / "build"
"""Each is fetched once, then kept; ``make clean`` removes it."""

FETCH_SECONDS = 900


class TreeError(Exception):
    """It is not here, and could not be fetched. The text says why."""


def tree(package: str, program: str) -> Path:
    """The folder with that package, known by its ``program``; fetches it first where there is none. Raises TreeError."""
    found = BUILT / package
    BUILT.mkdir(exist_ok=True)
    with (BUILT / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (found / program).exists():
            _fetch(found, mirror(), package)
    return found


def command(found: Path, folder: Path, line: str) -> str:
    """What runs ``line`` of that tree, for ``Namespace.start``: it sees ``folder`` as /lab."""
    return f"{FOLDER}/start {found} {folder} {line}"


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


def _fetch(found: Path, address: str, package: str) -> None:
    """Fills the folder. A part of it never stands under its name. Raises TreeError."""
    log = found.with_suffix(".log")
    with log.open("w") as output:
        try:
            done = subprocess.run(
                [FOLDER / "build-tree", found, address, package],
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
