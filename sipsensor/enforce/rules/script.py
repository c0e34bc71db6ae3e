"""The kernel rules as a shell script: for review, and for an operator who keeps all rules himself (``queue.rules = "none"``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sipsensor.enforce.rules import queueing
from sipsensor.enforce.rules.features import features
from sipsensor.enforce.rules.limits import FlowLimit
from sipsensor.enforce.rules.plan import KernelPlan
from sipsensor.enforce.rules.table import Features, table_script
from sipsensor.enforce.rules.tools import RulesError, privileged
from sipsensor.enforce.rules.tracking import flow_limit, tracked_by_others


@dataclass(frozen=True, slots=True)
class Survey:
    """What rules have to know of the machine they are for."""

    features: Features = field(default_factory=Features)
    flows: FlowLimit | None = None
    asked: bool = False
    """Whether the kernel was asked, and not merely believed to be able to do everything."""


def survey() -> Survey:
    """Of this machine, where this process may ask; else what most machines are."""
    if not privileged():
        return Survey()
    try:
        return Survey(features(), flow_limit() if tracked_by_others() else None, asked=True)
    except RulesError:
        return Survey()


def kernel_script(plan: KernelPlan, backend: Literal["nftables", "iptables"], known: Survey | None = None) -> str:
    """A script for ``sh``, run as root, that makes the rules of ``plan``; running it again makes them anew.

    ``known`` of the machine it is for (default: one that can do everything, and tracks no connections).
    """
    known = known or Survey()
    able = known.features
    parts = [
        "#!/bin/sh",
        f"# Kernel rules of sipsensor: {plan.placement}, queues {plan.queues[0]} (strangers) and {plan.queues[1]} (trusted), {backend}.",
        "# They are taken away by: sipsensor rules remove",
        "set -eu",
        "",
        _fed("nft -f -", table_script(plan, able, known.flows, queue=backend == "nftables")),
    ]
    for tool, version in (("iptables", 4), ("ip6tables", 6)):
        rules = queueing.chain_rules(plan, version, queue=backend == "iptables", socket=able.defragment == "socket")
        if rules:
            parts += ["", *_tool(tool, version, queueing.restore_script(rules, ()))]
    return "\n".join(parts) + "\n"


def _tool(tool: str, version: int, rules: str) -> list[str]:
    """Jumps of an earlier run go first: each would queue a packet once more."""
    jumps = [line.removeprefix("-A ") for line in rules.splitlines() if line.split()[1:2] and _is_jump(line)]
    lines = [f"while {tool} -w 5 -t mangle -D {jump} 2>/dev/null; do :; done" for jump in jumps]
    lines.append(_fed(f"{tool}-restore -w 5 --noflush", rules))
    if version == 6:  # noqa: PLR2004
        return ["if [ -e /proc/net/if_inet6 ]; then", *lines, "fi"]
    return lines


def _is_jump(line: str) -> bool:
    return line.startswith("-A ") and line.split()[1] in queueing.CHAINS


def _fed(command: str, text: str) -> str:
    return f"{command} <<'END'\n{text}END"
