"""The live sensor on a stand-in for the queue: the order of start and end, and what is told of packets. The lab has the real one."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from sipsensor.app import Replay, build_engine
from sipsensor.config.errors import ConfigError
from sipsensor.config.load import defaults
from sipsensor.config.settings import FailureSettings, Fallback, NetworkSettings, Placement, Settings
from sipsensor.engine import Engine
from sipsensor.export.events import EventLog
from sipsensor.live import sensor as live
from sipsensor.live.page import Lane, LaneNumber, Number, Page, State
from sipsensor.live.sensor import Sensor
from sipsensor.model import Arrival, Mode
from sipsensor.sources.nfqueue import QueueError
from sipsensor.sources.pcap import Capture, packets
from sipsensor.sources.pump import Pump
from tests.support.engines import Broken

SCANNER = (
    b"OPTIONS sip:100@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK-1\r\nUser-Agent: friendly-scanner\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
LAWFUL = (
    b"OPTIONS sip:201@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK-524287-1---d3f1\r\nMax-Forwards: 70\r\n"
    b"From: <sip:202@192.0.2.10>;tag=x7Kq21\r\nTo: <sip:201@192.0.2.10>\r\nCall-ID: 8f3a91c0-77@203.0.113.5\r\nCSeq: 1 OPTIONS\r\n"
    b"User-Agent: Desk phone 7.4\r\nContent-Length: 0\r\n\r\n"
)
DROP, ACCEPT = 0, 1
FIRST = 5060
REPOSITORY = Path(__file__).resolve().parents[3]


def queued(number: int, payload: bytes, source: str = "203.0.113.5") -> bytes:
    """A packet from outside as the kernel announces it at the input hook."""
    udp = struct.pack(">HHHH", 5060, 5060, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    packet = head + socket.inet_aton(source) + socket.inet_aton("192.0.2.10") + udp
    body = bytes(4) + struct.pack("=HH", 11, 1) + struct.pack(">IHB", number, 0x0800, 1) + b"\0"
    body += struct.pack("=HH", 8, 5) + struct.pack(">I", 7)
    body += struct.pack("=HH", 4 + len(packet), 10) + packet + bytes(-len(packet) % 4)
    return struct.pack("=IHHII", 16 + len(body), 0x300, 0, 0, 0) + body


class Kernel:
    """Stands in for a queue, and writes down in which order they come and go."""

    def __init__(self) -> None:
        self.ours, self.socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.happened: list[str] = []
        self.number = self.length = 0
        self.fail_open: bool | None = None
        self.accept_early: bool | None = None
        self.dropped_early = 0

    def bind(self, number: int, length: int, *, fail_open: bool, accept_early: bool) -> Kernel:
        """The strangers' queue is this, the other one ``trusted``."""
        self.happened.append("bound")
        queue = self if number == FIRST else self.trusted
        queue.number, queue.length, queue.fail_open = number, length, fail_open
        queue.accept_early, queue.dropped_early = accept_early, 0 if accept_early else 3
        return queue

    @cached_property
    def trusted(self) -> Kernel:
        made = Kernel()
        made.happened = self.happened
        return made

    fd = property(lambda self: self.ours.fileno())
    early: tuple[bytes, ...] = ()

    def close(self) -> None:
        self.happened.append("unbound")

    def judge(self, number: int, payload: bytes, source: str = "203.0.113.5") -> int:
        self.socket.send(queued(number, payload, source))
        return self.verdict(number)

    def verdict(self, number: int) -> int:
        verdict, packet = struct.unpack(">II", self.socket.recv(100)[24:])
        assert packet == number
        return int(verdict)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    made = Kernel()
    monkeypatch.setattr(live, "BoundQueue", made.bind)
    monkeypatch.setattr(live, "own_addresses", lambda: ("192.0.2.10",))
    monkeypatch.setattr(live, "loopback", lambda: (1,))
    monkeypatch.setattr(live.gc, "freeze", lambda: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(live.sys, "setswitchinterval", lambda _: None)  # type: ignore[attr-defined]
    yield made
    for queue in (made, made.trusted):
        queue.ours.close()
        queue.socket.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    plain = defaults()
    return replace(
        plain,
        mode=Mode.ENFORCE,
        metrics=replace(plain.metrics, listen="127.0.0.1:0"),
        events=replace(plain.events, file=str(tmp_path / "events.jsonl")),
        state=replace(plain.state, database=str(tmp_path / "state.db")),
        control=replace(plain.control, socket=str(tmp_path / "control.sock")),
        quarantine=replace(plain.quarantine, file=str(tmp_path / "state" / "quarantine.pcap")),
    )


class Started:
    """A sensor that runs in a thread."""

    def __init__(self, settings: Settings, record: Path | None = None, page: Page | None = None) -> None:
        self.said: list[str] = []
        self.stop = threading.Event()
        self.sensor = Sensor(settings, self.said.append, record, page)
        self.sensor.page[Number.BACKEND] = 2
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        deadline = time.monotonic() + 5
        while (
            self.sensor.page[Number.SENSOR_STATE] != State.READY
            and self.thread.is_alive()
            and time.monotonic() < deadline
        ):
            time.sleep(0.01)

    def _run(self) -> None:
        try:
            self.sensor.run(self.stop)
        except Exception as error:  # noqa: BLE001
            self.error = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_it_answers_tells_records_and_leaves_in_order(kernel: Kernel, settings: Settings, tmp_path: Path) -> None:
    running = Started(settings, tmp_path / "record.pcap")
    assert kernel.judge(1, SCANNER) == DROP
    assert kernel.judge(2, LAWFUL) == ACCEPT
    assert kernel.judge(3, LAWFUL, source="192.0.2.10") == DROP
    running.end()
    assert running.error is None
    assert kernel.happened == ["bound", "bound", "unbound", "unbound"]
    assert running.said[-1] == "stopped after 3 packets: 2 to drop, 2 dropped"
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["sipsensor"]["reason"] for event in events] == ["SIGNATURE", "SPOOFED"]
    read = [packet for batch in Capture(tmp_path / "record.pcap").batches() for packet in packets(batch)]
    assert [packet.arrival for packet in read] == [Arrival.INBOUND, Arrival.INBOUND, Arrival.FORGED]
    assert not (tmp_path / "state" / "quarantine.pcap").exists()


