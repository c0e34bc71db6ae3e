"""Stand-ins for the tools, and plans to make rules of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sipsensor.enforce.rules import kernel, tools
from sipsensor.enforce.rules.plan import KernelPlan

HOST = KernelPlan("host", 5060, (4569, 5060), (), (), (), (True, True), 50000, "accept", 0x30000000)
GATEWAY = KernelPlan(
    "gateway",
    7,
    (5060,),
    ("192.0.2.10/32", "198.51.100.0/24", "2001:db8::/64"),
    ("lan0", "lan1"),
    ("203.0.113.0/24", "2001:db8:5::7"),
    (False, True),
    1000,
    "drop",
    0x3,
)


class Tools:
    """Stand-ins for nft and iptables that write down what they are given to change. ``answers`` makes one say something else."""

    NAMES = ("nft", "iptables", "ip6tables", "iptables-restore", "ip6tables-restore", "iptables-save", "ip6tables-save")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        for name in self.NAMES:
            self.answers(name, "exit 0")
        self.answers("nft", f"case \"$1\" in -j) echo '{json.dumps({'nftables': []})}';; esac")

    def answers(self, name: str, script: str) -> None:
        """``script`` finds what the tool reads in ``$input``."""
        change = '*" -f -"|*restore*' if name == "nft" else "*-restore*"
        tool = self.folder / name
        tool.write_text(
            "#!/bin/sh\n"
            f'case "{name} $*" in {change}) case "$*" in *"-c -f"*|*--test*) quiet=1;; esac\n'
            f'  input=$(cat); [ -n "$quiet" ] || {{ echo "{name} $*"; echo "$input"; }} >>{self.log};; esac\n'
            f"{script}\n"
        )
        tool.chmod(0o755)

    @property
    def changes(self) -> list[str]:
        """The calls that change something, without what was fed to them."""
        return [line for line in self.text.splitlines() if line.split(" ")[0] in self.NAMES]

    @property
    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Tools that take everything, for a process with the capability on a machine with IPv6 and an unknown ruleset generation."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(tools, "_IPV6", tmp_path)
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapEff:\t{1 << tools.CAP_NET_ADMIN:016x}\n")
    monkeypatch.setattr(tools, "_STATUS", status)
    monkeypatch.setattr(kernel, "generation", lambda: None)
    return Tools(tmp_path)
