"""What KernelRules asks of the tools, and when. The lab does it with real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from sipsensor.enforce.rules import kernel
from sipsensor.enforce.rules.counts import Counts
from sipsensor.enforce.rules.kernel import KernelRules
from sipsensor.enforce.rules.tools import RulesError
from tests.unit.enforce.rules.conftest import GATEWAY, HOST, Tools

TABLES = json.dumps({"nftables": [{"table": {"family": "inet", "name": "sipsensor"}}]})
RESTORES = ["iptables-restore -w 5 --noflush", "ip6tables-restore -w 5 --noflush"]
NO_QUEUE = 'case "$input" in *"queue num"*) echo "No such file or directory" >&2; exit 1;; esac'
LISTING = 'case "$*" in "-s -t list ruleset") cat {folder}/listed 2>/dev/null;; "-j -t list ruleset") echo \'{tables}\';; esac'


def nobody(_queue: int) -> None:
    return None


@pytest.fixture
def iptables(stand_ins: Tools) -> Tools:
    """A kernel without nft's queue statement, whose table and chains are listed from files: absent ones stand for nothing."""
    stand_ins.answers("nft", NO_QUEUE + "\n" + LISTING.format(folder=stand_ins.folder, tables=TABLES))
    for tool in ("iptables", "ip6tables"):
        stand_ins.answers(tool, f"cat {stand_ins.folder}/{tool}-listed 2>/dev/null")
    (stand_ins.folder / "listed").write_text("table inet sipsensor {\n}\n")
    for tool in ("iptables", "ip6tables"):
        (stand_ins.folder / f"{tool}-listed").write_text("-N sipsensor-fwd\n-A FORWARD -j sipsensor-fwd\n")
    return stand_ins


@pytest.fixture
def installed(iptables: Tools) -> KernelRules:
    rules = KernelRules(GATEWAY, "auto", nobody)
    assert rules.install() == "iptables"
    iptables.log.unlink()
    return rules


def test_nft_queues_where_it_can_and_iptables_where_not(stand_ins: Tools) -> None:
    assert KernelRules(HOST, "auto", nobody).install() == "nftables"
    assert stand_ins.changes == ["nft -f -"]
    stand_ins.answers("nft", NO_QUEUE)
    stand_ins.log.unlink()
    assert KernelRules(HOST, "auto", nobody).install() == "iptables"
    assert stand_ins.changes == ["nft -f -", *RESTORES]


def test_told_to_use_iptables_only_the_table_is_nfts(stand_ins: Tools) -> None:
    assert KernelRules(HOST, "iptables", nobody).install() == "iptables"
    assert "queue num" not in stand_ins.text


def test_told_to_use_nothing_it_changes_nothing(stand_ins: Tools) -> None:
    rules = KernelRules(HOST, "none", nobody)
    assert rules.install() == "none"
    rules.put_back()
    rules.remove()
    assert stand_ins.changes == []


def test_told_to_use_nothing_it_says_which_queue_gets_no_packets(stand_ins: Tools) -> None:
    rules = KernelRules(HOST, "none", nobody)
    rules.install()
    assert [fault.partition(";")[0] for fault in rules.faults()] == [
        "no rule sends packets to queue 5060 (strangers)",
        "no rule sends packets to queue 5061 (the trusted)",
    ]
    stand_ins.answers("iptables", "echo '-A INPUT -j NFQUEUE --queue-num 5060'")
    stand_ins.answers("nft", "echo '  udp dport 5060 queue num 5061 bypass'")
    assert rules.faults() == []


def test_a_refusal_is_one_line_and_what_was_set_is_taken_back(iptables: Tools) -> None:
    iptables.answers("ip6tables-restore", "echo 'line 3 failed'; echo 'sorry' >&2; exit 2")
    (iptables.folder / "ip6tables-listed").unlink()
    with pytest.raises(RulesError, match=r"^ip6tables does not take the queue rules: sorry$"):
        KernelRules(HOST, "auto", nobody).install()
    assert iptables.changes[-2:] == ["iptables-restore -w 5 --noflush", "nft -f -"]
    assert iptables.text.rstrip().endswith("delete table inet sipsensor")


def test_nft_alone_says_what_to_try_instead(iptables: Tools) -> None:
    with pytest.raises(RulesError, match=r'no queue statement for it; try queue\.rules = "iptables"'):
        KernelRules(HOST, "nftables", nobody).install()
    assert iptables.changes == []


def test_without_the_capability_it_says_so_and_tries_nothing(stand_ins: Tools) -> None:
    (stand_ins.folder / "status").write_text("CapEff:\t0\n")
    with pytest.raises(RulesError, match="CAP_NET_ADMIN"):
        KernelRules(HOST, "auto", nobody).install()
    assert not stand_ins.log.exists()


