"""A small network in namespaces: somebody outside, a gateway, and a PBX behind it. IPv4 and IPv6; nothing leads out of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ATTACKER = {4: "10.71.1.2", 6: "fd71:1::2"}
PHONE = {4: "10.71.1.10", 6: "fd71:1::10"}
OUTER = {4: "10.71.1.1", 6: "fd71:1::1"}
INNER = {4: "10.71.2.1", 6: "fd71:2::1"}
PBX = {4: "10.71.2.2", 6: "fd71:2::2"}

_numbers = itertools.count()


@dataclass(frozen=True)
class Namespace:
    """A network namespace of this test run."""

    name: str

    def command(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str, timeout: float = 60, check: bool = True) -> str:
        """What a command in it prints on both outputs."""
        done = subprocess.run(
            self.command(*command), capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )
        if check and done.returncode != 0:
            message = f"{command} in {self.name}: exit {done.returncode}: {done.stdout}{done.stderr}"
            raise AssertionError(message)
        return done.stdout + done.stderr

    def start(self, *command: str, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(*command), text=True, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload, no-any-return]

    def processes(self) -> list[int]:
        listed = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        return [int(word) for word in listed.stdout.split()]

    def empty(self) -> None:
        """End every process in it: all of them are of this run."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 3
            for process in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
            while self.processes() and time.monotonic() < deadline:
                time.sleep(0.02)


@dataclass(frozen=True)
class Network:
    """``outside`` holds the attacker's and the phones' addresses, ``gateway`` forwards, ``pbx`` answers calls."""

    outside: Namespace
    gateway: Namespace
    pbx: Namespace

    def arrived(self, source: str) -> int:
        """Packets from an address of outside that reached the PBX host."""
        tool = "ip6tables" if ":" in source else "iptables"
        for line in self.pbx.run(tool, "-w", "-t", "raw", "-vnxL", "PREROUTING").splitlines():
            if f"/* from {source} */" in line:
                return int(line.split()[0])
        raise AssertionError("no counting rule for " + source)

    def forget_arrivals(self) -> None:
        for tool in ("iptables", "ip6tables"):
            self.pbx.run(tool, "-w", "-t", "raw", "-Z")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """The namespaces of one lab, gone afterwards with all that runs in them."""
    prefix = f"sslab-{os.getpid()}-{next(_numbers)}"
    spaces = [Namespace(f"{prefix}-{role}") for role in ("out", "gw", "pbx")]
    try:
        for space in spaces:
            _call("netns", "add", space.name)
            _call("-n", space.name, "link", "set", "lo", "up")
        lab = Network(*spaces)
        _wire(lab)
        _count_arrivals(lab)
        yield lab
    finally:
        for space in spaces:
            space.empty()
            subprocess.run(["ip", "netns", "del", space.name], check=False, capture_output=True)


def _call(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _wire(lab: Network) -> None:
    out, gateway, pbx = lab.outside.name, lab.gateway.name, lab.pbx.name
    _call("link", "add", "lan0", "netns", out, "type", "veth", "peer", "name", "outer", "netns", gateway)
    _call("link", "add", "lan0", "netns", pbx, "type", "veth", "peer", "name", "inner", "netns", gateway)
    _address(out, "lan0", (ATTACKER, PHONE))
    # Deprecated: never chosen as a source address unless asked for.
    _call("-n", out, "addr", "change", f"{PHONE[6]}/64", "dev", "lan0", "preferred_lft", "0", "nodad")
    _address(gateway, "outer", (OUTER,))
    _address(gateway, "inner", (INNER,))
    _address(pbx, "lan0", (PBX,))
    for space, router in ((out, OUTER), (pbx, INNER)):
        for version in (4, 6):
            _call("-n", space, f"-{version}", "route", "add", "default", "via", router[version])
    lab.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")


def _address(space: str, device: str, addresses: Sequence[dict[int, str]]) -> None:
    for pair in addresses:
        _call("-n", space, "addr", "add", f"{pair[4]}/24", "dev", device)
        _call("-n", space, "addr", "add", f"{pair[6]}/64", "dev", device, "nodad")
    _call("-n", space, "link", "set", device, "up")


def _count_arrivals(lab: Network) -> None:
    """Rules on the PBX host that only count, before anything there can drop."""
    for tool, version in (("iptables", 4), ("ip6tables", 6)):
        for source in (ATTACKER[version], PHONE[version]):
            lab.pbx.run(tool, "-w", "-t", "raw", "-A", "PREROUTING", "-s", source, "-m", "comment", "--comment", f"from {source}")


def wait_for(condition: object, seconds: float, what: str) -> None:
    """Until ``condition()`` holds. Raises AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def has_lines(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0
