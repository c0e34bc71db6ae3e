"""Start, stop, sudden death, and everything that can keep a sensor from starting."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab.network import ATTACKER, PBX, PHONE, Network, wait_equal, wait_for
from tests.lab.pbx import Phones
from tests.lab.sensor import COMMAND, GATEWAY, HOST, UNLIMITED, bound, config, mangle, sensor

SEND = f"python3 {Path(__file__).parent}/send.py"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_nothing_is_left(lab: Network, folder: Path, number: signal.Signals) -> None:
    before = mangle(lab.gateway)
    with sensor(lab.gateway, folder, GATEWAY) as running:
        assert mangle(lab.gateway) != before
        # To the whole group, as a terminal does it: the tools that remove the rules must not die of it.
        os.killpg(running.process.pid, number)
        assert running.process.wait(30) == 0
    assert mangle(lab.gateway) == before
    assert not bound(lab.gateway)
    assert "stopped after 0 packets" in running.said
    assert not (folder / "quarantine.pcap").exists()


def test_no_socket_of_the_sensor_outlives_it_in_another_program(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY) as running:
        process = Path(f"/proc/{running.part('sipsensor-queue')}")
        sockets = [entry.name for entry in (process / "fd").iterdir() if str(entry.readlink()).startswith("socket:")]
        flags = [int(re.findall(r"flags:\s+(\d+)", (process / "fdinfo" / name).read_text())[0], 8) for name in sockets]
        assert len(flags) >= 4  # two queues, metrics, control
        assert all(flag & os.O_CLOEXEC for flag in flags)
        assert [task.read_text() for task in process.glob("task/*/children")] == [""] * len(
            list(process.glob("task/*"))
        )


def test_a_rotated_event_file_is_left_at_sighup(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY) as running:
        running.events.rename(folder / "older.jsonl")
        os.kill(running.process.pid, signal.SIGHUP)
        wait_for(running.events.exists, 20, "a fresh event file")
        lab.outside.run(f"{SEND} {PBX[4]} scanner")
        wait_for(lambda: running.events.read_text().count("\n") == 1, 20, "the event in it")
        assert running.stop() == 0
    assert (folder / "older.jsonl").read_text() == ""


def test_no_packet_is_lost_when_it_starts_and_stops(lab: Network, folder: Path) -> None:
    log = folder / "stream.log"
    stream = lab.outside.start(f"{SEND} {PBX[4]} stream-1000000", log)
    try:
        for _ in range(2):
            with sensor(lab.gateway, folder, GATEWAY + UNLIMITED) as running:
                wait_for(lambda: running.metric("sipsensor_packets_total") > 100, 30, "packets in the queue")
                assert running.stop() == 0
        assert stream.poll() is None
        stream.terminate()
        assert stream.wait(30) == 0
    finally:
        stream.kill()
        stream.wait()
    sent = int(log.read_text())
    assert sent > 200
    wait_equal(lambda: lab.arrived(ATTACKER[4]), sent, "all that was sent")


def test_what_waits_when_it_is_told_to_stop_is_judged_first(lab: Network, folder: Path) -> None:
    program = f"{COMMAND.parent}/python {Path(__file__).parent}/slow.py"
    with sensor(lab.gateway, folder, GATEWAY + UNLIMITED, program=program) as running:
        lab.outside.run(f"{SEND} {PBX[4]} stream-200 --pause 0")
        waiting = running.metric("sipsensor_queue_waiting_packets")
        assert running.stop() == 0
    assert waiting > 50
    assert "still waited" not in running.said
    wait_equal(lambda: lab.arrived(ATTACKER[4]), 200, "all that was sent")


def test_sudden_death_lets_calls_pass_and_the_next_start_clears_up(lab: Network, folder: Path) -> None:
    before = mangle(lab.gateway)
    with sensor(lab.gateway, folder, GATEWAY) as running:
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(30)
    left = mangle(lab.gateway)
    assert "sipsensor-fwd" in left
    Phones(lab.outside, 4, folder).register("201", 5091)
    with sensor(lab.gateway, folder, GATEWAY):
        assert mangle(lab.gateway) == left
        lab.outside.run(f"{SEND} {PBX[4]} scanner")
        assert lab.arrived(ATTACKER[4]) == 0
    assert mangle(lab.gateway) == before


def test_sudden_death_closes_where_it_is_told_to(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY + '[failure]\non_death = ["drop", "drop"]\n') as running:
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(30)
    lab.outside.run(f"{SEND} {PBX[4]} lawful")
    assert lab.arrived(ATTACKER[4]) == 0
    with sensor(lab.gateway, folder, GATEWAY):
        pass
    lab.outside.run(f"{SEND} {PBX[4]} lawful")
    wait_equal(lambda: lab.arrived(ATTACKER[4]), 1, "the packet")


def test_a_full_queue_is_open_in_observe_mode_and_closed_for_strangers_in_enforce_mode(
    lab: Network, folder: Path
) -> None:
    arrived = {}
    for mode in ("observe", "enforce"):
        with sensor(lab.gateway, folder, GATEWAY + "[queue]\nlength = 10\n", f"--{mode}") as running:
            # The supervisor, too: it would take the queues over before a slow sender is done.
            both = (running.process.pid, running.part("sipsensor-queue"))
            for process in both:
                os.kill(process, signal.SIGSTOP)
            lab.forget_arrivals()
            lab.outside.run(f"{SEND} {PBX[4]} stream-100")
            if mode == "observe":
                wait_for(lambda: lab.arrived(ATTACKER[4]) >= 80, 20, "what finds the queue full")
            arrived[mode] = lab.arrived(ATTACKER[4])
            for process in reversed(both):
                os.kill(process, signal.SIGCONT)
    assert arrived["observe"] >= 80
    assert arrived["enforce"] == 0


def test_an_engine_that_fails_is_counted_kept_and_goes_on(lab: Network, folder: Path) -> None:
    with sensor(
        lab.gateway, folder, GATEWAY, program=f"{COMMAND.parent}/python {Path(__file__).parent}/faulty.py"
    ) as running:
        lab.outside.run(f"{SEND} {PBX[4]} boom")
        assert lab.arrived(ATTACKER[4]) == 0
        lab.outside.run(f"{SEND} {PBX[4]} lawful")
        wait_equal(lambda: lab.arrived(ATTACKER[4]), 1, "the packet")
        assert running.metric("sipsensor_engine_errors_total") == 1
        assert running.metric('sipsensor_drops_total{reason="ERROR"}') == 1
        assert running.metric("sipsensor_quarantined_packets_total") == 1
        wait_for(lambda: "RuntimeError: on purpose at faulty.py" in running.said, 20, "the line about it")
        running.stop()
    kept = folder / "quarantine.pcap"
    assert kept.stat().st_mode & 0o777 == 0o600
    listed = subprocess.run(
        ["tshark", "-r", str(kept), "-T", "fields", "-e", "sip.Request-Line"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.splitlines() == ["OPTIONS sip:100@pbx SIP/2.0"]


def test_an_engine_that_fails_opens_where_it_is_told_to(lab: Network, folder: Path) -> None:
    text = GATEWAY + '[failure]\non_error = ["accept", "accept"]\n'
    with sensor(lab.gateway, folder, text, program=f"{COMMAND.parent}/python {Path(__file__).parent}/faulty.py"):
        lab.outside.run(f"{SEND} {PBX[4]} boom")
        wait_equal(lambda: lab.arrived(ATTACKER[4]), 1, "the packet")


BAD = {
    "gateway without anybody to protect": (
        '[network]\nplacement = "gateway"\n',
        "",
        "network.protected: is empty on a gateway",
    ),
    "interface that is not there": (
        GATEWAY + 'inside = ["nope0"]\n',
        "",
        "network.inside: there is no interface nope0",
    ),
    "protected network without a route": (
        '[network]\nplacement = "gateway"\nprotected = ["192.0.2.0/24"]\n',
        "",
        "network.protected: no route leads to 192.0.2.0/24",
    ),
    "protected network of its own": (
        '[network]\nplacement = "gateway"\nprotected = ["10.71.2.1"]\n',
        "",
        "network.protected: 10.71.2.1 is this machine itself",
    ),
    "listen address that is none": (
        HOST + '[metrics]\nlisten = "nonsense"\n',
        "",
        "metrics.listen: 'nonsense' is no address",
    ),
    "listen address of another host": (
        HOST + '[metrics]\nlisten = "192.0.2.1:9437"\n',
        "",
        "metrics.listen: 192.0.2.1:9437: ",
    ),
    "unknown key": (HOST + "speed = 3\n", "", "network.speed"),
    "event file in no directory": (HOST, "--events /proc/nowhere/events.jsonl", "events.file: /proc/nowhere"),
    "record file in no directory": (HOST, "--record /proc/nowhere/record.pcap", "/proc/nowhere/record.pcap: "),
    "option that is none": (HOST, "--speed", "--speed"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_work_is_one_line_and_exit_2(lab: Network, folder: Path, case: str) -> None:
    text, options, expected = BAD[case]
    _refuses(lab, folder, text, options, expected)


def _refuses(lab: Network, folder: Path, text: str, options: str, expected: str, wrapper: str = "") -> None:
    before, was_bound = mangle(lab.gateway), bound(lab.gateway)
    inner = folder / "refused"
    inner.mkdir()
    status, printed = lab.gateway.attempt(
        f"{wrapper} {COMMAND} run --config {config(inner, text)} {options}", seconds=20
    )
    assert (status, printed.count("\n")) == (2, 1), printed
    assert expected in printed
    assert mangle(lab.gateway) == before
    assert bound(lab.gateway) == was_bound


def test_missing_capability(lab: Network, folder: Path) -> None:
    without = "setpriv --bounding-set -net_admin --inh-caps -net_admin"
    _refuses(lab, folder, GATEWAY, "", "queue 5060: CAP_NET_ADMIN is missing", without)


def test_port_of_the_metrics_in_use(lab: Network, folder: Path) -> None:
    server = lab.gateway.start("python3 -m http.server --bind 127.0.0.1 9437", folder / "server.log")
    try:
        wait_for(lambda: ":9437" in lab.gateway.run("ss -Hltn"), 30, "the server")
        _refuses(lab, folder, GATEWAY, "", "metrics.listen: 127.0.0.1:9437: Address already in use")
    finally:
        server.kill()
        server.wait()


def test_a_second_sensor_says_who_is_there(lab: Network, folder: Path) -> None:
    quiet = '[metrics]\nlisten = ""\n'
    with sensor(lab.gateway, folder, GATEWAY) as running:
        who = f"process {running.part('sipsensor-queue')} (sipsensor-queue)"
        _refuses(lab, folder, GATEWAY + quiet, "", f"queue 5060 is in use by {who}")
        (folder / "refused").rename(folder / "first")
        _refuses(lab, folder, GATEWAY + quiet + "[queue]\nfirst = 5070\n", "", f"queue 5060, {who}")
        Phones(lab.outside, 4, folder).register("201", 5092)
        assert lab.arrived(PHONE[4]) == 2


def test_nftables_is_used_where_its_queue_statement_works(lab: Network, folder: Path) -> None:
    rules = "table inet probe {\n chain c {\n  queue num 9\n }\n}\n"
    (folder / "probe.nft").write_text(rules)
    works = lab.gateway.attempt(f"nft -f {folder}/probe.nft")[0] == 0
    text = GATEWAY + '[queue]\nrules = "nftables"\n'
    if not works:
        _refuses(lab, folder, text, "", 'try queue.rules = "iptables"')
        return
    lab.gateway.run("nft delete table inet probe")
    with sensor(lab.gateway, folder, text) as running:
        assert "rules nftables" in running.said
        lab.outside.run(f"{SEND} {PBX[4]} scanner")
        assert lab.arrived(ATTACKER[4]) == 0
        running.stop()
    assert "sipsensor" not in lab.gateway.run("nft list tables")