def test_rules_of_a_dead_sensor_are_replaced_and_those_of_a_living_one_respected(iptables: Tools) -> None:
    listed = iptables.folder / "iptables-listed"
    listed.write_text("-N sipsensor-in\n-A sipsensor-in -j NFQUEUE --queue-num 5070 --queue-bypass\n")
    assert KernelRules(HOST, "auto", nobody).install() == "iptables"

    def holder(queue: int) -> str | None:
        return f"process {queue} (x)" if queue != 5075 else None

    with pytest.raises(RulesError, match=r"another sensor stand here: queue 5070, process 5070 \(x\)"):
        KernelRules(HOST, "auto", holder).install()
    # Its own numbers are its own queues: it has just bound them. And an operator's queue for something else is none of ours.
    listed.write_text(
        "-N sipsensor-in\n-A sipsensor-in -j NFQUEUE --queue-num 5061\n-A INPUT -j NFQUEUE --queue-num 1\n"
    )
    assert KernelRules(HOST, "auto", holder).install() == "iptables"
    (iptables.folder / "listed").write_text(
        "table inet sipsensor {\n\t\tudp dport 5060 queue flags bypass to 5080\n}\n"
    )
    with pytest.raises(RulesError, match="queue 5080"):
        KernelRules(HOST, "auto", holder).install()


def test_all_stands_until_somebody_changes_it(installed: KernelRules) -> None:
    assert installed.faults() == []


def test_no_tool_runs_while_the_generation_stays(
    iptables: Tools, installed: KernelRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "generation", lambda: 7)
    assert installed.faults() == []
    (iptables.folder / "listed").unlink()
    assert installed.faults() == []
    monkeypatch.setattr(kernel, "generation", lambda: 8)
    assert installed.faults() == ["the nft table inet sipsensor is gone"]
    assert installed.faults() == ["the nft table inet sipsensor is gone"]


def test_changed_elements_are_no_reason_to_look_and_what_else_changed_is(
    iptables: Tools, installed: KernelRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "generation", lambda: 7)
    assert installed.faults() == []
    (iptables.folder / "listed").unlink()
    installed.changed_elements(3)
    monkeypatch.setattr(kernel, "generation", lambda: 10)
    assert installed.faults() == []
    installed.changed_elements(1)
    monkeypatch.setattr(kernel, "generation", lambda: 12)
    assert installed.faults() == ["the nft table inet sipsensor is gone"]


def test_with_the_old_iptables_every_look_looks(iptables: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "generation", lambda: 7)
    monkeypatch.setattr(kernel, "legacy", lambda: True)
    rules = KernelRules(GATEWAY, "iptables", nobody)
    rules.install()
    assert rules.faults() == []
    (iptables.folder / "iptables-listed").unlink()
    assert rules.faults() == ["iptables: 2 of our 2 rules in mangle are gone"]


@pytest.mark.parametrize(
    ("file", "text", "fault", "changes"),
    [
        ("listed", "", "the nft table inet sipsensor is gone", ["nft -f -"]),
        ("listed", "table inet sipsensor {\n drop\n}\n", "the nft table inet sipsensor was changed", ["nft -f -", "nft -f -"]),
        ("ip6tables-listed", "", "ip6tables: 2 of our 2 rules in mangle are gone", [RESTORES[1]]),
        ("iptables-listed", "-N sipsensor-fwd\n", "iptables: 1 of our 2 rules in mangle are gone", [RESTORES[0]]),
        (
            "iptables-listed",
            "-N sipsensor-fwd\n-A sipsensor-fwd -j ACCEPT\n-A FORWARD -j sipsensor-fwd\n",
            "iptables: our chains in mangle were changed",
            [RESTORES[0]],
        ),
        (
            "iptables-listed",
            "-N sipsensor-fwd\n-A FORWARD -j sipsensor-fwd\n-A FORWARD -s 192.0.2.9/32 -j DROP\n",
            "iptables: rules stand behind our jump in mangle FORWARD",
            [RESTORES[0]],
        ),
    ],
)  # fmt: skip
def test_a_fault_is_named_and_only_it_is_mended(
    iptables: Tools, installed: KernelRules, file: str, text: str, fault: str, changes: list[str]
) -> None:
    (iptables.folder / file).write_text(text)
    assert installed.faults() == [fault]
    installed.put_back()
    assert iptables.changes == changes


def test_another_plan_is_a_fault_and_put_back_changes_over(iptables: Tools, installed: KernelRules) -> None:
    installed.plan = replace(GATEWAY, inside=("lan7",))
    assert installed.faults() == ["the rules are those of an older configuration"]
    installed.put_back()
    assert 'iifname { "lan7" }' in iptables.text
    assert installed.faults() == []


