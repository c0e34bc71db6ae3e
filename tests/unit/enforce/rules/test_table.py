"""The text of the table. The lab lets the kernel read it, and shows what it does to packets."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sipsensor.enforce.rules.limits import FlowLimit
from sipsensor.enforce.rules.plan import KernelPlan
from sipsensor.enforce.rules.table import Features, removal_script, table_script
from tests.unit.enforce.rules.conftest import GATEWAY, HOST

FLOWS = FlowLimit((3, 30), (4, 40))


def chains(
    plan: KernelPlan, features: Features | None = None, flows: FlowLimit | None = None, *, queue: bool = False
) -> dict[str, list[str]]:
    """The lines of each chain."""
    text = table_script(plan, features or Features(), flows, queue=queue)
    found = re.findall(r"^\tchain (\w+) {\n(.*?)^\t}$", text, re.MULTILINE | re.DOTALL)
    return {name: [line.strip() for line in body.splitlines()] for name, body in found}


def test_the_table_takes_the_place_of_any_that_stands_in_one_transaction() -> None:
    lines = table_script(HOST, Features()).splitlines()
    assert lines[:3] == ["add table inet sipsensor", "delete table inet sipsensor", "table inet sipsensor {"]
    assert lines[-1] == "}"
    assert "flush" not in table_script(GATEWAY, Features(), FLOWS, queue=True)
    assert removal_script().splitlines() == lines[:2]


def test_a_table_that_is_mended_keeps_its_hooks_and_what_came_and_goes() -> None:
    text = table_script(GATEWAY, Features(), mend=True)
    static = ("protected4", "protected6", "proxies4", "proxies6", "trusted_networks4", "trusted_networks6")
    rates = ("source_rates4", "source_rates6", "phone_rates4", "phone_rates6", "network_rates4", "network_rates6")
    emptied = ["flush table inet sipsensor", *(f"flush set inet sipsensor {name}" for name in (*static, *rates))]
    assert text.splitlines()[:13] == emptied
    assert "delete" not in text
    assert text.splitlines()[13:] == table_script(GATEWAY, Features()).splitlines()[2:]


def test_every_chain_that_rules_name_is_there_and_every_one_there_is_entered() -> None:
    limited = replace(HOST, source_rate=1, trusted_rate=1, trunk_rate=1)
    for plan in (HOST, limited, GATEWAY, replace(GATEWAY, protected=()), replace(HOST, protected=("192.0.2.1",))):
        for features in (Features(), Features(defragment="ct", fib=False), Features(defragment="socket")):
            made = chains(plan, features, FLOWS, queue=True)
            named = set(re.findall(r"goto (\w+)", str(made)))
            base = {name for name, lines in made.items() if lines[0].startswith("type ")}
            assert named <= set(made)
            assert set(made) == named | base | ({"defragment"} if features.defragment != "socket" else set())


@pytest.mark.parametrize(
    ("plan", "features", "flows", "spared"),
    [
        (GATEWAY, Features(), None, True),
        (GATEWAY, Features(), FLOWS, False),
        (GATEWAY, Features(notrack=False), None, False),
        (replace(GATEWAY, protected=()), Features(), None, False),
        (HOST, Features(), None, False),
    ],
    ids=["gateway", "others track", "no statement for it", "nobody named", "host"],
)
def test_pieces_of_others_are_left_alone_where_putting_together_is_our_doing(
    plan: KernelPlan,
    features: Features,
    flows: FlowLimit | None,
    spared: bool,  # noqa: FBT001
) -> None:
    cut = chains(plan, features, flows)["cut"]
    expected = [
        "ip saddr != @protected4 ip daddr != @protected4 ip frag-off & 0x3fff != 0 notrack",
        "ip6 saddr != @protected6 ip6 daddr != @protected6 exthdr frag exists notrack",
    ]
    assert [line for line in cut if "notrack" in line] == (expected if spared else [])


def test_sets_hold_the_networks_of_their_version() -> None:
    text = table_script(GATEWAY, Features())
    assert (
        "set protected4 {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 192.0.2.10/32, 198.51.100.0/24 }"
        in text
    )
    assert "set protected6 {\n\t\ttype ipv6_addr\n\t\tflags interval\n\t\telements = { 2001:db8::/64 }" in text
    assert (
        "set trusted_networks6 {\n\t\ttype ipv6_addr\n\t\tflags interval\n\t\telements = { 2001:db8:5::7/128 }" in text
    )
    assert "set trusted4 {\n\t\ttype ipv4_addr . inet_service\n\t\tflags timeout\n\t\tsize 65536\n\t}" in text
    assert "set blocked_networks6 {\n\t\ttype ipv6_addr\n\t\tflags interval, timeout\n\t\tsize 16384\n\t}" in text


def test_the_trusted_are_looked_up_before_a_blocked_source_is_dropped() -> None:
    made = chains(GATEWAY)
    assert made["cut"][0] == "type filter hook prerouting priority -450; policy accept;"
    lines = made["blocked_source"]
    drops = [i for i, line in enumerate(lines) if line.endswith("drop")]
    returns = [i for i, line in enumerate(lines) if "@trusted4 return" in line or "@trusted_networks4 return" in line]
    assert len(drops) == 4
    assert len(returns) == 2
    assert max(returns) < min(drops)
    assert all("daddr @protected" in lines[i] for i in drops)


def test_on_a_host_only_packets_to_itself_are_cut() -> None:
    assert all("fib daddr type local" in line for line in chains(HOST)["blocked_source"] if line.endswith("drop"))
    named = chains(replace(HOST, protected=("192.0.2.1",)))["blocked_source"]
    assert not any("fib" in line for line in named)


def test_a_protected_source_is_believed_only_from_inside() -> None:
    lines = chains(GATEWAY)["sort"]
    assert lines[1:] == [
        'iifname { "lan0", "lan1" } ip saddr @protected4 goto leaving',
        'iifname { "lan0", "lan1" } ip6 saddr @protected6 goto leaving',
        "ip saddr @protected4 goto strangers",
        "ip6 saddr @protected6 goto strangers",
        "goto arriving",
    ]
    assert "fib saddr type local goto strangers" in chains(HOST)["sort_arriving"]
    assert "ip saddr @protected4 goto strangers" in chains(replace(HOST, protected=("192.0.2.1",)))["sort_arriving"]


def test_the_remote_end_decides_and_answers_to_strangers_are_never_limited() -> None:
    made = chains(GATEWAY)
    assert made["arriving"] == [
        "ip saddr @trusted_networks4 goto network",
        "ip6 saddr @trusted_networks6 goto network",
        "meta l4proto { tcp, udp } ip saddr . th sport @trusted4 goto phone",
        "meta l4proto { tcp, udp } ip6 saddr . th sport @trusted6 goto phone",
        "goto strangers",
    ]
    assert all("goto trusted" in line for line in made["leaving"])
    assert not any("limit" in line for name in ("leaving", "sort", "trusted") for line in made[name])


def test_what_a_host_sends_never_waits_behind_strangers() -> None:
    assert chains(HOST)["leaving"] == ["goto trusted"]


def test_between_two_protected_either_ones_trust_counts() -> None:
    both = [line for line in chains(GATEWAY)["leaving"] if "daddr @protected" in line]
    assert len(both) == 4
    assert all(" saddr" in line for line in both)


def test_above_the_rate_strangers_are_dropped_or_marked_to_pass() -> None:
    assert chains(GATEWAY)["strangers"] == ["limit rate over 1000/second burst 100 packets counter name limited drop"]
    (line,) = chains(HOST)["strangers"]
    assert line.endswith("counter name limited meta mark set meta mark | 0x20000000")
    assert "burst 5 packets" in chains(replace(HOST, rate=1))["strangers"][0]


def test_marks_of_ours_are_cleared_before_and_behind_and_others_kept() -> None:
    clear = "meta mark & 0x00000003 != 0 meta mark set meta mark & 0xfffffffc"
    made = chains(GATEWAY)
    assert made["sort"][0] == clear
    assert made["unmark"] == [clear]
    assert made["after_forward"][0].endswith("priority -148; policy accept;")


def test_on_a_host_packets_with_a_mark_of_somebody_elses_are_routed_by_it() -> None:
    made = chains(HOST)
    assert made["tell_routing"] == [
        "meta mark & 0xcfffffff != 0 meta mark set meta mark | 0x30000000 accept",
        "goto unmark",
    ]
    assert made["routed_output"][0] == "type route hook output priority -147; policy accept;"
    assert "tell_routing" not in chains(GATEWAY)


def test_a_host_leaves_its_own_talk_alone() -> None:
    made = chains(HOST, queue=True)
    for prefix in ("", "queue_", "after_"):
        assert made[prefix + "input"][1] == 'iifname "lo" return'
        assert made[prefix + "output"][1] == 'oifname "lo" return'
        assert "th dport { 4569, 5060 }" in made[prefix + "input"][2]
        assert "th sport { 4569, 5060 }" in made[prefix + "output"][2]


def test_the_queueing_rules_stand_in_the_table_where_nft_has_the_statement() -> None:
    assert not any("queue" in line for lines in chains(GATEWAY).values() for line in lines)
    made = chains(GATEWAY, queue=True)
    assert made["queue_forward"][0] == "type filter hook forward priority -149; policy accept;"
    assert made["lanes"] == [
        "meta mark & 0x00000002 != 0 return",
        "meta mark & 0x00000001 != 0 meta l4proto udp counter queue num 8 bypass",
        "meta mark & 0x00000001 != 0 meta l4proto tcp counter queue num 8 bypass",
        "meta l4proto udp counter queue num 7",
        "meta l4proto tcp counter queue num 7",
    ]


def test_new_flows_are_limited_behind_the_queue_where_others_track() -> None:
    assert not any("ct " in line for lines in chains(GATEWAY).values() for line in lines)
    lines = chains(GATEWAY, flows=FLOWS)["settle"]
    fresh = "meta mark & 0x00000001 == 0 ct state new ct status ! confirmed meta l4proto"
    assert [line for line in lines if "ct state" in line] == [
        f"{fresh} udp limit rate over 3/second burst 30 packets counter name limited_flows drop",
        f"{fresh} tcp limit rate over 4/second burst 40 packets counter name limited_flows drop",
    ]
    assert lines[0] == 'iifname { "lan0", "lan1" } ip saddr @protected4 goto unmark'


def test_where_nothing_may_be_dropped_new_flows_are_not() -> None:
    assert "drop" not in str(
        {name: lines for name, lines in chains(HOST, flows=FLOWS).items() if name != "blocked_source"}
    )


@pytest.mark.parametrize(("how", "rule"), [("tproxy", "meta l4proto udp tproxy to :1"), ("ct", "ct state invalid")])
def test_a_chain_that_nothing_enters_switches_defragmentation_on(how: str, rule: str) -> None:
    made = chains(GATEWAY, Features(defragment=how))  # type: ignore[arg-type]
    assert made["defragment"] == [rule]
    assert ("untracked" in made) == (how == "ct")


def test_tracking_that_we_bring_leaves_our_ports_out() -> None:
    made = chains(GATEWAY, Features(defragment="ct"))
    for name in ("untracked", "untracked_output"):
        assert [line.split("th ")[1] for line in made[name][1:]] == ["dport { 5060 } notrack", "sport { 5060 } notrack"]


def test_without_protected_a_gateway_goes_by_interface_alone() -> None:
    made = chains(replace(GATEWAY, protected=()))
    assert made["sort"][1:] == ['iifname { "lan0", "lan1" } goto leaving', "goto arriving"]
    assert made["forward"][1].startswith("meta l4proto { tcp, udp } th dport")
