"""The kernel rules alone: which packet takes which lane, and what becomes of those that are blocked or come too fast."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrRouting, PadN
from scapy.packet import Raw

from tests.lab.kernel import NOBODY, TRUST, Lanes, Rules, ip, pieces, rules, send, tcp, udp
from tests.lab.network import ATTACKER, PBX, PHONE, Namespace, Network, inside, wait_for
from tests.lab.sensor import GATEWAY, HOST, sensor

VERSIONS = pytest.mark.parametrize("version", [4, 6])


@VERSIONS
def test_the_remote_end_decides_about_the_lane(lab: Network, folder: Path, version: int) -> None:
    with rules(lab.gateway, folder, GATEWAY + TRUST) as made:
        send(lab.outside, udp(version, ATTACKER, NOBODY, sport=7), udp(version, ATTACKER, NOBODY, dport=4569))
        assert made.new() == Lanes(strangers=2)
        send(lab.outside, udp(version, PHONE, NOBODY), tcp(version, PHONE, NOBODY), tcp(version, ATTACKER, NOBODY))
        assert made.new() == Lanes(trusted=1, trusted_tcp=1, strangers_tcp=1)
        send(
            lab.pbx,
            udp(version, PBX, PHONE, dport=7),
            udp(version, PBX, ATTACKER, dport=7),
            tcp(version, PBX, PHONE, dport=7),
        )
        assert made.new() == Lanes(trusted=1, strangers=1, trusted_tcp=1)


@VERSIONS
def test_between_two_protected_both_directions_take_one_lane_and_no_limit(
    lab: Network, folder: Path, version: int
) -> None:
    text = GATEWAY.replace("10.71.2.0/24", '10.71.2.0/24", "10.71.1.0/24", "fd71:1::/64')
    text += 'inside = ["inner", "outer"]\n[queue]\nstranger_rate = 1\n'
    with rules(lab.gateway, folder, text + TRUST) as made:
        send(lab.outside, udp(version, PHONE, NOBODY))
        send(lab.pbx, udp(version, PBX, PHONE))
        assert made.new() == Lanes(trusted=2)
        send(lab.outside, *[udp(version, ATTACKER, NOBODY)] * 20)
        send(lab.pbx, *[udp(version, PBX, ATTACKER)] * 20)
        assert made.new() == Lanes(strangers=40)


def test_more_ports_than_iptables_takes_at_once(lab: Network, folder: Path) -> None:
    ports = list(range(5060, 5090))
    with rules(lab.gateway, folder, GATEWAY + f"sip_ports = {ports}\n") as made:
        send(
            lab.outside, *[udp(version, ATTACKER, NOBODY, dport=port) for version in (4, 6) for port in (*ports, 5090)]
        )
        assert made.new() == Lanes(strangers=60)


@VERSIONS
def test_other_ports_and_transports_are_left_alone(lab: Network, folder: Path, version: int) -> None:
    lite = ip(version, ATTACKER, NOBODY)
    lite.__setattr__("nh" if version == 6 else "proto", 136)
    sctp = ip(version, ATTACKER, NOBODY)
    sctp.__setattr__("nh" if version == 6 else "proto", 132)
    same_ports = Raw(b"\x13\xc4\x13\xc4" + bytes(8))
    with rules(lab.gateway, folder, GATEWAY) as made:
        send(lab.outside, udp(version, ATTACKER, NOBODY, dport=10000), lite / same_ports, sctp / same_ports)
        send(lab.pbx, udp(version, PBX, ATTACKER, sport=10000, dport=5060))
        assert made.new() == Lanes()


@VERSIONS
def test_no_source_makes_a_stranger_of_the_outside_one_of_ours(lab: Network, folder: Path, version: int) -> None:
    # Even where the protected are listed as trusted, and the destination is.
    trust = (
        '[trust]\nallowlist = ["10.71.1.10", "10.71.2.0/24", "fd71:1::10", "fd71:2::/64"]\n[queue]\nstranger_rate = 2\n'
    )
    with rules(lab.gateway, folder, GATEWAY + trust) as made:
        send(lab.outside, udp(version, PBX, NOBODY), tcp(version, PBX, NOBODY))
        assert made.new() == Lanes(strangers=1, strangers_tcp=1)
        # And it counts against the strangers' rate.
        send(lab.outside, *[udp(version, PBX, NOBODY)] * 50)
        found = made.new()
        assert found.limited > 30
        assert found.strangers + found.limited == 50


@VERSIONS
def test_above_the_rate_strangers_alone_are_stopped(lab: Network, folder: Path, version: int) -> None:
    with rules(lab.gateway, folder, GATEWAY + TRUST + "[queue]\nstranger_rate = 10\n") as made:
        send(lab.outside, *[udp(version, ATTACKER, NOBODY, sport=port) for port in range(1024, 1124)])
        found = made.new()
        assert found.limited >= 80
        assert found.strangers + found.limited == 100
        send(lab.outside, *[udp(version, PHONE, NOBODY)] * 50)
        send(lab.pbx, *[udp(version, PBX, ATTACKER)] * 50)
        assert made.new() == Lanes(trusted=50, strangers=50)


def test_in_observe_mode_what_comes_too_fast_passes_beside_the_queue(lab: Network, folder: Path) -> None:
    with rules(lab.gateway, folder, GATEWAY + "[queue]\nstranger_rate = 10\n", "observe") as made:
        send(lab.outside, *[udp(4, ATTACKER, PBX, sport=port) for port in range(1024, 1074)])
        found = made.new()
        assert found.limited >= 30
        assert found.strangers + found.limited == 50
        assert lab.arrived(ATTACKER[4]) == 50


@VERSIONS
@pytest.mark.parametrize("how", ["tproxy", "socket", "ct"])
def test_every_way_of_putting_fragments_together_does_it(fresh: Network, folder: Path, version: int, how: str) -> None:
    gateway = fresh.gateway
    plan = 'KernelPlan("gateway", 5060, (5060,), ("10.71.2.0/24", "fd71:2::/64"), ("inner",), (), (True, True), 99, "drop", 3)'
    code = (
        "from sipsensor.enforce.rules import *; from sipsensor.enforce.rules.table import Features; "
        f'print(kernel_script({plan}, "iptables", Survey(Features(defragment="{how}"))))'
    )
    (folder / "rules.sh").write_text(gateway.run(f"{sys.executable} -c {shlex.quote(code)}"))
    tool = "iptables -w" if version == 4 else "ip6tables -w"
    for match in ("length --length 3000:65535", "length --length 0:2999"):
        gateway.run(f"{tool} -A FORWARD -s {ATTACKER[version]} -m {match}")

    def forwarded() -> list[int]:
        """Packets of the attacker's, large and small."""
        lines = gateway.run(f"{tool} -vnxL FORWARD").splitlines()
        return [int(line.split()[0]) for line in lines if ATTACKER[version] in line]

    def passed(wanted: list[int]) -> bool:
        return forwarded() == wanted

    send(fresh.outside, *pieces(version, ATTACKER, 5060), echo=False)  # an echo is a connection, too
    wait_for(partial(passed, [0, 4]), 20, "the pieces as they are")
    gateway.run(f"sh {folder}/rules.sh")
    send(fresh.outside, *pieces(version, ATTACKER, 5061), echo=False)
    wait_for(partial(passed, [1, 4]), 20, "the whole")
    assert Rules(gateway, folder).new() == Lanes(strangers=1)
    # Only the last way tracks connections, and then not those of our ports.
    for small, port, tracked in ((5, 5060, 0), (6, 7000, int(how == "ct"))):
        send(fresh.outside, udp(version, ATTACKER, NOBODY, sport=port, dport=port), echo=False)
        wait_for(partial(passed, [1, small]), 20, "one more")
        assert int(gateway.run("cat /proc/sys/net/netfilter/nf_conntrack_count")) == tracked


