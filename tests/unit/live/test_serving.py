"""The metrics and the control socket of a live sensor, together."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sipsensor.config.load import defaults
from sipsensor.config.settings import Settings
from sipsensor.control import ControlError
from sipsensor.control.client import ask
from sipsensor.export.metrics import MetricsError
from sipsensor.live.page import Number
from sipsensor.live.posture import Posture
from sipsensor.live.serving import serve_control, serve_metrics
from sipsensor.model import Mode
from tests.support.live import FakeSensor


@pytest.fixture
def edges() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    plain = defaults()
    return replace(
        plain,
        metrics=replace(plain.metrics, listen="127.0.0.1:0"),
        control=replace(plain.control, socket=str(tmp_path / "control.sock")),
    )


def test_metrics_and_status_tell_of_the_same_sensor(settings: Settings, edges: ExitStack) -> None:
    sensor, said = FakeSensor(settings), list[str]()
    endpoint = serve_metrics(sensor, edges, said.append)
    serve_control(sensor, Posture(sensor), edges, said.append)
    sensor.page[Number.LIMITED] = 77
    assert endpoint
    with urllib.request.urlopen(f"http://{endpoint.address}/metrics", timeout=5) as response:
        assert "sipsensor_rate_limited_packets_total 77.0" in response.read().decode().splitlines()
    assert ask(settings.control.socket, "status")["rate_limited"] == 77
    edges.close()
    assert not Path(settings.control.socket).exists()
    assert said == []


def test_what_is_not_wanted_is_not_served(settings: Settings, edges: ExitStack) -> None:
    sensor = FakeSensor(
        replace(
            settings,
            metrics=replace(settings.metrics, listen=""),
            control=replace(settings.control, socket=""),
        )
    )
    assert serve_metrics(sensor, edges, print) is None
    assert serve_control(sensor, Posture(sensor), edges, print) is None


def test_what_cannot_be_served_ends_the_first_start_and_no_other(settings: Settings, edges: ExitStack) -> None:
    taken = edges.enter_context(socket.create_server(("127.0.0.1", 0)))
    listen = f"127.0.0.1:{taken.getsockname()[1]}"
    file = Path(settings.control.socket)
    file.write_text("in the way")
    sensor = FakeSensor(replace(settings, metrics=replace(settings.metrics, listen=listen)))
    said: list[str] = []
    with pytest.raises(MetricsError):
        serve_metrics(sensor, edges, said.append)
    with pytest.raises(ControlError):
        serve_control(sensor, Posture(sensor), edges, said.append)
    sensor.page[Number.RESTARTS] = 1
    assert serve_metrics(sensor, edges, said.append) is None
    assert serve_control(sensor, Posture(sensor), edges, said.append) is None
    assert said == [
        f'there are no metrics: metrics.listen: {listen}: Address already in use; choose a free port, or "" for none',
        f"there is no control socket: control.socket: {file}: is no socket; name another path, or move that file away",
    ]


def test_the_files_of_tls_are_those_of_the_settings(settings: Settings, edges: ExitStack) -> None:
    metrics = replace(settings.metrics, certificate="/no/such.pem", key="/no/such.key")
    with pytest.raises(MetricsError, match=r"metrics\.certificate: /no/such\.pem"):
        serve_metrics(FakeSensor(replace(settings, metrics=metrics)), edges, print)


def test_a_fault_at_each_scrape_is_told_once(settings: Settings, edges: ExitStack) -> None:
    sensor, said = FakeSensor(settings), list[str]()
    endpoint = serve_metrics(sensor, edges, said.append)
    serve_control(sensor, Posture(sensor), edges, said.append)
    sensor.pumps.clear()
    assert endpoint
    for _ in range(3):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://{endpoint.address}/metrics", timeout=5)
        caught.value.close()
    for _ in range(3):
        with pytest.raises(ControlError, match="the command failed: KeyError"):
            ask(settings.control.socket, "status")
    assert len(said) == 2
    assert said[0].startswith("the metrics: KeyError")
    assert said[1].startswith("the control socket: KeyError")


def test_orders_are_served_and_enforce_goes_back_by_itself(settings: Settings, edges: ExitStack) -> None:
    sensor = FakeSensor(settings)
    posture = Posture(sensor)
    serve_control(sensor, posture, edges, print)
    path = settings.control.socket
    assert ask(path, "ban", {"address": "203.0.113.9"})["network"] == "203.0.113.9"
    assert ask(path, "bans")["bans"]
    assert ask(path, "why", {"about": "203.0.113.9"})["undo"] == ["sipsensor unban 203.0.113.9"]
    with pytest.raises(ControlError, match="no address or network"):
        ask(path, "unban", {"address": "nobody"})
    assert ask(path, "enforce", {"for": 1})["mode"] == "enforce"
    assert ask(path, "status")["reverts"]
    deadline = time.monotonic() + 10
    while sensor.engine.policy.mode is Mode.ENFORCE and time.monotonic() < deadline:
        time.sleep(0.05)
        posture.tick()
    assert sensor.engine.policy.mode is Mode.OBSERVE
    assert ask(path, "status")["reverts"] is None


def test_an_order_waits_for_the_packet_that_is_judged(settings: Settings, edges: ExitStack) -> None:
    sensor = FakeSensor(settings)
    serve_control(sensor, Posture(sensor), edges, print)
    with sensor.lock, pytest.raises(ControlError, match="does not answer in time"):
        ask(settings.control.socket, "observe", timeout=0.3)
    assert ask(settings.control.socket, "observe")["mode"] == "observe"
