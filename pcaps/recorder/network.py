"""Hosts of the recorded cases: network namespaces on one bridge, which is the PBX's own interface. Nothing leads out of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.network import HOSTS, Namespace, wait_for

PBX = {4: "192.0.2.10", 6: "2001:db8:2::10"}
ATTACKER = {4: "198.51.100.7", 6: "2001:db8:51::7"}
PHONE = {4: "203.0.113.20", 6: "2001:db8:3::20"}
OTHER_PHONE = {4: "203.0.113.21", 6: "2001:db8:3::21"}
_NETWORKS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
_WANTED = " or ".join(f"net {network} and not icmp6" for network in _NETWORKS)


@contextlib.contextmanager
def hosts(folder: Path) -> Iterator[dict[str, Namespace]]:
    """``pbx``, ``attacker``, ``phone`` and ``other``, gone afterwards with all that runs in them. Needs root."""
    addresses = {"pbx": PBX, "attacker": ATTACKER, "phone": PHONE, "other": OTHER_PHONE}
    spaces = {role: Namespace(f"record-{os.getpid()}-{role}") for role in addresses}
    try:
        for space in spaces.values():
            _ip(f"netns add {space.name}")
            _ip(f"-n {space.name} link set lo up")
        spaces["pbx"].run("ip link add lan0 type bridge")
        for role, space in spaces.items():
            if role != "pbx":
                _ip(f"link add lan0 netns {space.name} type veth peer name to-{role} netns {spaces['pbx'].name}")
                spaces["pbx"].run(f"ip link set to-{role} master lan0 up")
                # Offloaded checksums would be missing in the capture.
                space.run("ethtool -K lan0 tx off rx off")
            _join(space, addresses[role])
            (HOSTS / space.name).mkdir(parents=True)
            (HOSTS / space.name / "hosts").write_text(
                f"127.0.0.1 localhost\n{addresses[role][4]} {os.uname().nodename}\n"
            )
        spaces["pbx"].run("ethtool -K lan0 tx off")
        _kamailio(spaces["pbx"], folder)
        yield spaces
    finally:
        for space in spaces.values():
            space.empty()
            shutil.rmtree(HOSTS / space.name, ignore_errors=True)
            subprocess.run(["ip", "netns", "del", space.name], check=False, capture_output=True)


@contextlib.contextmanager
def capture(space: Namespace, file: Path) -> Iterator[None]:
    """IP packets that pass ``lan0`` while inside, without those that only keep the network going."""
    log = file.with_suffix(".log")
    listener = space.start(f"tcpdump -Z root -i lan0 -U -w {file} '{_WANTED}'", log)
    try:
        wait_for(lambda: "listening on" in log.read_text(), 10, f"tcpdump, see {log}")
        yield
        # What the kernel still buffers: tcpdump reads at least once a second.
        with contextlib.suppress(subprocess.TimeoutExpired):
            listener.wait(1.5)
    finally:
        listener.terminate()
        listener.wait(10)
        log.unlink()


def _kamailio(space: Namespace, folder: Path) -> None:
    listen = " ".join(f"-l {kind}:{address}:5060" for address in (PBX[4], f"[{PBX[6]}]") for kind in ("udp", "tcp"))
    config = Path(__file__).with_name("kamailio.cfg")
    log = folder / "kamailio.log"
    space.start(f"kamailio -f {config} -DD -E -m 32 -M 4 -Y {folder} -w {folder} {listen}", log)
    wait_for(lambda: space.run("ss -Hlun").count(":5060") == len(PBX), 15, f"Kamailio, see {log}")


def _join(space: Namespace, addresses: dict[int, str]) -> None:
    _ip(f"-n {space.name} addr add {addresses[4]}/32 dev lan0")
    _ip(f"-n {space.name} addr add {addresses[6]}/128 dev lan0 nodad")
    _ip(f"-n {space.name} link set lan0 up")
    for network in _NETWORKS:
        source = addresses[6 if ":" in network else 4]
        _ip(f"-n {space.name} route add {network} dev lan0 src {source}")


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)