def test_ports_behind_options_are_found_and_nothing_is_tracked(lab: Network, folder: Path) -> None:
    options = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
    with rules(lab.gateway, folder, GATEWAY) as made:
        for header in (options, IPv6ExtHdrRouting(segleft=0, addresses=["::1"]), options / options):
            packet = ip(6, ATTACKER, NOBODY) / header / UDP(sport=5060, dport=5060) / Raw(b"x")
            send(lab.outside, packet)
            assert made.new() == Lanes(strangers=1), header
        assert lab.gateway.run("cat /proc/sys/net/netfilter/nf_conntrack_count").strip() == "0"


@VERSIONS
def test_marks_of_others_change_nothing_and_stay(lab: Network, folder: Path, version: int) -> None:
    tool = "iptables -w" if version == 4 else "ip6tables -w"
    counting = "POSTROUTING -m mark --mark {} -m comment --comment {}"
    with rules(lab.gateway, folder, GATEWAY + TRUST) as made:
        # In front of us: both of our bits are set, and two that are not ours.
        lab.gateway.run(f"{tool} -t mangle -A PREROUTING -j MARK --set-mark 0x30000042")
        lab.gateway.run(f"{tool} -t mangle -A {counting.format('0x42', 'theirs')}")
        try:
            send(lab.outside, udp(version, ATTACKER, PBX), udp(version, PHONE, PBX))
            assert made.new() == Lanes(strangers=1, trusted=1)
            printed = lab.gateway.run(f"{tool} -t mangle -vnxL POSTROUTING")
            assert [line.split()[0] for line in printed.splitlines() if "theirs" in line] == ["2"]
            # Between us and the queue: who erases the mark gets the strangers' queue.
            lab.gateway.run(f"{tool} -t mangle -I FORWARD -j MARK --set-mark 0")
            send(lab.outside, udp(version, PHONE, PBX))
            assert made.new() == Lanes(strangers=1)
        finally:
            lab.gateway.attempt(f"{tool} -t mangle -D FORWARD -j MARK --set-mark 0")
            lab.gateway.run(f"{tool} -t mangle -D PREROUTING -j MARK --set-mark 0x30000042")
            lab.gateway.run(f"{tool} -t mangle -D {counting.format('0x42', 'theirs')}")


