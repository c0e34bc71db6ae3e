"""The lab's network with ranges of addresses outside, and a PBX of C that answers at once."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.lab.network import ATTACKER, Namespace, Network, network
from tests.lab.sensor import GATEWAY, HOST
from tests.lab.traffic.tools import Floods, Heard, Tool, running

PBX = {4: "10.71.2.3", 6: "fd71:2::3"}
"""Where the responder answers; both gateway settings of the lab protect it."""
TRUSTED = {4: "10.72.0.10", 6: "fd71:3::10"}
"""The first phone of the range that ``ALLOWLIST`` names."""
STRANGERS = {4: "10.73.0.10", 6: "fd71:4::10"}
"""The first of a range of ordinary phones that nobody listed."""
LOCAL_PORTS = {address: port for port, first in ((5060, TRUSTED), (5062, STRANGERS)) for address in first.values()}
FORGED = {4: "10.80.0.0", 6: "fd80::"}
"""The first of the flood's made-up sources."""
ALLOWLIST = '[trust]\nallowlist = ["10.72.0.0/16", "fd71:3::/64"]\n'
RANGES = {4: ("10.72.0.0/16", "10.73.0.0/16", "10.80.0.0/12"), 6: ("fd71:3::/64", "fd71:4::/64", "fd80::/16")}
"""The networks of these, in this order."""
LANES = {"trusted": (0,), "strangers": (1, 2)}
"""Which of them take which queue."""
SOURCES = 50_000
TRACKING = """
-A {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A {chain} -m conntrack --ctstate INVALID -j DROP
-A {chain} -p udp --dport 5060 -j ACCEPT
-A {chain} -i lo -j ACCEPT
-A {chain} -j DROP
"""
"""What a firewall with state has."""


@dataclass(frozen=True)
class Load:
    """What to send: exchanges a second of a mix ("options", "register", "sip"), how long, from how many phones."""

    rate: float = 100
    seconds: float = 5
    mix: str = "options"
    phones: int = 100
    agent: str = "Yealink SIP-T46S 66.86.0.15"
    patience: float = 2
    """Seconds for which answers are waited for after the last request."""
    burst: int = 1
    """So many exchanges begin at once."""


@dataclass(frozen=True)
class Forged:
    """Whose addresses a flood bears: so many from ``first`` upwards (IPv4), each with that port; 0: with many ports."""

    first: str
    sources: int
    port: int = 0