def test_a_table_is_mended_in_place_and_replaced_where_that_is_not_enough(
    iptables: Tools, installed: KernelRules
) -> None:
    (iptables.folder / "listed").write_text("table inet sipsensor {\n drop\n}\n")
    installed.put_back()
    # Its listing stays what it was, so that the second way was tried.
    assert iptables.changes == ["nft -f -", "nft -f -"]
    assert iptables.text.index("flush table inet sipsensor") < iptables.text.index("delete table inet sipsensor")
    iptables.log.unlink()
    installed.plan = replace(GATEWAY, inside=("lan7",))
    installed.put_back()
    assert "delete table" not in iptables.text
    (iptables.folder / "listed").unlink()
    iptables.log.unlink()
    installed.put_back()
    assert "flush table" not in iptables.text


def test_a_set_in_a_rule_may_be_listed_in_any_order(iptables: Tools) -> None:
    listed = iptables.folder / "listed"
    listed.write_text('table inet sipsensor {\n\tiifname { "b", "a" } drop\n}\n')
    rules = KernelRules(GATEWAY, "auto", nobody)
    rules.install()
    listed.write_text('table inet sipsensor {\n\tiifname { "a", "b" } drop\n}\n')
    assert rules.faults() == []


def test_tracking_that_others_begin_and_end_changes_the_table(
    iptables: Tools, installed: KernelRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "TRACKING_SECONDS", 0.0)
    installed._tracking_due = 0.0
    for tracked in (True, False):
        monkeypatch.setattr(kernel, "tracked_by_others", lambda tracked=tracked: tracked)
        assert installed.faults() == ["somebody else's rules began, or ceased, to track connections"]
        installed.put_back()
        assert ("ct state new" in iptables.text) is tracked
        iptables.log.unlink()
        assert installed.faults() == []


def test_tracking_that_others_begin_soon_after_a_look_is_seen_later(
    installed: KernelRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "generation", lambda: 8)
    monkeypatch.setattr(kernel, "tracked_by_others", lambda: True)
    assert installed.faults() == []  # the look at that is not due yet
    installed._tracking_due = 0.0
    assert installed.faults() == ["somebody else's rules began, or ceased, to track connections"]


def test_counters_are_read_from_what_queues(iptables: Tools, installed: KernelRules) -> None:
    for tool in ("iptables", "ip6tables"):
        iptables.answers(f"{tool}-save", "echo '[5:9] -A sipsensor-queue -p udp -j NFQUEUE --queue-num 7'")
    assert installed.counts() == Counts((10, 0), (0, 0), 0)


def test_counters_of_rules_that_the_operator_keeps_are_found_in_both(stand_ins: Tools) -> None:
    listed = {
        "nftables": [
            {"rule": {"family": "ip", "table": "t", "expr": [{"counter": {"packets": 4}}, {"queue": {"num": 5061}}]}},
            {"counter": {"family": "inet", "table": "sipsensor", "name": "limited", "packets": 2}},
        ]
    }
    stand_ins.answers("nft", f"echo '{json.dumps(listed)}'")
    stand_ins.answers("iptables-save", "echo '[5:9] -A INPUT -p udp -j NFQUEUE --queue-num 5060'")
    rules = KernelRules(HOST, "none", nobody)
    rules.install()
    assert rules.counts() == Counts((5, 0), (0, 4), 2)


def test_removal_takes_what_is_ours_and_says_whether_there_was_any(iptables: Tools, stand_ins: Tools) -> None:
    assert KernelRules.clear()
    assert iptables.changes == [*RESTORES, "nft -f -"]
    for name in ("nft", "iptables", "ip6tables"):
        stand_ins.answers(name, "exit 0")
    assert not KernelRules.clear()


def test_a_failing_removal_is_said(iptables: Tools) -> None:
    iptables.answers("iptables-restore", "echo 'resource busy' >&2; exit 4")
    with pytest.raises(RulesError, match="could not be removed: iptables: resource busy"):
        KernelRules(HOST, "iptables", nobody).remove()


def test_blind_spots_of_both_tools_are_told(iptables: Tools, installed: KernelRules) -> None:
    assert installed.blind_spots() == []
    listed = iptables.folder / "ip6tables-listed"
    listed.write_text("-A FORWARD -j ACCEPT\n" + listed.read_text())
    iptables.answers("nft", "printf 'table inet fw4 {\\n flow add @ft\\n}\\n'")
    told = installed.blind_spots()
    assert told[0].startswith("a flowtable of the nft table inet fw4")
    assert told[1].startswith("ip6tables: packets that match")


def test_what_was_never_put_in_place_is_a_fault() -> None:
    unused: Callable[[], list[str]] = KernelRules(HOST, "auto", nobody).faults
    assert unused() == ["the rules were never put in place"]
