"""The texts that go to the tools, and what is done with their answers. The lab lets the kernel read them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sipsensor.enforce import queue_rules
from sipsensor.enforce.queue_rules import (
    QueuePlan,
    QueueRules,
    RulesError,
    needed,
    nft_script,
    removal_script,
    restore_script,
)

HOST = QueuePlan("host", 5060, (5060, 5061), (), bypass=True)
GATEWAY = QueuePlan("gateway", 7, (5060,), ("192.0.2.10", "198.51.100.0/24", "2001:db8::/64"), bypass=False)


def test_a_host_queues_what_comes_in_and_goes_out_but_not_its_own_talk() -> None:
    expected = """*mangle
:sipsensor-defrag - [0:0]
:sipsensor-in - [0:0]
:sipsensor-out - [0:0]
-A sipsensor-defrag -m socket
-A sipsensor-in ! -i lo -p udp -m multiport --dports 5060,5061 -j NFQUEUE --queue-num 5060 --queue-bypass
-A sipsensor-in ! -i lo -p tcp -m multiport --dports 5060,5061 -j NFQUEUE --queue-num 5060 --queue-bypass
-A sipsensor-out ! -o lo -p udp -m multiport --sports 5060,5061 -j NFQUEUE --queue-num 5060 --queue-bypass
-A sipsensor-out ! -o lo -p tcp -m multiport --sports 5060,5061 -j NFQUEUE --queue-num 5060 --queue-bypass
-A INPUT -j sipsensor-in
-A OUTPUT -j sipsensor-out
COMMIT
"""
    assert restore_script(HOST, 4) == expected
    assert restore_script(HOST, 6) == expected


def test_a_gateway_queues_towards_and_from_the_protected_of_each_version() -> None:
    lines = restore_script(GATEWAY, 6).splitlines()
    assert lines[lines.index("-A sipsensor-defrag -m socket") + 1 : -1] == [
        "-A sipsensor-fwd -d 2001:db8::/64 -p udp -m multiport --dports 5060 -j NFQUEUE --queue-num 7",
        "-A sipsensor-fwd -d 2001:db8::/64 -p tcp -m multiport --dports 5060 -j NFQUEUE --queue-num 7",
        "-A sipsensor-fwd -s 2001:db8::/64 -p udp -m multiport --sports 5060 -j NFQUEUE --queue-num 7",
        "-A sipsensor-fwd -s 2001:db8::/64 -p tcp -m multiport --sports 5060 -j NFQUEUE --queue-num 7",
        "-A FORWARD -j sipsensor-fwd",
    ]
    assert restore_script(GATEWAY, 4).count("-d 192.0.2.10/32") == 2
    assert restore_script(GATEWAY, 4).count("198.51.100.0/24") == 4


def test_a_version_without_anybody_to_protect_gets_no_rules() -> None:
    only_four = QueuePlan("gateway", 7, (5060,), ("192.0.2.10",), bypass=True)
    assert restore_script(only_four, 6) == ""
    assert "ip6tables" not in "\n".join(needed(only_four))


def test_more_ports_than_one_match_takes_become_more_rules() -> None:
    many = QueuePlan("host", 5060, tuple(range(5000, 5020)), (), bypass=True)
    script = restore_script(many, 4)
    assert script.count("-p udp") == 4
    assert "--dports " + ",".join(map(str, range(5000, 5015))) in script
    assert "--dports " + ",".join(map(str, range(5015, 5020))) in script


def test_nft_has_the_same_rules_behind_the_mangle_table() -> None:
    assert nft_script(HOST) == (
        "table inet sipsensor {\n"
        "chain defragment {\n meta l4proto udp tproxy to :1\n}\n"
        "chain input {\n type filter hook input priority -149; policy accept;\n"
        ' iifname != "lo" meta l4proto { tcp, udp } th dport { 5060, 5061 } queue num 5060 bypass\n}\n'
        "chain output {\n type filter hook output priority -149; policy accept;\n"
        ' oifname != "lo" meta l4proto { tcp, udp } th sport { 5060, 5061 } queue num 5060 bypass\n}\n'
        "}\n"
    )
    forward = nft_script(GATEWAY)
    assert (
        " ip daddr { 192.0.2.10/32, 198.51.100.0/24 } meta l4proto { tcp, udp } th dport { 5060 } queue num 7\n"
        in forward
    )
    assert " ip6 saddr { 2001:db8::/64 } meta l4proto { tcp, udp } th sport { 5060 } queue num 7\n" in forward
    assert forward.count("hook forward") == 2


def test_only_what_is_ours_is_removed() -> None:
    saved = [
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
    assert removal_script(saved).splitlines() == [
        "*mangle",
        "-D FORWARD -j sipsensor-fwd",
        "-F sipsensor-defrag",
        "-F sipsensor-fwd",
        "-X sipsensor-defrag",
        "-X sipsensor-fwd",
        "COMMIT",
    ]
    assert removal_script(saved[:2]) == ""


def test_what_an_operator_has_to_add_is_complete() -> None:
    commands = needed(GATEWAY)
    assert commands[:3] == [
        "iptables -t mangle -N sipsensor-defrag",
        "iptables -t mangle -A sipsensor-defrag -m socket",
        "iptables -t mangle -A FORWARD -d 192.0.2.10/32 -p udp -m multiport --dports 5060 -j NFQUEUE --queue-num 7",
    ]
    assert len([command for command in commands if "NFQUEUE" in command]) == 12


class Tools:
    """Stand-ins for nft and iptables that write down what they are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        for name in ("nft", "iptables", "ip6tables", "iptables-restore", "ip6tables-restore"):
            self.answers(name, "exit 0")

    def answers(self, name: str, script: str) -> None:
        tool = self.folder / name
        tool.write_text(
            f'#!/bin/sh\n[ "$1" = -j -o "$5" = -S -o "$2" = 5 -a "$4" = mangle ] || echo {name} "$@" >>{self.log}\n{script}\n'
        )
        tool.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(queue_rules, "_IPV6", tmp_path)
    made = Tools(tmp_path)
    made.answers("nft", f"[ \"$1\" = -j ] && echo '{json.dumps({'nftables': []})}' && exit 0\nexit 0")
    return made