@dataclass(frozen=True)
class Field:
    """A network to send in; logs go to ``folder``."""

    network: Network
    folder: Path
    placement: str = "gateway"

    @property
    def sensing(self) -> Namespace:
        """Where the sensor runs."""
        return self.network.gateway if self.placement == "gateway" else self.network.pbx

    @property
    def settings(self) -> str:
        """The sensor's settings for that place, with the trusted phones' network on its list."""
        return (GATEWAY if self.placement == "gateway" else HOST) + ALLOWLIST

    def phones(self, first: dict[int, str], load: Load, version: int = 4, name: str = "phones") -> Tool:
        """Phones from ``first`` upwards that begin now."""
        arguments = (
            f"--from {first[version]} --to {PBX[version]} --rate {load.rate} --seconds {load.seconds} "
            f"--mix {load.mix} --phones {load.phones} --agent '{load.agent}' --patience {load.patience} "
            f"--local {LOCAL_PORTS[first[version]]} --burst {load.burst}"
        )
        return Tool.start(self.network.outside, self.folder, f"{name}-{version}", "phones", arguments)

    def heard(self, first: dict[int, str], load: Load, version: int = 4) -> Heard:
        """What became of such phones, at their end."""
        return Heard.of(self.phones(first, load, version).figures(load.seconds + 20))

    @contextlib.contextmanager
    def responder(self, version: int = 4, *, own_nonces: bool = False) -> Iterator[Tool]:
        """``own_nonces``: each phone gets one of its own, and can become a trusted one by registering."""
        arguments = f"{PBX[version]} 5060" + (" 0" if own_nonces else "")
        with running(self.network.pbx, self.folder, f"responder-{version}", "responder", arguments) as made:
            yield made

    def flood(
        self, rate: float, seconds: float, kind: str = "register", version: int = 4, forged: Forged | None = None
    ) -> Floods:
        """A flood that begins now, evenly from every processor, as from a card that spreads its interrupts; from 50,000 sources unless told."""
        processors = sorted(os.sched_getaffinity(0))
        forged = forged or Forged(FORGED[version], SOURCES)
        common = (
            f"--device lan0 --mac {self._mac()} --to {PBX[version]} --from {forged.first} --sources {forged.sources} "
            f"--local {forged.port} --kind {kind} --rate {rate / len(processors)} --seconds {seconds}"
        )
        return Floods(
            tuple(
                Tool.start(
                    self.network.outside,
                    self.folder,
                    f"flood-{version}-{processor}",
                    "flood",
                    f"{common} --cpu {processor} --first {place * 2**32 // len(processors)}",
                )
                for place, processor in enumerate(processors)
            )
        )

    def _mac(self) -> str:
        shown = json.loads(self.network.gateway.run("ip -json link show dev outer"))
        return str(shown[0]["address"])

    def track(self) -> None:
        """A firewall with state stands where the sensor is."""
        rules = TRACKING.format(chain="FORWARD" if self.placement == "gateway" else "INPUT")
        (self.folder / "stateful").write_text(f"*filter\n{rules.strip()}\nCOMMIT\n")
        self.sensing.run(f"iptables-restore -n {self.folder}/stateful")

    def count_arrivals(self) -> None:
        """Begin to count what arrives where the sensor is, before any rule of its own; see ``arrived``. IPv4."""
        space = self.sensing
        space.run("nft add table inet watch")
        for lane in LANES:
            space.run(f"nft add counter inet watch {lane}")
        for hook in ("prerouting", "output"):
            space.run(f"nft 'add chain inet watch {hook} {{ type filter hook {hook} priority -460; }}'")
            for lane, places in LANES.items():
                for place in places:
                    for side, port in (("saddr", "dport"), ("daddr", "sport")):
                        rule = f"ip {side} {RANGES[4][place]} udp {port} 5060 counter name {lane}"
                        space.run(f"nft add rule inet watch {hook} {rule}")

    def arrived(self, lane: str) -> int:
        """Packets of a lane ("trusted", "strangers"), both directions, that the sensor's machine has had."""
        listed = json.loads(self.sensing.run(f"nft -j list counter inet watch {lane}"))["nftables"]
        return sum(int(each["counter"]["packets"]) for each in listed if "counter" in each)

    def within(self, folder: Path) -> Field:
        """The same, with its logs elsewhere."""
        return replace(self, folder=folder)


@contextlib.contextmanager
def field(folder: Path, placement: str = "gateway") -> Iterator[Field]:
    """A network of its own, gone afterwards. ``placement``: where the sensor will be, "gateway" or "host"."""
    with network() as made:
        for version in (4, 6):
            _widen(made, version)
        yield Field(made, folder, placement)


def _widen(made: Network, version: int) -> None:
    width = {4: 24, 6: 64}[version]
    made.pbx.run(f"ip -{version} addr add {PBX[version]}/{width} dev lan0 {'nodad' if version == 6 else ''}")
    phones, strangers, forged = RANGES[version]
    for there in (phones, strangers):
        # Every address of the range is one of this host's, without being listed.
        made.outside.run(f"ip -{version} route add local {there} dev lo")
    for there in (phones, strangers, forged):
        made.gateway.run(f"ip -{version} route add {there} via {ATTACKER[version]}")
    if version == 6:
        made.outside.run("sysctl -qw net.ipv6.ip_nonlocal_bind=1")
