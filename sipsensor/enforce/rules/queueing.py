"""The queueing rules as iptables takes them, for kernels without nft's ``queue`` statement: by mark, last in the mangle table.

Last, because a packet that comes back from the queue skips the rest of its chain and must not jump over an operator's own drops. All is in
chains named after us; nothing else of the table is touched.
"""

from __future__ import annotations

from collections.abc import Sequence

from sipsensor.enforce.rules.plan import KernelPlan, networks

CHAINS = {"INPUT": "sipsensor-in", "OUTPUT": "sipsensor-out", "FORWARD": "sipsensor-fwd"}
LANES = "sipsensor-queue"
DEFRAGMENT = "sipsensor-defrag"
SOCKET = "-m socket"
"""A match whose presence makes the kernel put fragments together, without connection tracking."""

OWN_CHAINS = (*CHAINS.values(), LANES, DEFRAGMENT)
_MULTIPORT_MOST = 15  # ports that one multiport match takes


def restore_script(rules: Sequence[str], saved: Sequence[str]) -> str:
    """Input for ``iptables-restore --noflush``: our chains with ``rules`` and the jumps to them, in place of what ``saved`` shows of ours.

    ``saved`` is the mangle table as ``-S`` lists it. One transaction; empty when there is nothing to do.
    """
    wanted = dict.fromkeys(rule.split()[1] for rule in rules)
    gone = [chain for chain in _own_chains(saved) if chain not in wanted]
    if not wanted and not gone:
        return ""
    lines = ["*mangle", *(f":{chain} - [0:0]" for chain in wanted)]
    lines += ["-D" + line.removeprefix("-A") for line in _own_jumps(saved)]
    lines += [f"-F {chain}" for chain in gone] + [f"-X {chain}" for chain in gone]
    lines += [*rules, *(f"-A {chain} -j {own}" for chain, own in CHAINS.items() if own in wanted)]
    return "\n".join([*lines, "COMMIT", ""])


def removal_script(saved: Sequence[str]) -> str:
    """Input for ``iptables-restore --noflush`` that removes what is ours of the mangle table as ``-S`` lists it; empty when nothing is."""
    chains = _own_chains(saved)
    if not chains:
        return ""
    lines = ["-D" + line.removeprefix("-A") for line in _own_jumps(saved)]
    lines += [f"-F {chain}" for chain in chains] + [f"-X {chain}" for chain in chains]
    return "\n".join(["*mangle", *lines, "COMMIT", ""])


def last_again_script(saved: Sequence[str]) -> str:
    """Input for ``iptables-restore --noflush`` that moves our jumps behind all other rules; our chains and their counters stay."""
    own = set(_own_chains(saved))
    lines = ["-D" + line.removeprefix("-A") for line in _own_jumps(saved)]
    lines += [f"-A {chain} -j {name}" for chain, name in CHAINS.items() if name in own]
    return "\n".join(["*mangle", *lines, "COMMIT", ""])


def chain_rules(plan: KernelPlan, version: int, *, queue: bool, socket: bool) -> list[str]:
    """The rules of our chains for one IP version, each as iptables takes it after ``-t mangle``.

    ``queue``: those that queue packets; none when nobody of that version is protected. ``socket``: the one that nothing reaches.
    """
    rules = _queueing(plan, version) if queue else []
    return [*rules, f"-A {DEFRAGMENT} {SOCKET}"] if socket else rules


def _queueing(plan: KernelPlan, version: int) -> list[str]:
    nets = networks(plan.protected, version) if plan.protected else ("",)
    if not nets:
        return []
    host = plan.placement == "host"
    hooks = (("INPUT", "d"), ("OUTPUT", "s")) if host else (("FORWARD", "d"), ("FORWARD", "s"))
    groups = [plan.ports[i : i + _MULTIPORT_MOST] for i in range(0, len(plan.ports), _MULTIPORT_MOST)]
    rules = []
    for hook, side in hooks:
        device = f" ! -{'i' if side == 'd' else 'o'} lo" if host else ""
        for net in nets:
            for group in groups:
                ports = f"-m multiport --{side}ports {','.join(map(str, group))}"
                address = f" -{side} {net}" if net else ""
                rules += [
                    f"-A {CHAINS[hook]}{address}{device} -p {transport} {ports} -g {LANES}"
                    for transport in ("udp", "tcp")
                ]
    return [*rules, *_lane_rules(plan)]


def _lane_rules(plan: KernelPlan) -> list[str]:
    """UDP and TCP in rules of their own: their counters tell what met the queues."""
    rules = [f"-A {LANES} -m mark --mark {plan.skip_bit:#x}/{plan.skip_bit:#x} -j RETURN"]
    for lane in (1, 0):
        marked = f" -m mark --mark {plan.trusted_bit:#x}/{plan.trusted_bit:#x}" if lane else ""
        target = f"-j NFQUEUE --queue-num {plan.queues[lane]}" + (" --queue-bypass" if plan.bypass[lane] else "")
        rules += [f"-A {LANES} -p {transport}{marked} {target}" for transport in ("udp", "tcp")]
    return rules


def own_rules(saved: Sequence[str]) -> list[str]:
    """What ``-S`` lists of our chains, with the jumps to them."""
    own = set(OWN_CHAINS)
    return [line for line in saved if line.split()[1:2] and line.split()[1] in own] + _own_jumps(saved)


def order_faults(saved: Sequence[str]) -> list[str]:
    """Which built-in chains have rules behind our jump, in words."""
    faults = []
    own = set(_own_chains(saved))
    for chain, name in CHAINS.items():
        rules = [line for line in saved if line.startswith(f"-A {chain} ")]
        if name in own and f"-A {chain} -j {name}" in rules and rules[-1] != f"-A {chain} -j {name}":
            faults.append(f"rules stand behind our jump in mangle {chain}")
    return faults


def _own_chains(saved: Sequence[str]) -> list[str]:
    return [line.split()[1] for line in saved if line.startswith("-N ") and line.split()[1] in OWN_CHAINS]


def _own_jumps(saved: Sequence[str]) -> list[str]:
    """The rules of other chains that lead into ours and do nothing else."""
    return [
        line
        for line in saved
        if line.startswith("-A ")
        and line.split()[1] not in OWN_CHAINS
        and line.split()[-2] in ("-j", "-g")
        and line.split()[-1] in OWN_CHAINS
    ]