def nobody(_queue: int) -> None:
    return None


def test_nft_comes_first_and_iptables_where_it_fails(tools: Tools) -> None:
    assert QueueRules(HOST, "auto", nobody).install() == "nftables"
    assert tools.calls == ["nft -f -"]
    tools.answers("nft", "exit 1")
    assert QueueRules(HOST, "auto", nobody).install() == "iptables"
    assert tools.calls[2:] == ["iptables-restore -w 5 --noflush", "ip6tables-restore -w 5 --noflush"]


def test_told_to_use_iptables_it_never_asks_nft(tools: Tools) -> None:
    assert QueueRules(HOST, "iptables", nobody).install() == "iptables"
    assert not [call for call in tools.calls if call.startswith("nft")]


def test_told_to_use_nothing_it_does_nothing(tools: Tools) -> None:
    rules = QueueRules(HOST, "none", nobody)
    assert rules.install() == "none"
    rules.remove()
    assert tools.calls == []


def test_a_refusal_is_one_line_and_what_was_set_is_taken_back(tools: Tools) -> None:
    tools.answers("nft", "exit 1")
    tools.answers("ip6tables-restore", "echo 'line 3 failed'; echo 'sorry' >&2; exit 2")
    tools.answers("iptables", "echo '-N sipsensor-in'")
    with pytest.raises(RulesError, match="ip6tables does not take the queue rules: sorry") as caught:
        QueueRules(HOST, "auto", nobody).install()
    assert "\n" not in str(caught.value)
    assert tools.calls[-1] == "iptables-restore -w 5 --noflush"


def test_a_kernel_without_the_socket_match_gets_the_other_one(tools: Tools) -> None:
    tools.answers("iptables-restore", f"tee {tools.folder}/script | grep -q socket && exit 2\nexit 0")
    assert QueueRules(HOST, "iptables", nobody).install() == "iptables"
    assert "-A sipsensor-defrag -m conntrack --ctstate INVALID" in (tools.folder / "script").read_text()


def test_nft_alone_says_what_to_try_instead(tools: Tools) -> None:
    tools.answers("nft", "[ \"$1\" = -j ] && exit 1\necho 'No such file or directory' >&2\nexit 1")
    with pytest.raises(RulesError, match=r'No such file or directory; try queue\.rules = "iptables"'):
        QueueRules(HOST, "nftables", nobody).install()


def test_a_missing_tool_is_named(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    del tools
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(RulesError, match="iptables-restore is not installed"):
        QueueRules(HOST, "auto", nobody).install()


def test_a_tool_that_hangs_is_given_up(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.answers("iptables-restore", "exec sleep 5")
    monkeypatch.setattr(queue_rules, "_SECONDS", 0.3)
    with pytest.raises(RulesError, match=r"iptables-restore did not finish within 0\.3 s"):
        QueueRules(HOST, "iptables", nobody).install()


def test_rules_of_a_dead_sensor_are_cleared_and_those_of_a_living_one_respected(tools: Tools) -> None:
    tools.answers(
        "iptables", "echo '-N sipsensor-in'; echo '-A sipsensor-in -j NFQUEUE --queue-num 5070 --queue-bypass'"
    )
    assert QueueRules(HOST, "iptables", nobody).install() == "iptables"
    with pytest.raises(RulesError, match=r"another sensor stand here: queue 5070, process 7 \(sipsensor\)"):
        QueueRules(HOST, "iptables", lambda queue: "process 7 (sipsensor)" if queue == 5070 else None).install()
    # Its own number is its own queue: it has just bound it.
    own = QueuePlan("host", 5070, (5060,), (), bypass=True)
    assert QueueRules(own, "iptables", lambda _queue: "process 8 (sipsensor)").install() == "iptables"


def test_a_failing_removal_is_said(tools: Tools) -> None:
    tools.answers("iptables", "echo '-N sipsensor-in'")
    tools.answers("iptables-restore", "echo 'resource busy' >&2; exit 4")
    with pytest.raises(RulesError, match="could not be removed: iptables: resource busy"):
        QueueRules(HOST, "iptables", nobody).remove()


def test_our_nft_table_is_removed_where_it_stands(tools: Tools) -> None:
    tables = json.dumps({"nftables": [{"metainfo": {}}, {"table": {"family": "inet", "name": "sipsensor"}}]})
    tools.answers("nft", f"[ \"$1\" = -j ] && echo '{tables}'\nexit 0")
    QueueRules(HOST, "auto", nobody).remove()
    assert tools.calls == ["nft list table inet sipsensor", "nft -f -"]