@VERSIONS
def test_a_host_takes_what_comes_from_outside_in_its_own_name_for_a_strangers(
    lab: Network, folder: Path, version: int
) -> None:
    own = {4: "10.71.2.0/24", 6: "fd71:2::/64"}
    text = HOST + f'[trust]\nallowlist = ["{own[version]}", "{PHONE[version]}"]\n'
    with rules(lab.pbx, folder, text) as made:
        send(lab.outside, udp(version, PHONE, PBX), udp(version, ATTACKER, PBX), udp(version, PBX, PBX, sport=7))
        # The kernel drops the last one itself in IPv4.
        assert made.new() == Lanes(trusted=1, strangers=1 if version == 4 else 2)
        # What the host itself sends never waits behind strangers.
        send(lab.pbx, udp(version, PBX, PHONE), udp(version, PBX, ATTACKER), tcp(version, PBX, PHONE))
        assert made.new() == Lanes(trusted=2, trusted_tcp=1)


@VERSIONS
def test_a_host_whose_operator_routes_by_mark_still_does(fresh: Network, folder: Path, version: int) -> None:
    tool = "iptables -w" if version == 4 else "ip6tables -w"
    gateway, pbx = fresh.gateway, fresh.pbx
    route = "10.71.5.1 lan1 10.71.5.2/24" if version == 4 else "fd71:5::1 lan1 fd71:5::2/64"
    towards, device, own = route.split()
    pbx.run(f"ip link add {device} type veth peer name second")
    subprocess.run(["ip", "-n", pbx.name, "link", "set", "second", "netns", gateway.name], check=True)
    for space, link, address in ((pbx, device, own), (gateway, "second", f"{towards}/{own.rpartition('/')[2]}")):
        space.run(f"ip addr add {address} dev {link}" + (" nodad" if version == 6 else ""))
        space.run(f"ip link set {link} up")
    gateway.run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.second.rp_filter=0")
    pbx.run(f"ip -{version} rule add fwmark 0x1 table 100")
    pbx.run(f"ip -{version} route add default via {towards} dev {device} table 100")
    # One that keeps our bits, and one that does not.
    for mark, port in (("--set-xmark 0x1/0xff", 7), ("--set-mark 0x1", 9)):
        pbx.run(f"{tool} -t mangle -A OUTPUT -p udp --sport 4569 --dport {port} -j MARK {mark}")
        gateway.run(f"{tool} -t raw -A PREROUTING -i second -p udp --dport {port}")
        gateway.run(f"{tool} -t raw -A PREROUTING -i inner -p udp --dport {port}")

    def counted() -> list[int]:
        lines = gateway.run(f"{tool} -t raw -vnxL PREROUTING").splitlines()
        return [int(line.split()[0]) for line in lines if "dpt:" in line]

    def ways() -> list[int]:
        """By port, the packets that came over the second link and over the first, all of them."""
        gateway.run(f"{tool} -t raw -Z PREROUTING")
        send_from_pbx(pbx, version, [(remote[version], port) for remote in (ATTACKER, PHONE) for port in (7, 9)])
        wait_for(lambda: sum(counted()) == 4, 30, "what was sent")
        return counted()

    assert ways() == [2, 0, 2, 0]
    with rules(pbx, folder, HOST + TRUST):
        assert ways() == [2, 0, 2, 0]
    with sensor(pbx, folder, HOST + TRUST):
        assert ways() == [2, 0, 2, 0]


