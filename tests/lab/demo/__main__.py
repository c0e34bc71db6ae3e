"""``make demo``: what an attacker gets without and with the sensor, side by side. Exit 0 when the sensor did what is claimed, 1 when not.
With ``--observe`` the sensor only watches: then the demo has to fail, or it would prove nothing.

The play runs in process and mount namespaces of its own. When they end, however they end, the kernel takes all that is in them along:
processes, networks, files. The process outside only waits, and hands interruptions in.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from tests.lab.network import HOSTS

NEEDED = {
    "ip": "iproute2",
    "iptables": "iptables",
    "kamailio": "kamailio",
    "nft": "nftables",
    "setpriv": "util-linux",
    "sipp": "sip-tester",
    "ss": "iproute2",
    "svmap": "sipvicious",
    "sysctl": "procps",
    "unshare": "util-linux",
}
ENCLOSED = (
    *("setpriv", "--pdeathsig", "KILL"),  # with this process, and its children with it
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
INSIDE = "--inside"
RUN = Path("/run")
PATIENCE = 10
"""Seconds that the play has to end by itself when it is interrupted."""


def main() -> int:
    arguments = sys.argv[1:]
    mode = "--observe" if "--observe" in arguments else "--enforce"
    if INSIDE in arguments:
        return inside(mode)
    if os.geteuid() != 0:
        return _complain("needs root, because it makes network namespaces: sudo make demo")
    if packages := lacking():
        return _complain(f"missing: apt-get install {' '.join(packages)}")
    existed = HOSTS.exists()
    HOSTS.mkdir(exist_ok=True)
    try:
        return outside(mode)
    finally:
        if not existed:
            with contextlib.suppress(OSError):
                HOSTS.rmdir()


def lacking() -> list[str]:
    """Packages that it needs and that are not here."""
    return sorted({package for tool, package in NEEDED.items() if shutil.which(tool) is None})


def outside(mode: str) -> int:
    """Start the play in namespaces of its own, and wait."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    tried = subprocess.run([*ENCLOSED, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return _complain(f"this machine lets root make no namespaces: {tried.stderr.strip()}")
    command = [*ENCLOSED, sys.executable, "-m", "tests.lab.demo", INSIDE, mode]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        return 130
    finally:
        process.kill()
        process.wait()


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def inside(mode: str) -> int:
    """The play itself, where /run is nobody else's."""
    try:
        for place in (RUN, HOSTS):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place], check=True)
        folder = RUN / "demo"
        folder.mkdir()
        # Not before: it takes a while, and an interruption in that while ends as well as any.
        from tests.lab.demo.stage import play  # noqa: PLC0415

        return 0 if play(folder, mode) else 1
    except KeyboardInterrupt:
        return _complain("interrupted; nothing is left of it")
    except (AssertionError, OSError, subprocess.SubprocessError) as problem:
        return _complain(f"could not be shown: {str(problem).strip()}")


def _complain(words: str) -> int:
    click.echo(f"demo: {words}", err=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
