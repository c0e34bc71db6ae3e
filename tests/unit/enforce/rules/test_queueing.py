"""The texts that go to iptables, and what is read from it. The lab lets the kernel read them."""

from __future__ import annotations

from dataclasses import replace

from sipsensor.enforce.rules.queueing import (
    chain_rules,
    last_again_script,
    order_faults,
    own_rules,
    removal_script,
    restore_script,
)
from tests.unit.enforce.rules.conftest import GATEWAY, HOST

SAVED = [
    "-P FORWARD ACCEPT",
    "-N operators",
    "-N sipsensor-defrag",
    "-N sipsensor-fwd",
    "-A FORWARD -s 203.0.113.1/32 -j DROP",
    "-A FORWARD -j operators",
    "-A FORWARD -j sipsensor-fwd",
    "-A FORWARD -m comment --comment sipsensor-fwd -j ACCEPT",
    "-A sipsensor-defrag -m socket",
    "-A sipsensor-fwd -p udp -j NFQUEUE --queue-num 5060",
]


def test_a_host_queues_what_comes_in_and_goes_out_but_not_its_own_talk() -> None:
    expected = """*mangle
:sipsensor-in - [0:0]
:sipsensor-out - [0:0]
:sipsensor-queue - [0:0]
-A sipsensor-in ! -i lo -p udp -m multiport --dports 4569,5060 -g sipsensor-queue
-A sipsensor-in ! -i lo -p tcp -m multiport --dports 4569,5060 -g sipsensor-queue
-A sipsensor-out ! -o lo -p udp -m multiport --sports 4569,5060 -g sipsensor-queue
-A sipsensor-out ! -o lo -p tcp -m multiport --sports 4569,5060 -g sipsensor-queue
-A sipsensor-queue -m mark --mark 0x20000000/0x20000000 -j RETURN
-A sipsensor-queue -p udp -m mark --mark 0x10000000/0x10000000 -j NFQUEUE --queue-num 5061 --queue-bypass
-A sipsensor-queue -p tcp -m mark --mark 0x10000000/0x10000000 -j NFQUEUE --queue-num 5061 --queue-bypass
-A sipsensor-queue -p udp -j NFQUEUE --queue-num 5060 --queue-bypass
-A sipsensor-queue -p tcp -j NFQUEUE --queue-num 5060 --queue-bypass
-A INPUT -j sipsensor-in
-A OUTPUT -j sipsensor-out
COMMIT
"""
    for version in (4, 6):
        assert restore_script(chain_rules(HOST, version, queue=True, socket=False), []) == expected


def test_a_gateway_queues_towards_and_from_the_protected_of_each_version() -> None:
    rules = chain_rules(GATEWAY, 6, queue=True, socket=False)
    assert [rule for rule in rules if rule.startswith("-A sipsensor-fwd")] == [
        "-A sipsensor-fwd -d 2001:db8::/64 -p udp -m multiport --dports 5060 -g sipsensor-queue",
        "-A sipsensor-fwd -d 2001:db8::/64 -p tcp -m multiport --dports 5060 -g sipsensor-queue",
        "-A sipsensor-fwd -s 2001:db8::/64 -p udp -m multiport --sports 5060 -g sipsensor-queue",
        "-A sipsensor-fwd -s 2001:db8::/64 -p tcp -m multiport --sports 5060 -g sipsensor-queue",
    ]
    assert "\n".join(chain_rules(GATEWAY, 4, queue=True, socket=False)).count("198.51.100.0/24") == 4


def test_each_lane_has_its_own_bypass() -> None:
    rules = "\n".join(chain_rules(GATEWAY, 4, queue=True, socket=False))
    assert rules.count("--queue-num 8 --queue-bypass") == 2
    assert rules.count("--queue-num 7") == 2
    assert "--queue-num 7 --queue-bypass" not in rules


def test_a_version_without_anybody_to_protect_gets_no_rules() -> None:
    only_four = replace(GATEWAY, protected=("192.0.2.10",))
    assert chain_rules(only_four, 6, queue=True, socket=False) == []
    assert restore_script([], []) == ""


def test_more_ports_than_one_match_takes_become_more_rules() -> None:
    many = replace(HOST, ports=tuple(range(5000, 5020)))
    rules = "\n".join(chain_rules(many, 4, queue=True, socket=False))
    assert "--dports " + ",".join(map(str, range(5000, 5015))) + " -g" in rules
    assert "--dports " + ",".join(map(str, range(5015, 5020))) + " -g" in rules


def test_the_rule_that_nothing_reaches_needs_no_queueing() -> None:
    rules = chain_rules(GATEWAY, 4, queue=False, socket=True)
    assert rules == ["-A sipsensor-defrag -m socket"]
    assert "-A FORWARD" not in restore_script(rules, [])


def test_what_an_older_sensor_left_is_replaced_in_the_same_transaction() -> None:
    script = restore_script(chain_rules(GATEWAY, 4, queue=True, socket=False), SAVED).splitlines()
    assert script[:6] == [
        "*mangle",
        ":sipsensor-fwd - [0:0]",
        ":sipsensor-queue - [0:0]",
        "-D FORWARD -j sipsensor-fwd",
        "-F sipsensor-defrag",
        "-X sipsensor-defrag",
    ]
    assert script[-2:] == ["-A FORWARD -j sipsensor-fwd", "COMMIT"]


def test_only_what_is_ours_is_removed() -> None:
    assert removal_script(SAVED).splitlines() == [
        "*mangle",
        "-D FORWARD -j sipsensor-fwd",
        "-F sipsensor-defrag",
        "-F sipsensor-fwd",
        "-X sipsensor-defrag",
        "-X sipsensor-fwd",
        "COMMIT",
    ]
    assert removal_script(SAVED[:2]) == ""


def test_rules_behind_our_jump_are_noticed_and_it_moves_behind_them() -> None:
    assert order_faults(SAVED) == ["rules stand behind our jump in mangle FORWARD"]
    assert last_again_script(SAVED).splitlines() == [
        "*mangle",
        "-D FORWARD -j sipsensor-fwd",
        "-A FORWARD -j sipsensor-fwd",
        "COMMIT",
    ]
    assert order_faults([line for line in SAVED if "--comment" not in line]) == []


def test_our_rules_are_our_chains_and_the_jumps_to_them() -> None:
    assert own_rules([line for line in SAVED if "--comment" not in line]) == [
        "-N sipsensor-defrag",
        "-N sipsensor-fwd",
        "-A sipsensor-defrag -m socket",
        "-A sipsensor-fwd -p udp -j NFQUEUE --queue-num 5060",
        "-A FORWARD -j sipsensor-fwd",
    ]
