"""A real Asterisk 22 behind the sensor: scanners get nothing, phones and an IAX2 peer notice nothing, and nothing lawful is accused."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.lab.asterisk import Asterisk, asterisk, tree
from tests.lab.attack import SipVicious, attack
from tests.lab.network import ATTACKER, PBX, PHONE, Namespace, Network, network, wait_for
from tests.lab.pbx import Phones
from tests.lab.sensor import COMMAND, GATEWAY, HOST, Running, sensor
from tests.lab.sid import TreeError

# The first of them may have to fetch Asterisk.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PLACEMENTS = ["gateway", "host"]
TRUSTED = f'[trust]\nallowlist = ["{PHONE[4]}"]\n'
IAX2 = 4569
SIP = 5060
# Of the peer, by a name that it remembers them by: to the tone and to the echo, over either protocol.
CALLS = {"i1": "IAX2/pbx/601", "i2": "IAX2/pbx/600", "p1": "PJSIP/601@pbx", "p2": "PJSIP/600@pbx"}


@pytest.fixture(scope="module")
def server(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Network, Asterisk]]:  # noqa: ARG001
    """The lab's network with Asterisk in place of Kamailio."""
    try:
        tree()
    except TreeError as problem:
        missing("Asterisk", str(problem))
    with network() as made, asterisk(made.pbx, "pbx", tmp_path_factory.mktemp("asterisk")) as running:
        _count(made)
        yield made, running


@pytest.fixture(scope="module")
def lab(server: tuple[Network, Asterisk]) -> Network:
    return server[0]


@pytest.fixture(scope="module")
def pbx(server: tuple[Network, Asterisk]) -> Asterisk:
    return server[1]


@pytest.fixture(autouse=True)
def fresh_counters(lab: Network) -> None:
    lab.forget_arrivals()
    for table in ("raw", "filter"):
        lab.outside.run(f"iptables -w -t {table} -Z")


def _count(made: Network) -> None:
    """Rules that count what leaves one end for the other, and what comes through to the programs there."""
    ends = ((made.outside, PHONE[4], PBX[4]), (made.pbx, PBX[4], PHONE[4]))
    for port in (IAX2, SIP):
        for space, own, other in ends:
            ports = f"-p udp --sport {port} --dport {port} -m comment --comment"
            space.run(f"iptables -w -t raw -A OUTPUT -s {own} -d {other} {ports} 'sent {port}'")
            space.run(f"iptables -w -t filter -A INPUT -s {other} -d {own} {ports} 'received {port}'")


def _counted(space: Namespace, chain: str, comment: str) -> int:
    table = "raw" if chain == "OUTPUT" else "filter"
    for line in space.run(f"iptables -w -t {table} -vnxL {chain}").splitlines():
        if f"/* {comment} */" in line:
            return int(line.split()[0])
    raise AssertionError(f"no rule counts {comment}")


def passed(made: Network, port: int) -> list[int]:
    """Packets between peer and PBX on that port: sent and received on the way in, sent and received on the way out."""
    return [
        _counted(space, chain, f"{word} {port}")
        for start, end in ((made.outside, made.pbx), (made.pbx, made.outside))
        for space, chain, word in ((start, "OUTPUT", "sent"), (end, "INPUT", "received"))
    ]


@contextlib.contextmanager
def protected(lab: Network, folder: Path, placement: str, more: str = "", options: str = "") -> Iterator[Running]:
    """A sensor in enforce mode on the gateway, or on the host of Asterisk."""
    space, text = (lab.gateway, GATEWAY) if placement == "gateway" else (lab.pbx, HOST)
    with sensor(space, folder, text + more, f"--enforce {options}") as running:
        yield running