def test_a_replay_of_the_record_gives_the_same_verdicts(kernel: Kernel, settings: Settings, tmp_path: Path) -> None:
    running = Started(settings, tmp_path / "record.pcap")
    for number, payload in enumerate((SCANNER, LAWFUL, LAWFUL.replace(b"OPTIONS", b"OPTION", 1), b"\r\n\r\n")):
        kernel.judge(number, payload)
    running.end()
    replay = Replay(lambda: build_engine(settings, seed=Replay.SEED), verify=True)
    replay.run([tmp_path / "record.pcap"])
    assert replay.differences is not None
    assert (replay.differences.compared, replay.differences.different) == (4, 0)


def test_observe_mode_drops_nothing_and_opens_the_queue(kernel: Kernel, settings: Settings) -> None:
    running = Started(replace(settings, mode=Mode.OBSERVE))
    assert kernel.judge(1, SCANNER) == ACCEPT
    running.end()
    assert kernel.fail_open is True
    assert running.said[-1] == "stopped after 1 packets: 1 to drop, 0 dropped"


@pytest.mark.parametrize("strangers", Fallback)
@pytest.mark.parametrize("trusted", Fallback)
def test_each_queue_is_open_or_closed_as_its_setting_says(
    kernel: Kernel, settings: Settings, strangers: Fallback, trusted: Fallback
) -> None:
    queue = replace(settings.queue, length=100, trusted_length=7)
    Started(replace(settings, queue=queue, failure=FailureSettings(on_full=(strangers, trusted)))).end()
    assert (kernel.number, kernel.length) == (5060, 100)
    assert (kernel.trusted.number, kernel.trusted.length) == (5061, 7)
    assert kernel.fail_open is (strangers is Fallback.ACCEPT)
    assert kernel.trusted.fail_open is (trusted is Fallback.ACCEPT)


@pytest.mark.parametrize("strangers", Fallback)
@pytest.mark.parametrize("mode", Mode)
def test_what_comes_while_a_queue_is_bound_is_answered_as_without_a_sensor(
    kernel: Kernel, settings: Settings, strangers: Fallback, mode: Mode
) -> None:
    failure = FailureSettings(on_death=(strangers, Fallback.ACCEPT))
    running = Started(replace(settings, mode=mode, failure=failure))
    running.end()
    drops = mode is Mode.ENFORCE and strangers is Fallback.DROP
    assert (kernel.accept_early, kernel.trusted.accept_early) == (not drops, True)
    page = running.sensor.page
    assert [page.of(lane, LaneNumber.UNJUDGED_DROPPED) for lane in Lane] == [3 if drops else 0, 0]


def test_both_queues_are_judged_and_counted_in_the_page(kernel: Kernel, settings: Settings) -> None:
    running = Started(settings)
    page = running.sensor.page
    assert page.of(Lane.TRUSTED, LaneNumber.DESCRIPTOR) == kernel.trusted.fd + 1
    assert kernel.trusted.judge(1, SCANNER) == DROP
    assert kernel.trusted.judge(2, LAWFUL) == ACCEPT
    assert kernel.judge(3, LAWFUL) == ACCEPT
    running.end()
    assert [page.of(lane, LaneNumber.UDP) for lane in Lane] == [1, 2]
    assert [page.of(lane, LaneNumber.ANSWERED) for lane in Lane] == [1, 2]
    assert page.of(Lane.TRUSTED, LaneNumber.LAST_ID) == 2
    assert page.of(Lane.TRUSTED, LaneNumber.DESCRIPTOR) == 0
    assert running.said[-1] == "stopped after 3 packets: 1 to drop, 1 dropped"


