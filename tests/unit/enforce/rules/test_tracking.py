from __future__ import annotations

from pathlib import Path

import pytest

from sipsensor.enforce.rules import tracking
from sipsensor.enforce.rules.limits import FlowLimit
from tests.unit.enforce.rules.conftest import Tools

OWN = "table inet sipsensor {\n\tchain settle {\n\t\tct state new drop\n\t}\n}\n"
FOREIGN = "table ip filter {{\n\tchain FORWARD {{\n\t\ttype filter hook forward priority 0; policy accept;\n\t\t{rule}\n\t}}\n}}\n"


@pytest.fixture(autouse=True)
def no_legacy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_LEGACY", tmp_path / "ip_tables_names")


def nft_lists(tools: Tools, text: str) -> None:
    (tools.folder / "ruleset").write_text(text)
    tools.answers("nft", f"cat {tools.folder}/ruleset")


@pytest.mark.parametrize(
    "rule",
    [
        "ct state established,related accept",
        "udp dport 5060 ct mark 0x1 accept",
        'oifname "eth0" masquerade',
        "counter packets 1 bytes 2 dnat to 10.0.0.2:5060",
        'xt match "conntrack" counter accept',
        'xt target "MASQUERADE"',
        "flow add @f",
    ],
)
def test_rules_that_look_at_connections_track_them(stand_ins: Tools, rule: str) -> None:
    nft_lists(stand_ins, OWN + FOREIGN.format(rule=rule))
    assert tracking.tracked_by_others()


@pytest.mark.parametrize(
    "rule",
    ["udp dport 5060 accept", "notrack", 'ip saddr 192.0.2.1 accept comment "ct state new"', 'iifname "direct0" drop'],
)
def test_rules_that_do_not_leave_things_as_they_are(stand_ins: Tools, rule: str) -> None:
    nft_lists(stand_ins, OWN + FOREIGN.format(rule=rule))
    assert not tracking.tracked_by_others()


def test_our_own_rules_and_empty_chains_for_translation_do_not_count(stand_ins: Tools) -> None:
    nft_lists(
        stand_ins,
        OWN
        + "table ip nat {\n\tchain PREROUTING {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t}\n}\n",
    )
    assert not tracking.tracked_by_others()


@pytest.mark.parametrize(
    ("line", "tracks"),
    [
        ("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", True),
        ("-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", True),
        ("-A DOCKER ! -i docker0 -p udp -m udp --dport 5060 -j DNAT --to-destination 172.17.0.2:5060", True),
        ("-A INPUT -m state --state NEW -j ACCEPT", True),
        ('-A INPUT -p udp -m comment --comment "-m state" -j ACCEPT', False),
        ("-A PREROUTING -j CT --notrack", False),
    ],
)
def test_iptables_says_it_in_its_own_words(stand_ins: Tools, line: str, tracks: bool) -> None:  # noqa: FBT001
    stand_ins.answers("ip6tables-save", f"cat <<'END'\n*filter\n{line}\nEND")
    assert tracking.tracked_by_others() is tracks


def test_rules_of_the_old_iptables_are_asked_for_where_there_are_any(stand_ins: Tools) -> None:
    stand_ins.answers("iptables-legacy-save", "echo '-A INPUT -m state --state NEW -j ACCEPT'")
    assert not tracking.tracked_by_others()
    (stand_ins.folder / "ip_tables_names").write_text("filter\n")
    assert tracking.tracked_by_others()


def test_strangers_get_half_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_SYSCTL", tmp_path)
    values = {
        "max": 240000,
        "udp_timeout": 30,
        "udp_timeout_stream": 100,
        "tcp_timeout_syn_sent": 120,
        "tcp_timeout_time_wait": 150,
    }
    for name, value in values.items():
        (tmp_path / f"nf_conntrack_{name}").write_text(f"{value}\n")
    limit = tracking.flow_limit()
    assert limit == FlowLimit((300, 30000), (200, 30000))
    assert limit.udp[0] * 100 + limit.udp[1] + limit.tcp[0] * 150 + limit.tcp[1] <= 240000 / 2


def test_without_the_numbers_it_takes_those_of_a_small_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_SYSCTL", tmp_path)
    assert tracking.flow_limit().udp == (68, 8192)
    (tmp_path / "nf_conntrack_max").write_text("0\n")
    assert tracking.flow_limit().tcp == (1, 5)
