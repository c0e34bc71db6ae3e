"""The kernel rules beside others': an operator's drops, the rules of Docker, ufw and firewalld, what older sensors left."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.lab.kernel import NOBODY, TRUST, rules, saved, send, udp
from tests.lab.network import ATTACKER, OUTER, PBX, PHONE, Namespace, Network, wait_for
from tests.lab.pbx import Phones
from tests.lab.sensor import COMMAND, GATEWAY, HOST, sensor

SEND = f"python3 {Path(__file__).parent}/send.py"
RULESETS = Path(__file__).parent / "rulesets"


def test_an_operators_drop_in_the_filter_table_still_drops(lab: Network, folder: Path) -> None:
    drop = f"FORWARD -s {PHONE[4]} -p udp --dport 5060 -j DROP"
    with sensor(lab.gateway, folder, GATEWAY + TRUST) as running:
        lab.gateway.run(f"iptables -w -A {drop}")
        try:
            send(lab.outside, udp(4, PHONE, PBX), udp(4, ATTACKER, PBX))
            wait_for(lambda: lab.arrived(ATTACKER[4]) == 1, 20, "the other one")
            assert lab.arrived(PHONE[4]) == 0
            assert running.metric("sipsensor_packets_total") == 2
        finally:
            lab.gateway.run(f"iptables -w -D {drop}")


def test_an_operators_drop_behind_our_jump_drops_after_the_next_look(lab: Network, folder: Path) -> None:
    drop = f"FORWARD -s {PHONE[4]} -p udp --dport 5060 -j DROP"
    with sensor(lab.gateway, folder, GATEWAY) as running:
        if "iptables" not in running.said:
            pytest.skip("nft queues in a chain of its own here: nothing stands behind it")
        lab.gateway.run(f"iptables -w -t mangle -A {drop}")
        try:
            wait_for(lambda: "rules stand behind our jump" in running.said, 20, "the rules put back")
            send(lab.outside, udp(4, PHONE, PBX), udp(4, ATTACKER, PBX))
            wait_for(lambda: lab.arrived(ATTACKER[4]) == 1, 20, "the other one")
            assert lab.arrived(PHONE[4]) == 0
        finally:
            lab.gateway.run(f"iptables -w -t mangle -D {drop}")


def load(space: Namespace, ruleset: str) -> None:
    """The rules of another tool, behind those with which the lab counts."""
    if (RULESETS / f"{ruleset}.nft").exists():
        space.run(f"nft -f {RULESETS}/{ruleset}.nft")
        return
    for tool, version in (("iptables", 4), ("ip6tables", 6)):
        space.run(f"{tool}-restore -w 5 --noflush {RULESETS}/{ruleset}.v{version}")


@pytest.mark.parametrize(
    "ruleset", ["docker-gateway", "ufw-gateway", "firewalld-gateway", "ufw-host", "firewalld-host"]
)
def test_beside_the_rules_of_other_tools(fresh: Network, folder: Path, ruleset: str) -> None:
    gateway = ruleset.endswith("gateway")
    space, seen = (fresh.gateway, fresh.arrived) if gateway else (fresh.pbx, fresh.delivered)
    load(space, ruleset)
    before = saved(space)
    drops = 'sipsensor_drops_total{reason="SIGNATURE"}'
    with sensor(space, folder, GATEWAY if gateway else HOST) as running:
        for version in (4, 6):
            Phones(fresh.outside, version, folder).call(1)
            Phones(fresh.outside, version, folder).register("201", 5093, transport="t1")
            fresh.outside.run(f"{SEND} {PBX[version]} scanner")
            fresh.outside.run(f"{SEND} {PBX[version]} padded")
        wait_for(lambda: running.metric(drops) == 4, 20, "the drops")
        assert [seen(ATTACKER[version]) for version in (4, 6)] == [0, 0]
        if ruleset == "docker-gateway":
            # By the published port: the address is translated before we see the packet.
            fresh.outside.run(f"{SEND} {OUTER[4]} scanner")
            wait_for(lambda: running.metric(drops) == 5, 20, "the fifth")
            assert seen(ATTACKER[4]) == 0
            fresh.outside.run(f"{SEND} {OUTER[4]} lawful")
            wait_for(lambda: seen(ATTACKER[4]) == 1, 20, "the lawful one")
        # Connections are tracked here, so strangers may not fill the table.
        assert "ct state new" in space.run("nft list table inet sipsensor")
        assert running.stop() == 0
    assert saved(space) == before
    assert any(before.values())


OLDER = """*mangle
:sipsensor-defrag - [0:0]
:sipsensor-fwd - [0:0]
-A sipsensor-defrag -m socket
-A sipsensor-fwd -p udp -m multiport --dports 5060 -j NFQUEUE --queue-num 5060 --queue-bypass
-A FORWARD -j sipsensor-fwd
COMMIT
"""
"""What a sensor before the table left when it was killed."""


def test_what_an_older_sensor_left_is_replaced(lab: Network, folder: Path) -> None:
    (folder / "older").write_text(OLDER)
    (folder / "older.nft").write_text(
        "table inet sipsensor {\n chain defragment {\n  meta l4proto udp tproxy to :1\n }\n}\n"
    )
    before = saved(lab.gateway)
    with rules(lab.gateway, folder, GATEWAY):
        wanted = saved(lab.gateway)
    for tool in ("iptables", "ip6tables"):
        lab.gateway.run(f"{tool}-restore --noflush {folder}/older")
    lab.gateway.run(f"nft -f {folder}/older.nft")
    with rules(lab.gateway, folder, GATEWAY):
        assert saved(lab.gateway) == wanted
    assert saved(lab.gateway) == before


HOLDING = """
import subprocess, sys, time
from sipsensor.enforce.rules import KernelPlan, KernelRules
from sipsensor.sources.nfqueue import BoundQueue, state
nets, inside = ("10.71.2.0/24", "fd71:2::/64"), ("inner",)
plan = KernelPlan("gateway", 5060, (5060,), nets, inside, (), (True, True), 99, "drop", 3)
rules = KernelRules(plan, "auto", lambda _: None)
queue = BoundQueue(5060, 100, fail_open=False)
rules.install()
print("ready", flush=True)
while state(5060).waiting < 5:
    time.sleep(0.01)