def test_the_trusted_lane_goes_first_and_both_take_turns(
    kernel: Kernel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, object]] = []
    kernel.trusted.early = (queued(7, LAWFUL),)

    def make(*arguments: Any, **options: Any) -> Pump:
        told.append(options)
        return Pump(*arguments, **options)

    monkeypatch.setattr(live.pumps, "Pump", make)  # type: ignore[attr-defined]
    running = Started(settings)
    assert kernel.trusted.verdict(7) == ACCEPT
    running.end()
    strangers, trusted = told
    assert (strangers["first"], trusted["first"]) == (False, True)
    assert strangers["turns"] is trusted["turns"]
    # Ticks come from one lane, so that they come once.
    assert strangers["tick"] is not None
    assert trusted["tick"] is None


def test_a_sensor_after_another_writes_its_own_record(kernel: Kernel, settings: Settings, tmp_path: Path) -> None:
    page = Page()
    page[Number.RESTARTS] = 2
    stop = threading.Event()
    stop.set()
    Sensor(settings, print, tmp_path / "record.pcap", page).run(stop)
    assert kernel.happened
    assert (tmp_path / "record.pcap.2").exists()
    assert not (tmp_path / "record.pcap").exists()


def test_an_engine_that_fails_is_kept_and_said(
    kernel: Kernel, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*arguments: Any, **options: Any) -> Engine:
        made = build_engine(*arguments, **options)
        made.tracker = Broken(made.tracker.directions)
        return made

    monkeypatch.setattr("sipsensor.live.sensor.build_engine", build)
    running = Started(settings)
    assert kernel.judge(1, LAWFUL) == DROP
    running.end()
    assert "1 errors" in running.said[-1]
    assert ["the engine failed on a packet: RuntimeError: on" in line for line in running.said] == [True, False]
    assert "\n" not in running.said[0]
    kept = tmp_path / "state" / "quarantine.pcap"
    assert len([1 for batch in Capture(kept).batches() for _ in packets(batch)]) == 1


