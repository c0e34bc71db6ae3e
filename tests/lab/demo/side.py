"""One of the demo's two networks: what its attacker is told, how its phones fare, and what reaches its PBX."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.network import ATTACKER, PBX, PHONE, Network
from tests.lab.pbx import Phones

TOOLS = {
    "svmap": f"svmap {PBX[4]}",
    "svwar": f"svwar -e 100-299 {PBX[4]}",
    "svcrack": f"svcrack -u 202 -r 100-299 {PBX[4]}",
}
"""SIPVicious as it is used: is there a PBX, which extensions has it, what is the password of one."""

ROUND = 2.0
"""Seconds from one pair of calls to the next."""


@dataclass(frozen=True)
class Found:
    """What a tool of the attacker told him in the end."""

    rows: tuple[tuple[str, str], ...]
    printed: str
    seconds: float

    @property
    def nothing(self) -> bool:
        """The tool itself said so. One that failed has not found nothing."""
        return not self.rows and "found nothing" in self.printed

    def words(self) -> str:
        if self.rows:
            return ", ".join(f"{name}: {what}" for name, what in self.rows)
        return "nothing" if self.nothing else f"failed: {self.printed.strip()[-60:]!r}"


def found(printed: str, seconds: float) -> Found:
    """The rows of the table that a tool of SIPVicious prints in the end, without its head."""
    rows = re.findall(r"^\| (.*?) *\| (.*?) *\|$", printed, re.MULTILINE)
    return Found(tuple(rows[1:]), printed, seconds)


@dataclass
class Side:
    """Attacker and phones of one network. ``tell(side, row, words)`` hears what is new."""

    name: str
    network: Network
    folder: Path
    tell: Callable[[Side, str, str], None]
    found: dict[str, Found] = field(default_factory=dict)
    registrations: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        """Count what leaves; the network itself counts what arrives."""
        for source in (ATTACKER[4], PHONE[4]):
            rule = f"-s {source} -d {PBX[4]} ! -p icmp -m comment --comment 'sent by {source}'"
            self.network.outside.run(f"iptables -w -t raw -A OUTPUT {rule}")

    def attack(self) -> None:
        """One tool after the other, as an attacker would: each builds on what the one before it found."""
        for tool, command in TOOLS.items():
            self.tell(self, tool, "...")
            started = time.monotonic()
            _, printed = self.network.outside.attempt(command)
            self.found[tool] = found(printed, time.monotonic() - started)
            self.tell(self, tool, self.found[tool].words())

    def phone(self, end: threading.Event) -> None:
        """Two phones register, then call each other until the end. Raises AssertionError when the PBX is not there for them."""
        phones = Phones(self.network.outside, 4, self.folder)
        phones.register_both()
        self.registrations += 2
        while not end.is_set():
            started = time.monotonic()
            phones.talk(2)
            self.calls += 2
            self.tell(self, "phones", self.phoned())
            end.wait(started + ROUND - time.monotonic())

    def phoned(self) -> str:
        return f"{self.registrations} registered, {self.calls} calls"

    def packets(self, source: str) -> tuple[int, int]:
        """How many packets of that address left for the PBX, and how many arrived there."""
        arrived = self.network.arrived(source)  # first: more may be sent meanwhile, and then seem lost for a moment
        for line in self.network.outside.run("iptables -w -t raw -vnxL OUTPUT").splitlines():
            if f"/* sent by {source} */" in line:
                return int(line.split()[0]), arrived
        raise AssertionError(f"no counting rule for {source}")
