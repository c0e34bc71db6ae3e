"""The kernel rules without a sensor, and what is seen of them: which queue packets met, and what other tools have in the kernel."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.packet import Packet, Raw

from sipsensor.enforce.rules import KernelPlan, KernelRules
from tests.lab.network import ATTACKER, PBX, Namespace, inside
from tests.lab.sensor import command, config

FOLDER = Path(__file__).parent
NOBODY = {4: "10.71.2.9", 6: "fd71:2::9"}
"""Protected, and not there: nothing answers."""
TRUST = '[trust]\nallowlist = ["10.71.1.10", "fd71:1::10"]\n'
PLAN = KernelPlan("host", 5060, (5060,), (), (), (), (True, True), 1, "drop", 3)


class Lanes(NamedTuple):
    """Packets that met the queueing rules: UDP and others, of strangers and of the trusted; and those above a limit: of all strangers, of
    their source, of a trusted one.
    """

    strangers: int = 0
    trusted: int = 0
    strangers_tcp: int = 0
    trusted_tcp: int = 0
    limited: int = 0
    sources: int = 0
    fallen: int = 0


@dataclass
class Rules:
    """The rules of a configuration in a namespace. ``new`` tells what met them since it was last asked."""

    space: Namespace
    file: Path
    before: Lanes = field(default_factory=Lanes)

    def new(self) -> Lanes:
        with inside(self.space):
            counts = KernelRules(PLAN, "none", print).counts()
        now = Lanes(*counts.udp, *counts.other, counts.limited, counts.sources, counts.fallen)
        found = Lanes(*(after - before for after, before in zip(now, self.before, strict=True)))
        self.before = now
        return found

    def command(self, arguments: str) -> tuple[int, str]:
        """Exit status and output of a subcommand of ``sipsensor rules``."""
        return command(f"rules {arguments} --config {shlex.quote(str(self.file))}", self.space)


@contextlib.contextmanager
def rules(space: Namespace, folder: Path, text: str, mode: str = "enforce") -> Iterator[Rules]:
    """The kernel rules of a configuration, without a sensor: what they queue passes."""
    made = Rules(space, config(folder, text))
    status, printed = made.command(f"apply --{mode}")
    assert status == 0, printed
    try:
        yield made
    finally:
        status, printed = made.command("remove")
        assert status == 0, printed


def send(space: Namespace, *packets: Packet, echo: bool = True) -> None:
    """Send IP packets as they are, and wait until every rule on their way has met them; not so without ``echo``, by which that is known."""
    # One of the ends is the sender's own, which costs nothing.
    ends = ",".join([*ATTACKER.values(), *PBX.values()] if echo else [])
    space.run(f"python3 {FOLDER}/raw.py '{ends}' " + " ".join(bytes(packet).hex() for packet in packets))


def saved(space: Namespace) -> dict[str, list[str]]:
    """What stands in the kernel by tool, without counters, comments, and tables that hold no rule."""
    found = {}
    for tool in ("iptables-save", "ip6tables-save"):
        sections = space.run(tool).split("*")
        found[tool] = [
            line.partition(" [")[0] if line.startswith(":") else line
            for section in sections
            if "\n-A " in section
            for line in section.splitlines()
            if not line.startswith("#")
        ]
    tables = [line.split(" ", 1)[1] for line in space.run("nft list tables").splitlines()]
    others = [table for table in tables if not table.startswith(("ip ", "ip6 "))]
    found["nft"] = [line for table in others for line in space.run(f"nft -s list table {table}").splitlines()]
    return found


def ip(version: int, source: dict[int, str], destination: dict[int, str]) -> Packet:
    ends = {"src": source[version], "dst": destination[version]}
    return IPv6(**ends) if version == 6 else IP(**ends)


def udp(
    version: int, source: dict[int, str], destination: dict[int, str], sport: int = 5060, dport: int = 5060
) -> Packet:
    return ip(version, source, destination) / UDP(sport=sport, dport=dport) / Raw(b"keep-alive")


def tcp(
    version: int, source: dict[int, str], destination: dict[int, str], sport: int = 5060, dport: int = 5060
) -> Packet:
    return ip(version, source, destination) / TCP(sport=sport, dport=dport, flags="R")


def pieces(version: int, source: dict[int, str], port: int) -> list[Packet]:
    """A datagram to nobody's SIP port in four fragments."""
    datagram = UDP(sport=port, dport=5060) / Raw(b"keep-alive " * 300)
    if version == 4:
        return list(fragment(IP(bytes(ip(4, source, NOBODY) / datagram)), fragsize=1000))
    return list(fragment6(ip(6, source, NOBODY) / IPv6ExtHdrFragment(id=port) / datagram, 1000))
