"""The limits in the table: of each stranger, of all together, of each trusted source in its queue, of new connections.

A limit of each source is a dynamic set whose elements hold a bucket each. The kernel forgets one that was not met for ``SECONDS``, by when
it has long been full again. A packet that finds such a set full takes the way on which the least is lost: a stranger meets the limit
of all strangers, a registered phone keeps its queue (nobody gets into that set who is not registered), and a network's address, which
anybody can make up within that network, does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sipsensor.enforce.rules.plan import KernelPlan

FAMILIES = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))
SIGNALLING = "meta l4proto { tcp, udp }"
LIMITED = ("limited", "limited_flows")
"""The counters of what the limits on all strangers stopped (or let through unseen)."""
SOURCES = "limited_sources"
"""The counter of strangers' packets above the limit of their source."""
FALLEN = "fallen"
"""The counter of packets of the trusted above their limit, which took the strangers' queue."""
COUNTERS = (*LIMITED, SOURCES, FALLEN)
RATE_SETS = tuple(f"{name}{version}" for name in ("source_rates", "phone_rates", "network_rates") for version in (4, 6))
"""Dynamic sets. Their elements keep the limit that they were made with: whoever changes a limit empties them."""
SIZE = 65536
"""Sources that each of them holds. At 250 bytes each the six never take more than 100 MB."""
SECONDS = 10
TRUNK_BURST = 250
"""Half of the trusted queue as it is by default: no burst of one peer fills it."""

_LEAST_BURST = 5


@dataclass(frozen=True, slots=True)
class FlowLimit:
    """New connections of strangers that may be tracked, each with a rate (per second) and a burst: UDP, TCP."""

    udp: tuple[int, int]
    tcp: tuple[int, int]


def rate_sets() -> Iterator[str]:
    """The dynamic sets; they stand, and stay empty, where their limits are off."""
    for version, _family, kind in FAMILIES:
        for name in ("source_rates", "phone_rates", "network_rates"):
            key = f"{kind} . inet_service" if name == "phone_rates" else kind
            yield f"\tset {name}{version} {{\n\t\ttype {key}\n\t\tsize {SIZE}\n\t\tflags dynamic, timeout\n\t}}"


def strangers(plan: KernelPlan) -> list[str]:
    """Above its own limit a source's packets are dropped before they take a place among those of all.

    Where nothing may be dropped they are counted and go on: let through unseen, whoever sends much would never be judged.
    """
    over = f"counter name {SOURCES}" + (" drop" if plan.overflow == "drop" else "")
    lines = [
        f"{family} saddr != @proxies{version} update @source_rates{version} "
        f"{{ {_source(family)} {_bucket('rate over', plan.source_rate, 2 * plan.source_rate)} }} {over}"
        for version, family, _ in FAMILIES
        if plan.source_rate
    ]
    skip = f"meta mark set meta mark | {plan.skip_bit:#010x}"
    above = f"{_rate('rate over', plan.rate, plan.rate // 10)} counter name {LIMITED[0]}"
    return [*lines, f"{above} {'drop' if plan.overflow == 'drop' else skip}"]


def phones(plan: KernelPlan) -> list[str]:
    """Of an address and port that registered: above its limit it goes with the strangers, with whom it is judged as what it is.

    A small burst, because many phones may be forged at once, and theirs together meet one short queue.
    """
    bucket = _bucket("rate over", plan.trusted_rate, plan.trusted_rate // 3)
    lines = [
        f"{SIGNALLING} update @phone_rates{version} {{ {family} saddr . th sport {bucket} }} counter name {FALLEN} goto strangers"
        for version, family, _ in FAMILIES
        if plan.trusted_rate
    ]
    return [*lines, "goto trusted"]


def trusted_networks(plan: KernelPlan) -> list[str]:
    """Of an address that the operator trusts, whatever its port: who forges it may choose any."""
    if not plan.trunk_rate:
        return ["goto trusted"]
    bucket = _bucket("rate", plan.trunk_rate, min(plan.trunk_rate, TRUNK_BURST))
    within = [
        f"update @network_rates{version} {{ {_source(family)} {bucket} }} goto trusted"
        for version, family, _ in FAMILIES
    ]
    return [*within, f"counter name {FALLEN} goto strangers"]


def new_flows(plan: KernelPlan, flows: FlowLimit | None) -> list[str]:
    """New connections of strangers, where others have connections tracked."""
    if flows is None:
        return []
    fresh = f"meta mark & {plan.trusted_bit:#010x} == 0 ct state new ct status ! confirmed"
    return [
        f"{fresh} meta l4proto {transport} {_rate('rate over', rate, burst)} counter name {LIMITED[1]} drop"
        for transport, (rate, burst) in (("udp", flows.udp), ("tcp", flows.tcp))
    ]


def _bucket(how: str, rate: int, burst: int) -> str:
    """Of one element. With "rate over" the rule does not hold for a packet that finds the set full, with "rate" neither."""
    return f"timeout {SECONDS}s {_rate(how, rate, burst)}"


def _rate(how: str, rate: int, burst: int) -> str:
    return f"limit {how} {rate}/second burst {max(burst, _LEAST_BURST)} packets"


def _source(family: str) -> str:
    """What counts as one source: an address, of IPv6 a /64 (DESIGN 6)."""
    return "ip saddr" if family == "ip" else "ip6 saddr & ffff:ffff:ffff:ffff::"