def send_from_pbx(pbx: Namespace, version: int, ends: Iterable[tuple[str, int]]) -> None:
    """A datagram to each end from a socket on the PBX's port: only those are routed again."""
    with inside(pbx), socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind((PBX[version], 4569))
        for remote in ends:
            end.sendto(b"OPTIONS sip:a SIP/2.0", remote)


def blocked(space: Namespace, version: int, name: str, element: str) -> None:
    space.run(f"nft add element inet sipsensor {name}{version} '{{ {element} timeout 1m }}'")


@VERSIONS
@pytest.mark.parametrize("place", ["gateway", "pbx"])
def test_a_blocked_source_loses_its_signalling_and_nothing_else(
    lab: Network, folder: Path, version: int, place: str
) -> None:
    space = {"gateway": lab.gateway, "pbx": lab.pbx}[place]
    stranger = {version: ATTACKER[version]}
    with rules(space, folder, GATEWAY if place == "gateway" else HOST) as made:
        blocked(space, version, "blocked", ATTACKER[version])
        send(
            lab.outside,
            udp(version, stranger, PBX),
            tcp(version, stranger, PBX),
            udp(version, stranger, PBX, dport=4569),
        )
        assert made.new() == Lanes()
        assert lab.delivered(ATTACKER[version]) == 0
        send(lab.outside, udp(version, stranger, PBX, dport=10000), tcp(version, stranger, PBX, dport=22))
        assert lab.delivered(ATTACKER[version]) == 2
        send(lab.outside, udp(version, PHONE, PBX))
        assert made.new() == Lanes(strangers=1)
        assert "packets 3 " in space.run("nft list counter inet sipsensor blocked")


@VERSIONS
def test_the_trusted_in_a_blocked_network_keep_working_in_pieces_too(lab: Network, folder: Path, version: int) -> None:
    network_of_phones = {4: "10.71.1.0/24", 6: "fd71:1::/64"}[version]
    with rules(lab.gateway, folder, GATEWAY) as made:
        blocked(lab.gateway, version, "blocked_networks", network_of_phones)
        send(lab.outside, *pieces(version, PHONE, 5060))
        assert made.new() == Lanes()
        blocked(lab.gateway, version, "trusted", f"{PHONE[version]} . 5060")
        blocked(lab.gateway, version, "trusted_hosts", PHONE[version])
        send(lab.outside, *pieces(version, PHONE, 5060), *pieces(version, PHONE, 5070))
        assert made.new() == Lanes(trusted=1)
