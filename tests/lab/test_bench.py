"""`sipsensor bench` as root: a real queue in a namespace of its own, of which nothing stays."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab.network import wait_for
from tests.lab.sensor import COMMAND


def network() -> str:
    """Rules, interfaces and queues of this machine's network."""
    own = [
        subprocess.run(line.split(), capture_output=True, text=True, check=False).stdout
        for line in (
            "iptables-save -t mangle",
            "ip -o link",
            "nft list tables",
            "cat /proc/net/netfilter/nfnetlink_queue",
        )
    ]
    return "\n".join(line for line in "".join(own).splitlines() if not line.startswith("#"))


def spaces(threads: str) -> set[str]:
    """The network namespaces that threads are in, by a pattern below /proc ("self/task/*")."""
    found = set()
    for thread in Path("/proc").glob(threads):
        with contextlib.suppress(OSError):
            found.add(str((thread / "ns/net").readlink()))
    return found


@pytest.mark.usefixtures("root")
def test_the_queue_is_measured_and_nothing_stays() -> None:
    before = network()
    done = subprocess.run([COMMAND, "bench", "--json"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["queue_skipped"] is None, found
    costs = found["microseconds"]["queue"]
    assert set(costs) == {"accept", "strangers", "registered"}
    assert 0 < costs["accept"] < costs["strangers"]
    assert network() == before


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_where_it_is_interrupted(number: signal.Signals) -> None:
    before = network()
    command = ["env", "--default-signal=INT", str(COMMAND), "bench"]  # whoever runs tests in the background ignores it
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        mine = spaces("self/task/*")
        own: set[str] = set()

        def apart() -> bool:
            own.update(spaces(f"{process.pid}/task/*") - mine)
            return bool(own)

        wait_for(lambda: apart() or process.poll() is not None, 60, "a network namespace of its own")
        assert own
        process.send_signal(number)
        assert process.wait(20) != 0
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not own & spaces("[0-9]*/task/*"), 10, "the namespace to be left by everybody")
    assert network() == before
