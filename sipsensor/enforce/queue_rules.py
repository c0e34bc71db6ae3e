"""The rules that hand signalling to the queue: put in place at the start, taken away at the end, nobody else's touched.

They stand where both directions show: input and output of a PBX host, forward of a gateway. With iptables they are last in the mangle
table, because a packet that comes back from the queue skips the rest of its chain and must not jump over an operator's own drops; with
nft they have a base chain of their own just behind it. All is in chains (a table) named after us.

Fragments after the first carry no port, so they would pass beside the queue. A rule that nothing ever reaches, with the ``socket`` match
(nft: ``tproxy``), makes the kernel put datagrams together first, IPv6 on hosts and both families on gateways, without connection tracking
(tried: two of three pieces passed unseen before, none after).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

Backend = Literal["nftables", "iptables", "none"]

TABLE = "sipsensor"
CHAINS = {"INPUT": "sipsensor-in", "OUTPUT": "sipsensor-out", "FORWARD": "sipsensor-fwd"}
DEFRAGMENT = "sipsensor-defrag"
DEFRAGMENT_MATCHES = ("-m socket", "-m conntrack --ctstate INVALID")
"""Matches whose presence makes the kernel put fragments together. The second, where the first is missing, tracks connections, too."""

_OWN_CHAINS = (*CHAINS.values(), DEFRAGMENT)
_MULTIPORT_MOST = 15  # ports that one multiport match takes
_SECONDS = 10
_QUEUE_NUMBER = re.compile(r"(?:--queue-num|queue (?:flags \w+ )?(?:num|to)) (\d+)")
_IPV6 = Path("/proc/net/if_inet6")


class RulesError(Exception):
    """The queue rules cannot be set; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """What goes to the queue. ``protected``: networks in CIDR form; none means every address that the hook sees.

    ``bypass``: packets are accepted while nobody serves the queue; without it they are dropped.
    """

    placement: Literal["host", "gateway"]
    queue: int
    ports: tuple[int, ...]
    protected: tuple[str, ...]
    bypass: bool

    def networks(self, version: int) -> tuple[str, ...] | None:
        """The protected networks of one IP version; an empty text for every address, None when that version needs no rules."""
        if not self.protected:
            return ("",)
        return tuple(str(net) for net in map(ip_network, self.protected) if net.version == version) or None


