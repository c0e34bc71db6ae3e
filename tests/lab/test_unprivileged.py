"""The sensor as the service unit runs it: a user of its own who holds CAP_NET_ADMIN and nothing else."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.network import ATTACKER, PBX, Namespace, Network, wait_equal, wait_for
from tests.lab.pbx import Phones
from tests.lab.sensor import COMMAND, GATEWAY, Running, bound, mangle, sensor

SEND = f"python3 {Path(__file__).parent}/send.py"
USER = 64998
"""Of nobody: neither the user nor a group of this number is in any list."""
QUEUES = "/proc/net/netfilter/nfnetlink_queue"
PRIVILEGE = (
    f"setpriv --reuid={USER} --regid={USER} --clear-groups --no-new-privs "
    "--inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin --bounding-set=-all,+net_admin"
)
"""As User=, AmbientCapabilities=, CapabilityBoundingSet= and NoNewPrivileges= of the unit."""


def hidden(paths: tuple[Path, ...]) -> dict[Path, list[Path]]:
    """Those of the paths that others than root cannot reach, below the folder that keeps them out."""
    found: dict[Path, list[Path]] = {}
    for path in paths:
        closed = [above for above in reversed(path.parents) if not above.stat().st_mode & 0o001]
        if closed:
            found.setdefault(closed[0], []).append(path)
    return found


def shown(folder: Path) -> str:
    """Shell words that make the interpreter and the checkout reachable for everybody, in a mount namespace of their own.

    Developers have theirs in a home directory, where the service would not run it.
    """
    paths = (Path(sys.base_prefix), Path(sys.prefix), Path(__file__).resolve().parents[2])
    steps = ["mount --make-rprivate /"]
    for closed, wanted in hidden(paths).items():
        kept = Path(f"{folder}{closed}")
        kept.mkdir(parents=True)
        steps += [f"mount --rbind {closed} {kept}", f"mount -t tmpfs -o mode=755 tmpfs {closed}"]
        for path in wanted:
            steps += [f"mkdir -p {path}", f"mount --bind {kept / path.relative_to(closed)} {path}"]
    return " && ".join(steps)


@pytest.fixture
def own() -> Iterator[Path]:
    """A folder of that user's, where he can reach it."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        folder = Path(made) / "own"
        folder.mkdir()
        os.chown(folder, USER, USER)
        yield folder


@pytest.fixture
def counters(lab: Network) -> Iterator[None]:
    """Hands the kernel's counters of the queues to the user's group, as the unit's first ExecStartPre does; taken back at the end."""
    lab.gateway.run(f"chgrp {USER} {QUEUES}")
    yield
    lab.gateway.run(f"chgrp 0 {QUEUES}")


def program(folder: Path) -> str:
    """What runs the command with that privilege alone."""
    script = folder.parent / "program"
    script.write_text(f'#!/bin/sh\nset -e\n{shown(folder.parent / "hidden")}\nexec {PRIVILEGE} {COMMAND} "$@"\n')
    script.chmod(0o755)
    return f"unshare --mount {script}"


def capabilities(process: int) -> set[str]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith(("CapEff:", "CapPrm:", "CapBnd:", "CapAmb:"))}


def answered(space: Namespace, folder: Path) -> dict[str, object]:
    told = json.loads(space.run(f"{COMMAND} status --json --socket {folder}/control.sock"))
    assert isinstance(told, dict)
    return told


def flows(lab: Network, folder: Path) -> None:
    """A scanner is dropped, and a phone registers."""
    lab.forget_arrivals()
    lab.outside.run(f"{SEND} {PBX[4]} scanner")
    assert lab.arrived(ATTACKER[4]) == 0
    lab.outside.run(f"{SEND} {PBX[4]} lawful")
    wait_equal(lambda: lab.arrived(ATTACKER[4]), 1, "the lawful one")
    Phones(lab.outside, 4, folder).register("201", 5094)


def processes(running: Running) -> list[int]:
    return [running.process.pid, running.part("sipsensor-queue"), running.part("sipsensor-rules")]


@pytest.mark.usefixtures("counters")
def test_everything_works_with_one_capability(lab: Network, own: Path, folder: Path) -> None:
    before = mangle(lab.gateway)
    with sensor(lab.gateway, own, GATEWAY, program=program(own)) as running:
        for process in processes(running):
            assert Path(f"/proc/{process}").stat().st_uid == USER
            assert capabilities(process) == {f"{1 << 12:016x}"}
        flows(lab, folder)
        assert running.events.stat().st_uid == USER
        told = answered(lab.gateway, own)
        assert told["uninspected_reckoned"] is True
        assert running.metric("sipsensor_rules_in_place") == 1
        lab.gateway.run("nft flush ruleset")
        wait_for(lambda: running.metric("sipsensor_rules_put_back_total") == 1, 20, "the rules again")
        flows(lab, folder)
        assert running.stop() == 0
    assert mangle(lab.gateway) == before
    assert "sipsensor" not in lab.gateway.run("nft list ruleset")
    assert not bound(lab.gateway)


@pytest.mark.usefixtures("counters")
def test_a_hung_sensor_is_taken_over_and_started_again(lab: Network, own: Path) -> None:
    """pidfd_getfd(2) wants the right to trace the other process: it has the same user and no more capabilities."""
    with sensor(lab.gateway, own, GATEWAY, "--observe", program=program(own)) as running:
        hung = running.part("sipsensor-queue")
        os.kill(hung, signal.SIGSTOP)
        lab.outside.run(f"{SEND} {PBX[4]} stream-20")
        wait_for(lambda: lab.arrived(ATTACKER[4]) == 20, 20, "what waited for the hung sensor")
        wait_for(lambda: "answered unjudged" in running.said, 20, "the line about it")
        told = re.search(r"(\d+) packets that waited were answered unjudged", running.said)
        # Besides those of the stream, perhaps the answers of the PBX to them.
        assert told is not None
        assert int(told[1]) >= 20, running.said
        wait_for(lambda: "sipsensor-queue" in names(running) and running.part("sipsensor-queue") != hung, 30, "another")
        wait_for(lambda: bound(lab.gateway), 20, "its queue")
        assert running.stop() == 0


def names(running: Running) -> set[str]:
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    return {Path(f"/proc/{child}/comm").read_text().strip() for child in children if Path(f"/proc/{child}").exists()}


def test_without_the_counters_it_works_and_says_what_it_cannot_tell(lab: Network, own: Path, folder: Path) -> None:
    with sensor(lab.gateway, own, GATEWAY, program=program(own)) as running:
        flows(lab, folder)
        assert answered(lab.gateway, own)["uninspected_reckoned"] is False
        assert "unknown" in lab.gateway.run(f"{COMMAND} status --socket {own}/control.sock")
        assert running.stop() == 0
