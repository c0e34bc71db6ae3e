"""``sipsensor status`` and the control socket of a sensor that judges."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.network import ATTACKER, PBX, Network, wait_for
from tests.lab.sensor import COMMAND, GATEWAY, HOST, METRICS, UNLIMITED, Running, config, sensor
from tests.support.certificates import Authority

SEND = f"python3 {Path(__file__).parent}/send.py"
NOBODY = 65534
SCRAPE = """
import http.client, ssl, sys
listen, authority, *own = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
if own:
    context.load_cert_chain(*own)
client = http.client.HTTPSConnection(listen, timeout=5, context=context)
client.connect()
print(client.sock.getpeercert()["subject"])
client.request("GET", "/metrics")
print(client.getresponse().read().decode())
"""


def ask(running: Running) -> dict[str, Any]:
    """What status says as JSON; its exit code must fit."""
    code, printed = running.attempt("status --json")
    said: dict[str, Any] = json.loads(printed)
    assert code == (1 if said["troubles"] else 0), printed
    return said


def test_it_tells_of_traffic_while_it_flows(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY + UNLIMITED) as running:
        stream = lab.outside.start(f"{SEND} {PBX[4]} stream-3000", folder / "stream.log")
        try:
            lab.outside.run(f"{SEND} {PBX[4]} scanner")
            time.sleep(1)
            said = ask(running)
            code, text = lab.gateway.attempt(f"{COMMAND} status --config {folder}/sipsensor.toml")
        finally:
            assert stream.wait(120) == 0
        assert said["troubles"] == []
        assert (said["mode"], said["placement"], said["protected"]) == (
            "enforce",
            "gateway",
            ["10.71.2.0/24", "fd71:2::/64"],
        )
        assert said["rates"]["packets"] > 100
        assert said["rates"]["messages"] > 50
        assert said["drops"]["SIGNATURE"] == 1
        strangers, trusted = said["queues"]
        assert strangers["packets"] > 500
        assert strangers["dropped"] == 1
        assert strangers["lost"] == strangers["uninspected"] == trusted["lost"] == trusted["uninspected"] == 0
        assert 0 < strangers["latency_p50"] <= strangers["latency_p99"]
        assert said["rules"]["in_place"]
        assert said["rules"]["backend"] in {"nftables", "iptables"}
        assert said["rules"]["last_look"] < 5
        assert {table["name"]: table["entries"] for table in said["tables"]}["transactions"] > 100
        assert code == 0
        lines = [" ".join(line.split()) for line in text.splitlines()]
        assert "troubles none" in lines
        assert "drops SIGNATURE 1" in lines
        running.stop()
    assert not (folder / "control.sock").exists()


def test_a_flush_of_all_rules_is_told_until_a_minute_later(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY) as running:
        assert ask(running)["rules"]["put_back"] == 0
        lab.gateway.run("nft flush ruleset")
        wait_for(lambda: bool(ask(running)["rules"]["put_back"]), 30, "rules put back")
        said = ask(running)
        assert said["rules"]["in_place"]
        assert 0 < said["rules"]["missing_seconds"] < 5
        assert said["troubles"] == ["times that the kernel rules were damaged and put back in the last minute: 1"]
        assert running.metric("sipsensor_rules_put_back_total") == 1
        assert running.metric("sipsensor_rules_in_place") == 1
        assert 0 < running.metric("sipsensor_rules_missing_seconds_total") < 5
        lab.outside.run(f"{SEND} {PBX[4]} scanner")
        assert lab.arrived(ATTACKER[4]) == 0


def test_clients_that_stall_hold_neither_status_nor_packets_up(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY) as running, ExitStack() as stalled:
        for number in range(20):
            client = stalled.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            client.connect(str(folder / "control.sock"))
            client.sendall(b'{"command": "status"}\n' * number + b"{")
        host, _, port = METRICS.partition(":")
        code = f"import socket, time; s = [socket.create_connection(('{host}', {port})) for _ in range(40)]; time.sleep(30)"
        stalling = lab.gateway.start(f'python3 -c "{code}"', folder / "stall.log")
        try:
            time.sleep(0.5)
            began = time.monotonic()
            assert ask(running)["troubles"] == []
            assert running.metric("sipsensor_packets_total") >= 0
            assert time.monotonic() - began < 5
            lab.outside.run(f"{SEND} {PBX[4]} scanner")
            wait_for(lambda: ask(running)["drops"]["SIGNATURE"] == 1, 20, "the scanner's drop")
        finally:
            stalling.kill()
            stalling.wait()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may look into."""
    made = Path(tempfile.mkdtemp(prefix="sipsensor-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_owner_and_group_may_ask_and_nobody_else(lab: Network, folder: Path, public: Path) -> None:
    socket_path = public / "control.sock"
    # As that user runs no file of this checkout, it only connects and asks; the refusal's text has its unit test.
    code = f"""
import json, socket
client = socket.socket(socket.AF_UNIX)
client.connect("{socket_path}")
client.send(json.dumps(dict(command="status")).encode() + bytes([10]))
assert client.recv(9)
"""
    with sensor(lab.gateway, folder, f'{GATEWAY}[control]\nsocket = "{socket_path}"\n'):
        for group, answer in ((NOBODY, 1), (os.getgid(), 0)):
            done = subprocess.run(
                ["setpriv", f"--reuid={NOBODY}", f"--regid={group}", "--clear-groups", "/usr/bin/python3", "-c", code],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == answer, done.stderr
            assert ("PermissionError" in done.stderr) == bool(answer), done.stderr


def test_a_sensor_that_hung_is_told_of_by_the_next_one(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY) as running:
        os.kill(running.part("sipsensor-queue"), signal.SIGSTOP)
        lab.outside.run(f"{SEND} {PBX[4]} stream-20")

        def restarted() -> bool:
            code, printed = running.space.attempt(f"{COMMAND} status --config {folder}/sipsensor.toml --json")
            return code in {0, 1} and printed.startswith("{") and json.loads(printed)["restarts"] == 1

        wait_for(restarted, 20, "the next sensor's answer")
        said = ask(running)
        assert (said["hangs"], said["restarts"]) == (1, 1)
        assert sum(queue["unjudged_dropped"] for queue in said["queues"]) == 20
        assert running.metric("sipsensor_sensor_hangs_total") == 1
        assert running.metric('sipsensor_unjudged_packets_total{queue="strangers",answer="drop"}') == 20


def test_a_killed_sensor_leaves_a_socket_that_the_next_one_replaces(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY) as running:
        os.kill(running.part("sipsensor-queue"), signal.SIGKILL)
        wait_for(lambda: "is started again" in running.said, 30, "the supervisor's line")
        wait_for(
            lambda: lab.gateway.attempt(f"{COMMAND} status --config {folder}/sipsensor.toml")[0] == 0, 20, "status"
        )
        assert ask(running)["restarts"] == 1


def test_nobody_is_asked_when_no_sensor_runs(lab: Network, folder: Path) -> None:
    file = config(folder, GATEWAY)
    code, printed = lab.gateway.attempt(f"{COMMAND} status --config {file}")
    assert (code, printed.count("\n")) == (1, 1)
    assert printed.startswith(f"sipsensor: {folder}/control.sock: no sensor runs there; start one")


def test_metrics_over_tls_for_clients_with_a_certificate_renewed_at_sighup(lab: Network, folder: Path) -> None:
    authority = Authority(folder, "authority")
    client = authority.issue("client")
    first = authority.issue("first")
    shutil.copy(first.certificate, folder / "live.pem")
    shutil.copy(first.key, folder / "live.key")
    text = f'certificate = "{folder}/live.pem"\nkey = "{folder}/live.key"\nclient_ca = "{authority.file}"\n'
    (folder / "scrape.py").write_text(SCRAPE)
    scrape = f"python3 {folder}/scrape.py {METRICS} {authority.file}"
    shown = f"{scrape} {client.certificate} {client.key}"
    with sensor(lab.gateway, folder, f"{GATEWAY}[metrics]\n{text}") as running:
        said = lab.gateway.run(shown)
        assert "'first'" in said
        assert "sipsensor_rules_in_place 1.0" in said
        assert lab.gateway.attempt(scrape)[0] != 0
        (folder / "live.pem").write_text("half a fi")
        os.kill(running.process.pid, signal.SIGHUP)
        wait_for(lambda: "metrics.certificate" in running.said, 20, "the line about the file")
        assert "'first'" in lab.gateway.run(shown)
        second = authority.issue("second")
        shutil.copy(second.certificate, folder / "live.pem")
        shutil.copy(second.key, folder / "live.key")
        os.kill(running.process.pid, signal.SIGHUP)
        wait_for(lambda: "'second'" in lab.gateway.run(shown), 20, "the new certificate")


def test_a_socket_in_use_or_a_bad_certificate_keeps_it_from_starting(lab: Network, folder: Path) -> None:
    with sensor(lab.gateway, folder, GATEWAY):
        other = folder / "other"
        other.mkdir()
        second = config(other, f'{HOST}[control]\nsocket = "{folder}/control.sock"\n')
        code, printed = lab.pbx.attempt(f"{COMMAND} run --config {second}")
        assert code == 2
        assert f"sipsensor: control.socket: {folder}/control.sock: another sensor answers there" in printed
        assert "Traceback" not in printed
    file = config(folder, HOST + '[metrics]\ncertificate = "/no/such.pem"\nkey = "/no/such.key"\n')
    code, printed = lab.pbx.attempt(f"{COMMAND} run --config {file}")
    assert code == 2
    assert "metrics.certificate: /no/such.pem: No such file or directory" in printed