class QueueRules:
    """One plan's rules in this network namespace.

    ``how``: ``auto`` tries nftables and falls back to iptables, because the kernel's ``queue`` expression for nftables is missing on some
    systems. ``holder(queue)`` names who serves a queue, so that the rules of another living sensor are told from leftovers.
    """

    def __init__(self, plan: QueuePlan, how: Literal["auto"] | Backend, holder: Callable[[int], str | None]) -> None:
        self.plan = plan
        self.how = how
        self.holder = holder

    def install(self) -> Backend:
        """Put the rules in place of any that a dead sensor left, and say with what. Raises RulesError, and then nothing is left."""
        if self.how == "none":
            return "none"
        self._refuse_second_sensor()
        self.remove()
        try:
            return self._install()
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Take all rules of ours away, whatever plan they came from. Raises RulesError when a tool refuses; a second call is harmless."""
        if self.how == "none":
            return
        refusals = []
        for tool, _version in _tools():
            script = removal_script(_saved(tool))
            refused = _run([f"{tool}-restore", "-w", "5", "--noflush"], script) if script else None
            refusals += [f"{tool}: {refused}"] if refused is not None else []
        if _nft_table() is not None:
            refused = _run(["nft", "-f", "-"], f"delete table inet {TABLE}\n")
            refusals += [f"nft: {refused}"] if refused is not None else []
        if refusals:
            raise RulesError("the queue rules could not be removed: " + "; ".join(refusals))

    def _install(self) -> Backend:
        if self.how != "iptables":
            refused = _run(["nft", "-f", "-"], nft_script(self.plan))
            if refused is None:
                return "nftables"
            if self.how == "nftables":
                raise RulesError(f'nft does not take the queue rules: {refused}; try queue.rules = "iptables"')
        for tool, version in _tools():
            refused = None
            for match in DEFRAGMENT_MATCHES:
                script = restore_script(self.plan, version, match)
                refused = _run([f"{tool}-restore", "-w", "5", "--noflush"], script) if script else None
                if refused is None:
                    break
            else:
                raise RulesError(f"{tool} does not take the queue rules: {refused}")
        return "iptables"

    def _refuse_second_sensor(self) -> None:
        """A packet that passed one queue skips the rules behind it, so the rules of two sensors would blind one of them."""
        text = "\n".join(line for tool, _version in _tools() for line in _saved(tool)) + (_nft_table() or "")
        for number in sorted({int(found) for found in _QUEUE_NUMBER.findall(text)}):
            other = self.holder(number) if number != self.plan.queue else None
            if other is not None:
                raise RulesError(f"rules of another sensor stand here: queue {number}, {other}; stop it first")


def iptables_rules(plan: QueuePlan, version: int) -> list[str]:
    """The rules of one IP version, each as iptables takes it after ``-t mangle``, for the built-in chains."""
    networks = plan.networks(version)
    if networks is None:
        return []
    rules = []
    groups = [plan.ports[i : i + _MULTIPORT_MOST] for i in range(0, len(plan.ports), _MULTIPORT_MOST)]
    target = f"-j NFQUEUE --queue-num {plan.queue}" + (" --queue-bypass" if plan.bypass else "")
    for chain, towards in _chains(plan):
        side = (" ! -i lo" if towards else " ! -o lo") if plan.placement == "host" else ""
        for network in networks:
            address = f" {'-d' if towards else '-s'} {network}" if network else ""
            for group in groups:
                ports = f"-m multiport --{'d' if towards else 's'}ports {','.join(map(str, group))}"
                rules += [f"-A {chain}{address}{side} -p {transport} {ports} {target}" for transport in ("udp", "tcp")]
    return rules


def restore_script(plan: QueuePlan, version: int, match: str = DEFRAGMENT_MATCHES[0]) -> str:
    """Input for ``iptables-restore --noflush``: our chains and the jumps to them, in one transaction. Empty when there is nothing to do."""
    rules = iptables_rules(plan, version)
    if not rules:
        return ""
    used = sorted({rule.split()[1] for rule in rules})
    lines = [
        "*mangle",
        f":{DEFRAGMENT} - [0:0]",
        *(f":{CHAINS[chain]} - [0:0]" for chain in used),
        f"-A {DEFRAGMENT} {match}",
    ]
    lines += [rule.replace(f"-A {rule.split()[1]}", f"-A {CHAINS[rule.split()[1]]}", 1) for rule in rules]
    lines += [f"-A {chain} -j {CHAINS[chain]}" for chain in used]
    return "\n".join([*lines, "COMMIT", ""])


def removal_script(saved: Sequence[str]) -> str:
    """Input for ``iptables-restore --noflush`` that removes what is ours of the mangle table as ``-S`` lists it; empty when nothing is."""
    jumps = [
        line
        for line in saved
        if line.startswith("-A") and line.split()[-2:-1] == ["-j"] and line.split()[-1] in _OWN_CHAINS
    ]
    chains = [line.split()[1] for line in saved if line.startswith("-N") and line.split()[1] in _OWN_CHAINS]
    if not chains:
        return ""
    lines = ["-D" + line.removeprefix("-A") for line in jumps if line.split()[1] not in _OWN_CHAINS]
    lines += [f"-F {chain}" for chain in chains] + [f"-X {chain}" for chain in chains]
    return "\n".join(["*mangle", *lines, "COMMIT", ""])


def nft_script(plan: QueuePlan) -> str:
    """Input for ``nft -f``: our table with the same rules."""
    chains = ["chain defragment {\n meta l4proto udp tproxy to :1\n}"]
    for chain, towards in _chains(plan):
        hook = chain.lower()
        direction = "d" if towards else "s"
        side = f'{"iif" if towards else "oif"}name != "lo" ' if plan.placement == "host" else ""
        ports = f"meta l4proto {{ tcp, udp }} th {direction}port {{ {', '.join(map(str, plan.ports))} }}"
        target = f"queue num {plan.queue}" + (" bypass" if plan.bypass else "")
        rules = []
        for version, family in ((4, "ip"), (6, "ip6")):
            networks = plan.networks(version)
            if networks == ("",):
                rules = [f"{side}{ports} {target}"]
            elif networks:
                rules.append(f"{side}{family} {direction}addr {{ {', '.join(networks)} }} {ports} {target}")
        name = hook if hook != "forward" else f"forward_{'towards' if towards else 'from'}"
        body = "\n ".join([f"type filter hook {hook} priority -149; policy accept;", *rules])
        chains.append(f"chain {name} {{\n {body}\n}}")
    return f"table inet {TABLE} {{\n" + "\n".join(chains) + "\n}\n"


def needed(plan: QueuePlan) -> list[str]:
    """The commands that an operator who keeps the rules himself has to give."""
    commands = []
    for tool, version in (("iptables", 4), ("ip6tables", 6)):
        rules = iptables_rules(plan, version)
        if rules:
            commands += [
                f"{tool} -t mangle -N {DEFRAGMENT}",
                f"{tool} -t mangle -A {DEFRAGMENT} {DEFRAGMENT_MATCHES[0]}",
            ]
            commands += [f"{tool} -t mangle {rule}" for rule in rules]
    return commands


def _chains(plan: QueuePlan) -> tuple[tuple[str, bool], ...]:
    """(built-in chain, towards the protected) of the plan's rules."""
    if plan.placement == "host":
        return (("INPUT", True), ("OUTPUT", False))
    return (("FORWARD", True), ("FORWARD", False))


def _tools() -> list[tuple[str, int]]:
    return [("iptables", 4), *([("ip6tables", 6)] if _IPV6.exists() else [])]


def _saved(tool: str) -> list[str]:
    """The mangle table as ``-S`` lists it; empty where it cannot be read, because then there is nothing of ours in it either."""
    done = _call([tool, "-w", "5", "-t", "mangle", "-S"])
    return done.stdout.splitlines() if done is not None and done.returncode == 0 else []


def _nft_table() -> str | None:
    """Our table as nft lists it, None when there is none."""
    done = _call(["nft", "-j", "list", "tables"])
    if done is None or done.returncode != 0:
        return None
    tables = [entry["table"] for entry in json.loads(done.stdout)["nftables"] if "table" in entry]
    if not any(table["family"] == "inet" and table["name"] == TABLE for table in tables):
        return None
    listed = _call(["nft", "list", "table", "inet", TABLE])
    return listed.stdout if listed is not None else ""


def _run(command: list[str], script: str) -> str | None:
    """None when the tool took the script, else its complaint in one line."""
    done = _call(command, script)
    if done is None:
        return f"{command[0]} is not installed"
    complaint = " ".join((done.stderr or done.stdout).split())
    return None if done.returncode == 0 else complaint or f"exit {done.returncode}"


def _call(command: list[str], script: str = "") -> subprocess.CompletedProcess[str] | None:
    """Run a tool in a session of its own, so that the operator's Ctrl-C does not kill it halfway; None when it is not installed."""
    path = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        return None
    try:
        return subprocess.run(  # noqa: S603
            [path, *command[1:]],
            input=script,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RulesError(f"{command[0]} did not finish within {_SECONDS} s") from None
