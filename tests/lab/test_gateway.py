"""Default settings, enforce mode, on the gateway: scanners see a dead address, phones notice nothing, and the record replays the same."""

from __future__ import annotations

import contextlib
import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from tests.lab.attack import SipVicious, attack
from tests.lab.network import ATTACKER, PBX, PHONE, Network, wait_equal, wait_for
from tests.lab.pbx import Phones
from tests.lab.sensor import COMMAND, GATEWAY, Running, bound, mangle, sensor

SEND = f"python3 {Path(__file__).parent}/send.py"


def test_no_packet_of_sipvicious_reaches_the_pbx_and_phones_call(
    lab: Network, folder: Path, sipvicious: list[SipVicious]
) -> None:
    record = folder / "record.pcap"
    with sensor(lab.gateway, folder, GATEWAY, f"--enforce --record {record}") as running:
        printed = attack(lab.outside, sipvicious)
        assert [lab.arrived(ATTACKER[version]) for version in (4, 6)] == [0, 0], printed
        for version in (4, 6):
            Phones(lab.outside, version, folder).call(3)
        dropped = running.metric('sipsensor_drops_total{reason="SIGNATURE"}')
        assert dropped >= len(printed)
        assert running.metric('sipsensor_verdicts_total{verdict="drop"}') == dropped
        assert running.stop() == 0
    for command, text in printed.items():
        assert "kamailio" not in text.lower(), command
        assert "| 202" not in text, command
    events = alerts(running)
    assert {event["alert"]["action"] for event in events} == {"blocked"}
    assert {event["src_ip"] for event in events} == set(ATTACKER.values())
    _replays_the_same(record)


def alerts(running: Running) -> list[dict[str, Any]]:
    """What its event log accuses anybody of."""
    events = [json.loads(line) for line in running.events.read_text().splitlines()]
    return [event for event in events if "alert" in event]


