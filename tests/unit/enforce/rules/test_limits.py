"""The text of the limits. The lab lets the kernel read it, and shows what it does to packets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipsensor.enforce.rules import limits
from sipsensor.enforce.rules.limits import FlowLimit
from tests.unit.enforce.rules.conftest import GATEWAY, HOST

BUCKET = "timeout 10s limit rate over"


def test_a_set_for_each_limit_holds_buckets_that_run_out() -> None:
    text = list(limits.rate_sets())
    assert [line.split()[1] for line in text] == sorted(limits.RATE_SETS, key=text_of(text).index)
    assert all("size 65536" in line and "flags dynamic, timeout" in line for line in text)
    assert all("inet_service" in line for line in text if " phone_rates" in line)
    assert sum("inet_service" in line for line in text) == 2


def text_of(lines: list[str]) -> str:
    return "\n".join(lines)


def test_a_stranger_above_his_limit_is_dropped_before_the_limit_of_all() -> None:
    lines = limits.strangers(replace(GATEWAY, source_rate=300))
    bucket, drop = f"{BUCKET} 300/second burst 600 packets", "counter name limited_sources drop"
    assert lines == [
        f"ip saddr != @proxies4 update @source_rates4 {{ ip saddr {bucket} }} {drop}",
        f"ip6 saddr != @proxies6 update @source_rates6 {{ ip6 saddr & ffff:ffff:ffff:ffff:: {bucket} }} {drop}",
        "limit rate over 1000/second burst 100 packets counter name limited drop",
    ]


def test_where_nothing_may_be_dropped_a_stranger_above_his_limit_is_counted_and_judged() -> None:
    lines = limits.strangers(replace(HOST, source_rate=300))
    assert all(line.endswith("counter name limited_sources") for line in lines[:2])
    assert lines[2].endswith("counter name limited meta mark set meta mark | 0x20000000")


def test_a_phone_above_its_limit_goes_with_the_strangers_and_one_that_finds_the_set_full_does_not() -> None:
    four, six, rest = limits.phones(replace(GATEWAY, trusted_rate=60))
    assert four == (
        "meta l4proto { tcp, udp } update @phone_rates4 "
        f"{{ ip saddr . th sport {BUCKET} 60/second burst 20 packets }} counter name fallen goto strangers"
    )
    assert "ip6 saddr . th sport" in six
    assert rest == "goto trusted"


@pytest.mark.parametrize(("rate", "burst"), [(2000, 250), (100, 100), (1, 5)])
def test_a_network_within_its_limit_is_trusted_and_one_that_finds_the_set_full_is_not(rate: int, burst: int) -> None:
    bucket = f"timeout 10s limit rate {rate}/second burst {burst} packets"
    assert limits.trusted_networks(replace(GATEWAY, trunk_rate=rate)) == [
        f"update @network_rates4 {{ ip saddr {bucket} }} goto trusted",
        f"update @network_rates6 {{ ip6 saddr & ffff:ffff:ffff:ffff:: {bucket} }} goto trusted",
        "counter name fallen goto strangers",
    ]


def test_a_limit_of_none_is_no_rule() -> None:
    assert limits.phones(GATEWAY) == limits.trusted_networks(GATEWAY) == ["goto trusted"]
    assert len(limits.strangers(GATEWAY)) == 1


def test_new_flows_are_limited_by_transport() -> None:
    assert limits.new_flows(GATEWAY, None) == []
    udp, tcp = limits.new_flows(GATEWAY, FlowLimit((3, 30), (4, 40)))
    assert "meta l4proto udp limit rate over 3/second burst 30 packets" in udp
    assert "meta l4proto tcp limit rate over 4/second burst 40 packets" in tcp
