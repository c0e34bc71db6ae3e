"""`sipsensor bench` as root: a real queue in a namespace of its own, of which nothing stays."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest

from tests.lab.network import wait_for
from tests.lab.sensor import COMMAND


def networks() -> tuple[str, set[str]]:
    """Rules, interfaces and queues of this machine's network; and all network namespaces that a process is in."""
    own = [
        subprocess.run(line.split(), capture_output=True, text=True, check=False).stdout
        for line in (
            "iptables-save -t mangle",
            "ip -o link",
            "nft list tables",
            "cat /proc/net/netfilter/nfnetlink_queue",
        )
    ]
    rules = "\n".join(line for line in "".join(own).splitlines() if not line.startswith("#"))
    listed = subprocess.run(["lsns", "-n", "-t", "net", "-o", "NS"], capture_output=True, text=True, check=True).stdout
    return rules, set(listed.split())


@pytest.mark.usefixtures("root")
def test_the_queue_is_measured_and_nothing_stays() -> None:
    before = networks()
    done = subprocess.run([COMMAND, "bench", "--json"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["queue_skipped"] is None, found
    costs = found["microseconds"]["queue"]
    assert set(costs) == {"accept", "strangers", "registered"}
    assert 0 < costs["accept"] < costs["strangers"]
    assert networks() == before


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_where_it_is_interrupted(number: signal.Signals) -> None:
    before = networks()
    process = subprocess.Popen([COMMAND, "bench"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: networks()[1] > before[1] or process.poll() is not None, 60, "its network namespace")
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(20) != 0
    finally:
        process.kill()
        process.wait()
    time.sleep(0.5)
    assert networks() == before
