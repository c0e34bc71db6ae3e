"""The text of our nft table: sets, the cut of blocked sources, lanes and limits, and the marks taken off again.

Order of the hooks: -450 blocked sources are dropped, before anything puts fragments together; -151 every signalling packet gets its lane;
then the queueing rules (iptables' mangle table at -150, or -149 here); -148 what comes back from the queue; on a host -147, where packets
with a mark of somebody else's are routed by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sipsensor.enforce.rules import limits
from sipsensor.enforce.rules.limits import FAMILIES as _FAMILIES
from sipsensor.enforce.rules.limits import SIGNALLING as _SIGNALLING
from sipsensor.enforce.rules.limits import FlowLimit
from sipsensor.enforce.rules.plan import KernelPlan, networks

TABLE = "sipsensor"
LANES = "lanes"
"""The chain with the queueing rules, where nft has them."""
STATIC_SETS = tuple(f"{name}{version}" for name in ("protected", "proxies", "trusted_networks") for version in (4, 6))
"""Sets whose elements are the plan's; those of the others come and go."""

TRUSTED_SIZE = 65536
BLOCKED_SIZE = 131072
BLOCKED_NETWORKS_SIZE = 16384

Defragmenter = Literal["tproxy", "socket", "ct"]
"""What switches defragmentation on: a rule of the table that nothing reaches, one of iptables, or connection tracking."""


@dataclass(frozen=True, slots=True)
class Features:
    """What this kernel's nftables can do."""

    queue: bool = True
    """The ``queue`` statement."""
    defragment: Defragmenter = "tproxy"
    fib: bool = True
    """Looking up whether an address is this machine's."""
    notrack: bool = True
    """Exempting packets from connection tracking, and from being put together."""


def table_script(
    plan: KernelPlan, features: Features, flows: FlowLimit | None = None, *, queue: bool = False, mend: bool = False
) -> str:
    """Input for ``nft -f``: our table, in place of any that stands, in one transaction.

    ``flows`` where connections are tracked anyway; ``queue`` puts the queueing rules into the table, too. ``mend``: the table stands, and
    keeps its hooks, its counters and the elements that come and go. With a hook that goes the kernel drops what waits in any queue.
    """
    made = _Table(plan, features, flows)
    chains = [*made.cut(), *made.defragment(), *made.lanes(), *(made.queue() if queue else ()), *made.after()]
    body = "\n".join([*made.sets(), *chains])
    emptied = [
        f"flush table inet {TABLE}",
        *(f"flush set inet {TABLE} {name}" for name in (*STATIC_SETS, *limits.RATE_SETS)),
    ]
    before = "\n".join(emptied) if mend else f"add table inet {TABLE}\ndelete table inet {TABLE}"
    return f"{before}\ntable inet {TABLE} {{\n{body}\n}}\n"


def removal_script() -> str:
    """Input for ``nft -f`` that removes the table, whether or not it stands."""
    return f"add table inet {TABLE}\ndelete table inet {TABLE}\n"


def chain(name: str, *lines: str) -> str:
    """A chain as nft reads it."""
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}"


def hook(name: str, priority: int, kind: str = "filter") -> str:
    """The line that makes a chain a base chain."""
    return f"type {kind} hook {name} priority {priority}; policy accept;"