for change in ("add rule inet sipsensor sort drop", "flush chain inet sipsensor sort"):
    subprocess.run(["nft", *change.split()], check=True)
    assert rules.faults()
    rules.put_back()
    assert not rules.faults()
print("waiting", state(5060).waiting, flush=True)
rules.remove()
queue.close()
"""


def test_mending_the_table_costs_no_packet_that_waits(lab: Network, folder: Path) -> None:
    log = folder / "log"
    holder = lab.gateway.start(f"{sys.executable} -c {shlex.quote(HOLDING)}", log)
    try:
        wait_for(lambda: "ready" in log.read_text(), 30, f"the queue, see {log}")
        send(lab.outside, *[udp(4, ATTACKER, NOBODY)] * 5)
        assert holder.wait(20) == 0, log.read_text()
    finally:
        holder.kill()
        holder.wait()
    assert log.read_text().splitlines()[-1] == "waiting 5"


def test_what_is_not_the_users_to_do_is_one_line(lab: Network, folder: Path) -> None:
    without = "setpriv --bounding-set -net_admin --inh-caps -net_admin"
    for subcommand in ("apply", "remove"):
        status, printed = lab.gateway.attempt(f"{without} {COMMAND} rules {subcommand}", folder)
        assert (status, printed) == (2, "sipsensor: the kernel rules need CAP_NET_ADMIN; run it as root\n")


def test_a_printed_script_does_the_same_and_may_run_twice(lab: Network, folder: Path) -> None:
    with rules(lab.gateway, folder, GATEWAY + TRUST) as made:
        applied = saved(lab.gateway)
        status, script = made.command("print --enforce")
        assert status == 0
        (folder / "rules.sh").write_text(script)
        assert made.command("remove")[0] == 0
        assert made.command("remove") == (0, "sipsensor: no kernel rules of sipsensor stand here\n")
        for _ in range(2):
            lab.gateway.run(f"sh {folder}/rules.sh")
            assert saved(lab.gateway) == applied