def clean(record: Path) -> list[str]:
    """What accuses somebody when a record is replayed: alerts, anomalies, cuts; and the verdicts are those of the live run, or it fails."""
    verified = subprocess.run([COMMAND, "replay", "--verify", record], capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    told = subprocess.run([COMMAND, "replay", "--json", record], capture_output=True, text=True, check=True).stdout
    return accusing(told)


def accusing(events: str) -> list[str]:
    """All but counts, and who became known or trusted."""
    return [
        line for line in events.splitlines() if json.loads(line)["event_type"] not in {"summary", "stats", "standing"}
    ]


def test_without_a_sensor_the_weak_password_is_found(lab: Network, pbx: Asterisk) -> None:
    assert "Asterisk PBX" in lab.outside.run(f"svmap {PBX[4]}")
    assert "| 202" in lab.outside.run("svcrack -u 202 -r 200-204 pbx4")
    assert lab.arrived(ATTACKER[4]) >= 3
    assert pbx.version().startswith("Asterisk ")


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_no_packet_of_sipvicious_gets_through_and_phones_call(
    lab: Network, folder: Path, sipvicious: list[SipVicious], placement: str
) -> None:
    record = folder / "record.pcap"
    with protected(lab, folder, placement, options=f"--record {record}") as running:
        printed = attack(lab.outside, sipvicious)
        for version in (4, 6):
            assert lab.delivered(ATTACKER[version]) == 0, printed
            Phones(lab.outside, version, folder).call(3)
            Phones(lab.outside, version, folder).register("201", 5078, transport="t1")
            assert lab.delivered(PHONE[version]) == lab.arrived(PHONE[version])
        assert running.stop() == 0
    for command, text in printed.items():
        assert "asterisk" not in text.lower(), command
        assert "| 202" not in text, command
    accused = {json.loads(line)["src_ip"] for line in clean(record)}
    assert accused == set(ATTACKER.values())


@pytest.mark.parametrize("lane", ["strangers", "trusted"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_peer_registers_qualifies_and_calls(
    lab: Network, pbx: Asterisk, folder: Path, placement: str, lane: str
) -> None:
    record, own = folder / "record.pcap", folder / "peer"
    own.mkdir()
    more = TRUSTED if lane == "trusted" else ""
    with protected(lab, folder, placement, more, f"--record {record}") as running:
        with asterisk(lab.outside, "peer", own) as peer:
            calls_before = _calls(pbx)
            _settles(peer, pbx)
            for name, channel in CALLS.items():
                peer.ask(f"channel originate {channel} extension {name}@called")
            wait_for(lambda: peer.ask("database show lab").count(": answered") == len(CALLS), 20, "answered calls")
            wait_for(lambda: "0 active calls" in peer.ask("core show calls"), 20, "their end")
            assert _calls(pbx) == calls_before + len(CALLS)
            # Or the PBX goes on asking whether it is there.
            peer.ask("pjsip send unregister pbx")
            wait_for(lambda: "/sip:210@" not in pbx.ask("pjsip show contacts"), 30, "the end of the registration")
        for port, least in ((IAX2, 200), (SIP, 20)):
            sent_in, received_in, sent_out, received_out = passed(lab, port)
            assert sent_in == received_in >= least / 2, f"port {port}"
            assert sent_out == received_out >= least / 2, f"port {port}"
        # What a host sends takes the queue of the trusted, whoever it is for.
        lanes = (lane, lane if placement == "gateway" else "trusted")
        wait_for(partial(_all_queued, lab, running, lanes), 30, f"every packet in the queue of {lane}")
        assert running.metric("sipsensor_uninspected_packets_total") == 0
        assert running.stop() == 0
    assert clean(record) == []
    told = running.events.read_text()
    assert accusing(told) == []
    # Its registration makes a stranger trusted; one in the allowlist has its standing from there.
    stood = {
        (event["src_ip"], event["src_port"], event["standing"]["standing"])
        for event in map(json.loads, told.splitlines())
    }
    assert stood == ({(PHONE[4], SIP, "trusted")} if lane == "strangers" else set())


def _settles(peer: Asterisk, pbx: Asterisk) -> None:
    """Registered and qualified, over IAX2 and over SIP, both ways."""
    wait_for(lambda: "Registered" in peer.ask("iax2 show registry").split(), 30, "the registration over IAX2")
    wait_for(lambda: " OK (" in peer.ask("iax2 show peers"), 30, "the peer's question whether the PBX is there")
    wait_for(lambda: "Registered" in peer.ask("pjsip show registrations").split(), 30, "the registration over SIP")
    for end in (peer, pbx):
        wait_for(partial(_available, end), 30, "OPTIONS and its answer")


def _available(end: Asterisk) -> bool:
    return "Avail" in end.ask("pjsip show contacts").split()


def _all_queued(lab: Network, running: Running, lanes: tuple[str, str]) -> bool:
    """What went to the PBX came out of the first lane's queue, what it sent out of the second's, and nothing out of any other. Only SIP is
    no stranger's any more from when the peer is registered: how much of it came before that depends on the time.
    """
    least, total = {"strangers": 0, "trusted": 0}, 0
    for port in (IAX2, SIP):
        sent_in, _, sent_out, _ = passed(lab, port)
        total += sent_in + sent_out
        for lane, count in zip(lanes, (sent_in, sent_out), strict=True):
            least[lane] += count if port == IAX2 or lane == "trusted" else 0
    queued = {lane: running.metric(f'sipsensor_packets_total{{queue="{lane}"}}') for lane in least}
    return sum(queued.values()) == total and all(queued[lane] >= count for lane, count in least.items())


def _calls(pbx: Asterisk) -> int:
    processed = [line for line in pbx.ask("core show calls").splitlines() if "processed" in line]
    return int(processed[0].split()[0])
