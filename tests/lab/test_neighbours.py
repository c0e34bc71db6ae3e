"""Who has nothing to do with SIP behind the same gateway: unfinished fragments for the PBX must not cost him his own."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.network import ATTACKER, PBX, Namespace, Network, inside, network, wait_for
from tests.lab.sensor import sensor

NEIGHBOUR = {4: "10.71.2.3", 6: "fd71:2::3"}
ONLY_THE_PBX = f'[network]\nplacement = "gateway"\nprotected = ["{PBX[4]}", "{PBX[6]}"]\n'
COUNT = 20

UNFINISHED = 4000
"""More than the kernel has memory for, in 1,400 bytes each."""

LISTEN = """
import json, socket, sys
six = ":" in sys.argv[1]
with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM) as bound:
    bound.bind((sys.argv[1], 9999))
    while True:
        print(json.dumps(len(bound.recvfrom(70000)[0])), flush=True)
"""
SEND = """
import socket, sys, time
six = ":" in sys.argv[1]
with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM) as out:
    for _ in range(int(sys.argv[2])):
        out.sendto(b"x" * 4000, (sys.argv[1], 9999))
        time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def lab(root: None) -> Iterator[Network]:  # noqa: ARG001
    """A network of its own: what the kernel has put together halfway keeps others from being put together for half a minute."""
    with network() as made:
        yield made


@pytest.fixture(params=[4, 6])
def neighbour(lab: Network, folder: Path, request: pytest.FixtureRequest) -> Iterator[tuple[int, Path]]:
    """A second address behind the gateway that nobody protects, and who writes down what arrives there."""
    version: int = request.param
    for name, text in (("listen", LISTEN), ("send", SEND)):
        (folder / f"{name}.py").write_text(text)
    lab.pbx.run(f"ip addr add {NEIGHBOUR[version]}/{24 if version == 4 else '64 nodad'} dev lan0")
    log = folder / "arrived.log"
    listener = lab.pbx.start(f"python3 {folder}/listen.py {NEIGHBOUR[version]}", log)
    try:
        wait_for(lambda: ":9999" in lab.pbx.run("ss -Hlun"), 30, "the neighbour")
        yield version, log
    finally:
        listener.kill()
        listener.wait()
        lab.pbx.run(f"ip addr del {NEIGHBOUR[version]}/{24 if version == 4 else 64} dev lan0")


def unfinished(version: int, number: int) -> bytes:
    """The first fragment of a datagram to the PBX's SIP port, whose others never come."""
    udp = struct.pack(">HHHH", 12345, 5060, 1400, 0) + b"x" * 1392
    if version == 4:
        ends = socket.inet_aton(f"10.71.1.{100 + number % 100}") + socket.inet_aton(PBX[4])
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), number, 0x2000, 64, socket.IPPROTO_UDP, 0) + ends + udp
    ends = b"".join(socket.inet_pton(socket.AF_INET6, end) for end in (ATTACKER[6], PBX[6]))
    fragment = struct.pack(">BBHI", socket.IPPROTO_UDP, 0, 1, number)
    return struct.pack(">IHBB", 6 << 28, 8 + len(udp), socket.IPPROTO_FRAGMENT, 64) + ends + fragment + udp


def send_unfinished(space: Namespace, version: int) -> None:
    with inside(space):
        raw = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with raw:
        for number in range(UNFINISHED):
            raw.sendto(unfinished(version, number), (PBX[version], 0))
            if number % 20 == 0:
                time.sleep(0.005)


def test_unfinished_fragments_for_the_pbx_cost_a_neighbour_nothing(
    lab: Network, folder: Path, neighbour: tuple[int, Path]
) -> None:
    version, log = neighbour
    with sensor(lab.gateway, folder, ONLY_THE_PBX) as running:
        send_unfinished(lab.outside, version)
        lab.outside.run(f"python3 {folder}/send.py {NEIGHBOUR[version]} {COUNT}")
        wait_for(lambda: log.read_text().count("\n") >= COUNT, 20, "the neighbour's datagrams")
        assert [json.loads(line) for line in log.read_text().splitlines()] == [4000] * COUNT
        assert _tracked(lab.gateway) == 0
        assert running.metric("sipsensor_packets_total") == 0


def _tracked(space: Namespace) -> int:
    """Connections that the kernel tracks in a namespace."""
    status, text = space.attempt("cat /proc/sys/net/netfilter/nf_conntrack_count")
    return int(text) if status == 0 else 0