def _replays_the_same(record: Path) -> None:
    done = subprocess.run(
        [str(COMMAND), "replay", "--verify", str(record)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 differ, 0 packets carry none" in done.stderr, done.stderr
    assert record.stat().st_mode & 0o777 == 0o600


def test_observe_mode_lets_everything_pass_and_tells(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY, "--observe") as running:
        assert "202       | 202" in lab.outside.run("svcrack -u 202 -r 200-204 pbx4")
        assert lab.arrived(ATTACKER[4]) >= 2
        assert running.metric('sipsensor_verdicts_total{verdict="drop"}') >= 2
        assert running.metric('sipsensor_answers_total{answer="drop"}') == 0
        running.stop()
    events = alerts(running)
    assert {event["alert"]["action"] for event in events} == {"allowed"}
    assert {event["sipsensor"]["verdict"] for event in events} == {"drop"}


def sent_and_passed(lab: Network, version: int) -> bool:
    lab.outside.run(f"python3 {Path(__file__).parent}/send.py {PBX[version]} padded-lawful")
    with contextlib.suppress(AssertionError):
        wait_for(lambda: lab.arrived(ATTACKER[version]) >= 1, 3, "it")
        return True
    return False


def test_a_scanner_in_fragments_is_put_together_and_dropped(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY):
        for version in (4, 6):
            lab.outside.run(f"python3 {Path(__file__).parent}/send.py {PBX[version]} padded")
            assert lab.arrived(ATTACKER[version]) == 0
            # The same without the scanner's name passes whole, so it was not the fragments that died.
            # A datagram that lost a piece on the way is sent again, as its sender would.
            wait_for(partial(sent_and_passed, lab, version), 30, "the same without the scanner's name")


def test_what_the_kernel_does_not_show_whole_is_dropped(lab: Network, folder: Path) -> None:
    record = folder / "record.pcap"
    with sensor(lab.gateway, folder, GATEWAY, f"--enforce --record {record}") as running:
        lab.outside.run(f"python3 {Path(__file__).parent}/send.py {PBX[4]} largest")
        wait_equal(lambda: running.metric("sipsensor_truncated_packets_total"), 1, "the packet")
        assert running.metric('sipsensor_drops_total{reason="UNINSPECTED"}') == 1
        assert lab.arrived(ATTACKER[4]) == 0
        assert running.stop() == 0
    _replays_the_same(record)


def test_tcp_passes_and_a_scanner_in_it_does_not(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY) as running:
        for version in (4, 6):
            Phones(lab.outside, version, folder).register("201", 5093, transport="t1")
        assert running.metric('sipsensor_messages_total{method="REGISTER",protocol="sip"}') == 4
        status, _ = lab.outside.attempt(f"python3 {Path(__file__).parent}/send.py {PBX[4]} tcp-scanner")
        assert status == 1
        assert running.metric('sipsensor_drops_total{reason="SIGNATURE"}') >= 1


def test_a_stranger_with_the_address_of_the_pbx_is_spoofed(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY) as running:
        lab.outside.run(f"python3 {Path(__file__).parent}/send.py {PBX[4]} forged")
        wait_equal(lambda: running.metric('sipsensor_drops_total{reason="SPOOFED"}'), 1, "the drop")


def test_interfaces_that_come_back_do_not_make_the_pbx_a_forger(lab: Network, folder: Path) -> None:
    text = GATEWAY + 'inside = ["inner"]\n'
    with sensor(lab.gateway, folder, text) as running:
        lab.replace_inner_link()
        wait_for(lambda: "the inside interfaces are now" in running.said, 20, "the new interface")
        lab.forget_arrivals()
        Phones(lab.outside, 4, folder).register("201", 5090)
        assert lab.arrived(PHONE[4]) == 2


def test_nothing_is_left_and_nobody_elses_rules_are_touched(lab: Network, folder: Path) -> None:
    lab.gateway.run("iptables -w -t mangle -A FORWARD -s 203.0.113.1 -j DROP")
    before = mangle(lab.gateway)
    try:
        for _ in range(2):
            with sensor(lab.gateway, folder, GATEWAY) as running:
                rules = mangle(lab.gateway).splitlines()
                forward = [rule for rule in rules if rule.startswith("-A FORWARD")]
                assert forward[0] == "-A FORWARD -s 203.0.113.1/32 -j DROP"
                assert forward[-1] == "-A FORWARD -j sipsensor-fwd"
                assert bound(lab.gateway)
                running.stop()
            assert mangle(lab.gateway) == before
            assert not bound(lab.gateway)
    finally:
        lab.gateway.run("iptables -w -t mangle -D FORWARD -s 203.0.113.1 -j DROP")


def test_a_network_whose_route_is_gone_does_not_make_strangers_of_the_default_route_the_pbx(
    lab: Network, folder: Path
) -> None:
    space = lab.gateway
    space.run(f"ip -6 route add default via {ATTACKER[6]}")
    try:
        with sensor(space, folder, GATEWAY) as running:
            space.run("ip -6 route del fd71:2::/64 dev inner")
            # What is forged makes the keeper look up the routes at once.
            lab.outside.run(f"{SEND} {PBX[4]} forged-200 --from 10.71.2.9")
            looks = running.metric("sipsensor_rules_looks_total")
            wait_for(lambda: running.metric("sipsensor_rules_looks_total") >= looks + 3, 30, "three looks")
            lab.outside.run(f"{SEND} {PBX[4]} scanner")
            wait_for(lambda: running.metric('sipsensor_drops_total{reason="SIGNATURE"}') == 1, 20, "the scanner's drop")
            assert lab.arrived(ATTACKER[4]) == 0
            assert running.stop() == 0
            assert "follow the interfaces" not in running.said
        status, said = space.attempt(f"{COMMAND} run --config {folder / 'sipsensor.toml'}")
        assert (status, said.count("\n")) == (2, 1), said
        assert "fd71:2::/64 lies behind outer as the default route does" in said
    finally:
        space.run(f"ip -6 route del default via {ATTACKER[6]}")
        space.run("ip -6 route replace fd71:2::/64 dev inner proto kernel")
