"""The sensor on the PBX host itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.lab.attack import SipVicious, attack
from tests.lab.network import ATTACKER, PBX, PHONE, Network, wait_equal, wait_for
from tests.lab.pbx import Phones
from tests.lab.sensor import COMMAND, HOST, mangle, sensor


def test_no_packet_of_sipvicious_is_delivered_and_phones_call(
    lab: Network, folder: Path, sipvicious: list[SipVicious]
) -> None:
    with sensor(lab.pbx, folder, HOST) as running:
        printed = attack(lab.outside, sipvicious)
        for version in (4, 6):
            assert lab.arrived(ATTACKER[version]) >= len(printed) / 2
            assert lab.delivered(ATTACKER[version]) == 0, printed
            Phones(lab.outside, version, folder).call(2)
            assert lab.delivered(PHONE[version]) == lab.arrived(PHONE[version])
        # Its own answers are seen too, and as its own.
        assert running.metric('sipsensor_messages_total{method="2xx",protocol="sip"}') >= 12
        assert running.metric("sipsensor_forged_packets_total") == 0
        assert PBX[4] in running.said


def test_what_programs_of_the_host_tell_each_other_is_left_alone(lab: Network, folder: Path) -> None:
    with sensor(lab.pbx, folder, HOST) as running:
        lab.pbx.run(f"python3 {Path(__file__).parent}/send.py {PBX[4]} lawful")
        assert running.metric("sipsensor_packets_total") == 0


def test_fragments_over_ipv6_are_put_together_before_they_are_judged(lab: Network, folder: Path) -> None:
    with sensor(lab.pbx, folder, HOST):
        for version in (4, 6):
            lab.outside.run(f"python3 {Path(__file__).parent}/send.py {PBX[version]} padded")
            assert lab.delivered(ATTACKER[version]) == 0
            lab.outside.run(f"python3 {Path(__file__).parent}/send.py {PBX[version]} padded-lawful")
            wait_equal(partial(lab.delivered, ATTACKER[version]), 1, "the same without the scanner's name")


def test_the_rules_that_an_operator_is_told_to_add_do_the_same(lab: Network, folder: Path) -> None:
    before = mangle(lab.pbx)
    with sensor(lab.pbx, folder, HOST + '[queue]\nrules = "none"\n') as running:
        assert mangle(lab.pbx) == before
        wait_for(lambda: "they are yours to mend: sipsensor rules print" in running.said, 20, "what to do")
        (folder / "rules.sh").write_text(lab.pbx.run(f"{COMMAND} rules print --config {folder}/sipsensor.toml"))
        try:
            lab.pbx.run(f"sh {folder}/rules.sh")
            lab.outside.attempt(f"svmap {PBX[4]}")
            assert lab.delivered(ATTACKER[4]) == 0 < lab.arrived(ATTACKER[4])
        finally:
            for tool in ("iptables", "ip6tables"):
                lab.pbx.run(f"{tool} -w -t mangle -F")
                lab.pbx.run(f"{tool} -w -t mangle -X")
            lab.pbx.attempt("nft delete table inet sipsensor")