class _Table:
    def __init__(self, plan: KernelPlan, features: Features, flows: FlowLimit | None) -> None:
        self.plan = plan
        self.features = features
        # In observe mode nothing may be dropped, and a flood in a table that others fill is their choice.
        self.tracked = flows is not None
        self.flows = flows if plan.overflow == "drop" else None
        self.host = plan.placement == "host"
        self.inside = f"iifname {{ {', '.join(map(_quoted, plan.inside))} }} " if plan.inside else ""
        self.ports = f"{{ {', '.join(map(str, plan.ports))} }}"

    def sets(self) -> Iterator[str]:
        for version, _family, kind in _FAMILIES:
            yield _set(f"trusted{version}", f"{kind} . inet_service", "timeout", TRUSTED_SIZE)
            yield _set(f"trusted_hosts{version}", kind, "timeout", TRUSTED_SIZE)
            yield _set(f"trusted_networks{version}", kind, "interval", elements=networks(self.plan.trusted, version))
            yield _set(f"blocked{version}", kind, "timeout", BLOCKED_SIZE)
            yield _set(f"blocked_networks{version}", kind, "interval, timeout", BLOCKED_NETWORKS_SIZE)
            yield _set(f"protected{version}", kind, "interval", elements=networks(self.plan.protected, version))
            yield _set(f"proxies{version}", kind, "interval", elements=networks(self.plan.proxies, version))
        yield from limits.rate_sets()
        for name in ("blocked", *limits.COUNTERS):
            yield f"\tcounter {name} {{\n\t}}"

    def cut(self) -> Iterator[str]:
        """Blocked sources, only towards signalling of the protected; the trusted are looked up first.

        Fragments after the first show no port: those of a host with a trusted port pass. They are harmless without the first one.
        IPv6 options may push the ports out of the first fragment; then the later ones are dropped here, and it never becomes whole.
        """
        sources = [
            f"{family} saddr @{name}{version} goto blocked_source"
            for version, family, _ in _FAMILIES
            for name in ("blocked", "blocked_networks")
        ]
        yield chain("cut", hook("prerouting", -450), 'iifname "lo" return', *self._foreign_pieces(), *sources)
        drop = "counter name blocked drop"
        local = "fib daddr type local " if self.host and not self.plan.protected and self.features.fib else ""
        lines = [
            *self._by_remote("s", "return"),
            *(f"{local}{to}{_SIGNALLING} th dport {self.ports} {drop}" for to in self._ours("d")),
            *(f"{family} saddr @trusted_hosts{version} return" for version, family, _ in _FAMILIES),
        ]
        for version, family, _ in _FAMILIES:
            to = f"{family} daddr @protected{version} " if self.plan.protected else f"{local}meta nfproto ipv{version} "
            later = f"{_SIGNALLING} ip frag-off & 0x1fff != 0" if family == "ip" else "frag frag-off != 0"
            lines.append(f"{to}{later} {drop}")
        yield chain("blocked_source", *lines)

    def _foreign_pieces(self) -> list[str]:
        """Fragments of a gateway's other traffic stay what they are, untracked, and go on one by one.

        Putting them together is our doing, and the kernel's memory for it is small: a few unfinished datagrams would stop everybody's.
        Where others have connections tracked, it is theirs, and so is the choice.
        """
        if self.host or not self.plan.protected or self.tracked or not self.features.notrack:
            return []
        return [
            f"{family} saddr != @protected{version} {family} daddr != @protected{version} {piece} notrack"
            for (version, family, _), piece in zip(
                _FAMILIES, ("ip frag-off & 0x3fff != 0", "exthdr frag exists"), strict=True
            )
        ]

    def defragment(self) -> Iterator[str]:
        """No packet enters these chains of one rule: what they name makes the kernel put datagrams together first."""
        if self.features.defragment == "tproxy":
            yield chain("defragment", "meta l4proto udp tproxy to :1")
        elif self.features.defragment == "ct":
            yield chain("defragment", "ct state invalid")
            lines = [f"{_SIGNALLING} th {side}port {self.ports} notrack" for side in "ds"]
            yield chain("untracked", hook("prerouting", -300), *lines)
            yield chain("untracked_output", hook("output", -300), *lines)

    def lanes(self) -> Iterator[str]:
        """Every packet of ours gets its lane. A protected source that did not enter from inside is forged: no trust for it."""
        if self.host:
            yield from self._hooked("", -151, input="sort_arriving", output="sort_leaving")
            own = ["fib saddr type local goto strangers"] if self.features.fib and not self.plan.protected else []
            yield chain("sort_arriving", self._clear(), *own, *self._forged(), "goto arriving")
            yield chain("sort_leaving", self._clear(), "goto leaving")
        else:
            yield from self._hooked("", -151, forward="sort")
            leaving = self._entered_inside("goto leaving")
            yield chain("sort", self._clear(), *leaving, *self._forged(), "goto arriving")
        # What the operator trusts has the wider limit, so it is looked up first.
        yield chain("arriving", *self._networks("s", "goto network"), *self._flows("s", "goto phone"), "goto strangers")
        yield chain("network", *limits.trusted_networks(self.plan))
        yield chain("phone", *limits.phones(self.plan))
        yield chain("leaving", *self._leaving())
        yield chain("trusted", f"meta mark set meta mark | {self.plan.trusted_bit:#010x}")
        yield chain("strangers", *limits.strangers(self.plan))

    def _leaving(self) -> list[str]:
        """The remote end decides. On a host all that the PBX sends takes the queue of the trusted (ADR 11).

        A packet that waits is charged to the socket that sent it: behind a flood, answers to strangers would block the PBX's only one.
        """
        if self.host:
            return ["goto trusted"]
        return [*self._by_remote("d", "goto trusted"), *self._between_protected("goto trusted")]

    def queue(self) -> Iterator[str]:
        """The queueing rules, where the kernel has the statement for them."""
        target = {"input": LANES, "output": LANES} if self.host else {"forward": LANES}
        yield from self._hooked("queue_", -149, **target)
        plan = self.plan
        lines = [f"meta mark & {plan.skip_bit:#010x} != 0 return"]
        for lane in (1, 0):
            marked = f"meta mark & {plan.trusted_bit:#010x} != 0 " if lane else ""
            verdict = f"counter queue num {plan.queues[lane]}" + (" bypass" if plan.bypass[lane] else "")
            lines += [f"{marked}meta l4proto {transport} {verdict}" for transport in ("udp", "tcp")]
        yield chain(LANES, *lines)

    def after(self) -> Iterator[str]:
        """The marks go, so that nobody behind us meets them.

        New flows are limited here and not before the queue: what the sensor drops takes nobody's place.
        """
        if self.host:
            yield from self._hooked("after_", -148, input="settle", output="tell_routing")
            yield from self._rerouted()
        else:
            yield from self._hooked("after_", -148, forward="settle")
        limit = limits.new_flows(self.plan, self.flows)
        answers = self._entered_inside("goto unmark") if limit and not self.host else []
        yield chain("settle", *answers, *limit, "goto unmark")
        yield chain("unmark", self._clear())

    def _rerouted(self) -> Iterator[str]:
        """A host's packets with a mark of somebody else's are routed by that mark and nothing else.

        iptables-nft routes anew when its OUTPUT chain changed a mark, but not where that chain queued the packet; and where it does, our
        bits are in the mark. A chain of the type route does it when the mark changes in it, so one is set before and cleared there.
        """
        theirs = f"meta mark & {self.plan.others_bits:#010x} != 0"
        yield chain("tell_routing", f"{theirs} meta mark set meta mark | {self.plan.mark:#010x} accept", "goto unmark")
        yield from self._hooked("routed_", -147, "route", output="unmark")

    def _hooked(self, prefix: str, priority: int, kind: str = "filter", **targets: str) -> Iterator[str]:
        """A base chain for each hook named, which sends our packets on: towards the protected, from them, or in forward both."""
        for name, target in targets.items():
            lines = [hook(name, priority, kind)]
            if self.host:
                lines.append(f'{"iif" if name == "input" else "oif"}name "lo" return')
            for side in {"input": "d", "output": "s", "forward": "ds"}[name]:
                lines += [f"{ours}{_SIGNALLING} th {side}port {self.ports} goto {target}" for ours in self._ours(side)]
            yield chain(prefix + name, *lines)

    def _ours(self, side: str) -> list[str]:
        """What limits a rule to the protected, for each IP version; one empty text for every address."""
        if not self.plan.protected:
            return [""]
        return [f"{family} {side}addr @protected{version} " for version, family, _ in _FAMILIES]

    def _by_remote(self, side: str, verdict: str) -> list[str]:
        """Rules for packets whose remote end, source or destination, is trusted."""
        return [*self._flows(side, verdict), *self._networks(side, verdict)]

    def _flows(self, side: str, verdict: str) -> list[str]:
        """For an address and port that registered."""
        return [
            f"{_SIGNALLING} {family} {side}addr . th {side}port @trusted{version} {verdict}"
            for version, family, _ in _FAMILIES
        ]

    def _networks(self, side: str, verdict: str) -> list[str]:
        """For what the operator trusts."""
        return [f"{family} {side}addr @trusted_networks{version} {verdict}" for version, family, _ in _FAMILIES]

    def _between_protected(self, verdict: str) -> list[str]:
        """Two protected ends have no remote one. Either one's trust counts, so that both directions take the same lane."""
        if self.host or not self.plan.protected:
            return []
        lines = []
        for version, family, _ in _FAMILIES:
            both = f"{family} daddr @protected{version}"
            lines.append(f"{both} {_SIGNALLING} {family} saddr . th sport @trusted{version} {verdict}")
            lines.append(f"{both} {family} saddr @trusted_networks{version} {verdict}")
        return lines

    def _entered_inside(self, verdict: str) -> list[str]:
        """Rules of a gateway for packets of the protected, by source and by the interface they came in on."""
        if not self.inside:
            return []
        return [f"{self.inside}{ours}{verdict}" for ours in self._ours("s")]

    def _forged(self) -> list[str]:
        return [f"{ours}goto strangers" for ours in self._ours("s") if ours]

    def _clear(self) -> str:
        return f"meta mark & {self.plan.mark:#010x} != 0 meta mark set meta mark & {self.plan.others_bits:#010x}"


def _set(name: str, kind: str, flags: str, size: int = 0, elements: tuple[str, ...] = ()) -> str:
    lines = [f"type {kind}", f"flags {flags}"]
    lines += [f"size {size}"] if size else []
    lines += [f"elements = {{ {', '.join(elements)} }}"] if elements else []
    return f"\tset {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}"


def _quoted(interface: str) -> str:
    """The name of an interface for nft, in which a star at the end would mean more than itself."""
    return f'"{interface}"'