def test_an_event_log_that_fails_changes_no_verdict(
    kernel: Kernel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("on purpose")

    monkeypatch.setattr(EventLog, "packet", fail)
    running = Started(settings)
    assert kernel.judge(1, SCANNER) == DROP
    running.end()
    assert "1 errors" in running.said[-1]


def test_a_queue_that_fails_ends_it(kernel: Kernel, settings: Settings) -> None:
    running = Started(settings)
    kernel.ours.shutdown(socket.SHUT_RDWR)
    kernel.ours.close()
    running.thread.join(10)
    assert isinstance(running.error, QueueError)
    assert kernel.happened == ["bound", "bound", "unbound", "unbound"]


def test_an_operator_who_hangs_up_does_not_end_it(kernel: Kernel, settings: Settings) -> None:
    def hung_up(_line: str) -> None:
        raise BrokenPipeError

    stop = threading.Event()
    stop.set()
    Sensor(settings, hung_up).run(stop)
    assert kernel.happened == ["bound", "bound", "unbound", "unbound"]


def test_a_gateway_without_anybody_to_protect_is_refused(settings: Settings) -> None:
    gateway = replace(settings, network=NetworkSettings(placement=Placement.GATEWAY))
    with pytest.raises(ConfigError, match=r"network\.protected: a gateway has to know whom it protects"):
        Sensor(gateway, print)


def test_a_rotated_event_file_is_left_for_a_fresh_one(
    kernel: Kernel, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sensor, "LOOK", 0.02)
    running = Started(settings)
    events = tmp_path / "events.jsonl"
    events.rename(tmp_path / "events.jsonl.1")
    running.sensor.rotate()
    deadline = time.monotonic() + 5
    while not events.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kernel.judge(1, SCANNER) == DROP
    running.end()
    assert len(events.read_text().splitlines()) == 1
    assert (tmp_path / "events.jsonl.1").read_text() == ""


def test_a_file_that_cannot_be_opened_anew_is_said_and_the_old_one_goes_on(
    kernel: Kernel, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sensor, "LOOK", 0.02)
    running = Started(settings)
    (tmp_path / "events.jsonl").rename(tmp_path / "events.jsonl.1")
    (tmp_path / "events.jsonl").mkdir()
    running.sensor.rotate()
    deadline = time.monotonic() + 5
    while not running.said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kernel.judge(1, SCANNER) == DROP
    running.end()
    assert "events.file: " in running.said[0]
    assert len((tmp_path / "events.jsonl.1").read_text().splitlines()) == 1


@pytest.mark.usefixtures("kernel")
def test_new_interface_numbers_reach_the_pumps(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "inside_interfaces", lambda *_: (7,))
    monkeypatch.setattr(Sensor, "LOOK", 0.02)
    network = NetworkSettings(placement=Placement.GATEWAY, protected=("192.0.2.10",), inside=("lan0",))
    running = Started(replace(settings, network=network))
    page = running.sensor.page
    page.numbers[Number.INSIDE] = 8
    page[Number.INSIDE_COUNT] = 1
    deadline = time.monotonic() + 5
    while "the inside interfaces are now 8" not in running.said and time.monotonic() < deadline:
        time.sleep(0.01)
    running.end()
    assert running.said.count("the inside interfaces are now 8") == 1


def test_an_address_that_moved_away_is_somebody_elses(
    kernel: Kernel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sensor, "LOOK", 0.02)
    running = Started(settings)
    assert kernel.judge(1, LAWFUL, source="192.0.2.10") == DROP
    monkeypatch.setattr(live, "own_addresses", lambda: ("192.0.2.11",))
    deadline = time.monotonic() + 5
    while "protects 192.0.2.11 now" not in running.said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kernel.judge(2, LAWFUL, source="192.0.2.10") == ACCEPT
    assert kernel.judge(3, LAWFUL, source="192.0.2.11") == DROP
    running.end()


def test_a_metrics_port_that_was_taken_is_served_when_it_is_free(
    kernel: Kernel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sensor, "LOOK", 0.02)
    monkeypatch.setattr(Sensor, "SERVE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        page = Page()
        page[Number.RESTARTS] = 1
        at_port = replace(settings, metrics=replace(settings.metrics, listen=f"127.0.0.1:{port}"))
        running = Started(at_port, page=page)
        assert kernel.judge(1, SCANNER) == DROP
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as answer:
                assert b"sipsensor_build_info" in answer.read()
                break
        except OSError:
            time.sleep(0.01)
    else:
        pytest.fail("nobody serves")
    running.end()
    assert any("there are no metrics" in line for line in running.said)


def test_everything_can_be_switched_off(kernel: Kernel, settings: Settings, tmp_path: Path) -> None:
    off = replace(
        settings,
        metrics=replace(settings.metrics, listen=""),
        events=replace(settings.events, file=""),
        quarantine=replace(settings.quarantine, file=""),
        control=replace(settings.control, socket=""),
        state=replace(settings.state, database=""),
    )
    running = Started(off)
    assert kernel.judge(1, SCANNER) == DROP
    running.end()
    assert list(tmp_path.iterdir()) == []


def test_a_sensor_after_another_goes_on_in_its_mode(kernel: Kernel, settings: Settings, tmp_path: Path) -> None:
    page = Page()
    page[Number.RESTARTS] = 1
    page.mode, page.tripped = Mode.OBSERVE, "9 of 10 are gone"
    running = Started(settings, page=page)
    assert kernel.judge(1, SCANNER) == ACCEPT
    assert running.sensor.engine.safety.tripped == "9 of 10 are gone"
    running.end()
    assert "observe from now on: the sensor was started again and goes on" in running.said
    assert '"event_type":"mode"' in (tmp_path / "events.jsonl").read_text().replace(" ", "")


def test_a_fall_of_the_safety_net_is_in_the_page_at_once(kernel: Kernel, settings: Settings) -> None:
    running = Started(settings)
    assert kernel.judge(1, SCANNER) == DROP
    page = running.sensor.page
    assert (page.mode, page.tripped) == (Mode.ENFORCE, "")
    with running.sensor.between_packets():
        running.sensor.engine.safety.tripped = "9 of 10 are gone"
        running.sensor.engine.policy.mode = Mode.OBSERVE
        running.sensor._tick(0)
        assert (page.mode, page.tripped) == (Mode.OBSERVE, "9 of 10 are gone")
    running.end()
    # The service is started anew at once: what was cut may still be the cause.
    again = Started(settings)
    assert kernel.judge(1, SCANNER) == ACCEPT
    again.end()
    assert "shortly before the start: 9 of 10 are gone" in " ".join(again.said)


def test_enforce_for_a_time_reverts_without_a_control_socket(kernel: Kernel, settings: Settings) -> None:
    page = Page()
    page[Number.RESTARTS] = 1
    page.mode = Mode.ENFORCE
    page[Number.MODE_DEADLINE] = time.monotonic_ns() + 10**9
    control = replace(settings.control, socket="")
    running = Started(replace(settings, mode=Mode.OBSERVE, control=control), page=page)
    deadline = time.monotonic() + 30
    while page.mode is not Mode.OBSERVE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kernel.judge(1, SCANNER) == ACCEPT
    running.end()
    assert "observe from now on: nobody confirmed enforce in time" in running.said
