"""The live sensor on a stand-in for the queue: the order of start and end, and what is told of packets. The lab has the real one."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sipsensor.app import Replay, build_engine
from sipsensor.config.errors import ConfigError
from sipsensor.config.load import defaults, load
from sipsensor.config.reference import keys
from sipsensor.config.settings import FailureSettings, Fallback, NetworkSettings, Placement, QueueRules, Settings
from sipsensor.enforce.queue_rules import QueuePlan, RulesError
from sipsensor.engine import Engine
from sipsensor.export.events import EventLog
from sipsensor.live import sensor as live
from sipsensor.live.sensor import Outlets, Sensor, where
from sipsensor.model import Arrival, Mode
from sipsensor.sources.nfqueue import QueueError
from sipsensor.sources.pcap import Capture, packets

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
    """Stands in for the queue and the rules, and writes down in which order they come and go."""

    def __init__(self) -> None:
        self.ours, self.socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.happened: list[str] = []
        self.refusal: Exception | None = None
        self.plan: QueuePlan | None = None
        self.fail_open: bool | None = None

    def bind(self, number: int, length: int, *, fail_open: bool) -> Kernel:
        del length
        self.number, self.fail_open = number, fail_open
        self.happened.append("bound")
        return self

    fd = property(lambda self: self.ours.fileno())
    early: tuple[bytes, ...] = ()

    def close(self) -> None:
        self.happened.append("unbound")

    def rules(self, plan: QueuePlan, how: str, holder: Callable[[int], str | None]) -> Kernel:
        del how, holder
        self.plan = plan
        return self

    def install(self) -> str:
        if self.refusal is not None:
            raise self.refusal
        self.happened.append("rules")
        return "iptables"

    def remove(self) -> None:
        # A packet that came while the rules went must still be answered.
        with suppress(OSError):
            self.socket.send(queued(99, LAWFUL))
        self.happened.append("no rules")

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
    monkeypatch.setattr(live, "QueueRules", made.rules)
    monkeypatch.setattr(live, "own_addresses", lambda: ("192.0.2.10",))
    monkeypatch.setattr(live, "loopback", lambda: (1,))
    monkeypatch.setattr(live.gc, "freeze", lambda: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(live.sys, "setswitchinterval", lambda _: None)  # type: ignore[attr-defined]
    yield made
    made.ours.close()
    made.socket.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    plain = defaults()
    return replace(
        plain,
        mode=Mode.ENFORCE,
        metrics=replace(plain.metrics, listen="127.0.0.1:0"),
        events=replace(plain.events, file=str(tmp_path / "events.jsonl")),
        quarantine=replace(plain.quarantine, file=str(tmp_path / "state" / "quarantine.pcap")),
    )


class Started:
    """A sensor that runs in a thread."""

    def __init__(self, settings: Settings, record: Path | None = None) -> None:
        self.said: list[str] = []
        self.stop = threading.Event()
        self.sensor = Sensor(settings, self.said.append, record)
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        deadline = time.monotonic() + 5
        while not self.said and self.thread.is_alive() and time.monotonic() < deadline:
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
    assert kernel.verdict(99) == ACCEPT
    assert running.error is None
    assert kernel.happened == ["bound", "rules", "no rules", "unbound"]
    assert "enforce, host, protects 192.0.2.10, queue 5060, rules iptables, metrics 127.0.0.1:" in running.said[0]
    assert running.said[-1] == "stopped after 4 packets: 2 to drop, 2 dropped"
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["sipsensor"]["reason"] for event in events] == ["SIGNATURE", "SPOOFED"]
    read = [packet for batch in Capture(tmp_path / "record.pcap").batches() for packet in packets(batch)]
    assert [packet.arrival for packet in read] == [Arrival.INBOUND, Arrival.INBOUND, Arrival.FORGED, Arrival.INBOUND]
    assert not (tmp_path / "state" / "quarantine.pcap").exists()


def test_a_replay_of_the_record_gives_the_same_verdicts(kernel: Kernel, settings: Settings, tmp_path: Path) -> None:
    running = Started(settings, tmp_path / "record.pcap")
    for number, payload in enumerate((SCANNER, LAWFUL, LAWFUL.replace(b"OPTIONS", b"OPTION", 1), b"\r\n\r\n")):
        kernel.judge(number, payload)
    running.end()
    replay = Replay(lambda: build_engine(settings, seed=Replay.SEED), verify=True)
    replay.run([tmp_path / "record.pcap"])
    assert replay.differences is not None
    assert (replay.differences.compared, replay.differences.different) == (5, 0)


def test_observe_mode_drops_nothing_and_opens_the_queue(kernel: Kernel, settings: Settings) -> None:
    running = Started(replace(settings, mode=Mode.OBSERVE))
    assert kernel.judge(1, SCANNER) == ACCEPT
    running.end()
    assert kernel.fail_open is True
    assert running.said[-1] == "stopped after 2 packets: 1 to drop, 0 dropped"


@pytest.mark.parametrize("on_full", Fallback)
def test_a_full_queue_and_a_dead_sensor_are_settings(kernel: Kernel, settings: Settings, on_full: Fallback) -> None:
    failure = FailureSettings(on_full=(on_full, Fallback.ACCEPT), on_death=(on_full, Fallback.ACCEPT))
    Started(replace(settings, failure=failure)).end()
    assert kernel.fail_open is (on_full is Fallback.ACCEPT)
    assert kernel.plan == QueuePlan("host", 5060, (5060,), (), bypass=on_full is Fallback.ACCEPT)


def test_an_engine_that_fails_is_kept_and_said(
    kernel: Kernel, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("on\npurpose")

    monkeypatch.setattr(Engine, "_judge", fail)
    running = Started(settings)
    assert kernel.judge(1, LAWFUL) == DROP
    running.end()
    assert kernel.verdict(99) == DROP
    assert "2 errors" in running.said[-1]
    assert (
        sum("the engine failed on a packet: RuntimeError: on" in line and "\n" not in line for line in running.said)
        == 2
    )
    kept = tmp_path / "state" / "quarantine.pcap"
    assert len([1 for batch in Capture(kept).batches() for _ in packets(batch)]) == 2


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


def test_rules_that_are_refused_leave_no_queue(kernel: Kernel, settings: Settings) -> None:
    kernel.refusal = RulesError("no")
    running = Started(settings)
    running.thread.join(5)
    assert running.error is kernel.refusal
    assert kernel.happened == ["bound", "unbound"]


def test_a_queue_that_fails_ends_it_with_the_rules_removed(kernel: Kernel, settings: Settings) -> None:
    running = Started(settings)
    kernel.ours.shutdown(socket.SHUT_RDWR)
    kernel.ours.close()
    running.thread.join(10)
    assert isinstance(running.error, QueueError)
    assert kernel.happened == ["bound", "rules", "no rules", "unbound"]


def test_without_rules_of_its_own_it_says_which_to_add(
    kernel: Kernel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "install", lambda: "none")
    running = Started(replace(settings, queue=replace(settings.queue, rules=QueueRules.NONE)))
    running.end()
    assert any("rule for you to add: iptables -t mangle -A INPUT" in line for line in running.said)


def test_an_operator_who_hangs_up_does_not_end_it(kernel: Kernel, settings: Settings) -> None:
    def hung_up(_line: str) -> None:
        raise BrokenPipeError

    stop = threading.Event()
    stop.set()
    Sensor(settings, hung_up).run(stop)
    assert kernel.happened == ["bound", "rules", "no rules", "unbound"]


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
    while len(running.said) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kernel.judge(1, SCANNER) == DROP
    running.end()
    assert "events.file: " in running.said[1]
    assert len((tmp_path / "events.jsonl.1").read_text().splitlines()) == 1


@pytest.mark.usefixtures("kernel")
def test_new_interface_numbers_reach_the_pump(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = [(7,)]
    monkeypatch.setattr(live, "inside_interfaces", lambda *_: inside[-1])
    monkeypatch.setattr(Sensor, "LOOK", 0.02)
    network = NetworkSettings(placement=Placement.GATEWAY, protected=("192.0.2.10",), inside=("lan0",))
    running = Started(replace(settings, network=network))
    inside.append((8,))
    deadline = time.monotonic() + 5
    while "the inside interfaces are now 8" not in running.said and time.monotonic() < deadline:
        time.sleep(0.01)
    running.end()
    assert "the inside interfaces are now 8" in running.said


def test_everything_can_be_switched_off(kernel: Kernel, settings: Settings, tmp_path: Path) -> None:
    off = replace(
        settings,
        metrics=replace(settings.metrics, listen=""),
        events=replace(settings.events, file=""),
        quarantine=replace(settings.quarantine, file=""),
    )
    running = Started(off)
    assert kernel.judge(1, SCANNER) == DROP
    running.end()
    assert "metrics off" in running.said[0]
    assert list(tmp_path.iterdir()) == []


def test_metrics_have_the_queue_and_the_posture(kernel: Kernel, settings: Settings) -> None:
    running = Started(settings)
    kernel.judge(1, SCANNER)
    found = {series.name: series for series in running.sensor._series()}
    running.end()
    assert dict(found["answers"].samples) == {("accept",): 0, ("drop",): 1}
    assert found["packets"].samples == [((), 1)]
    assert found["build"].samples[0][0][:2] == ("enforce", "host")


def test_the_reference_lists_every_metric(kernel: Kernel, settings: Settings) -> None:
    running = Started(settings)
    running.end()
    kernel.verdict(99)
    text = (REPOSITORY / "docs" / "reference" / "metrics.md").read_text()
    listed = re.findall(r"^\| `(sipsensor_\w+)` \| (\w+) \|([^|]*)\|", text, re.MULTILINE)
    endings = {"counter": "_total", "gauge": "", "info": "_info"}
    assert [(name, kind, labels.replace("`", "").strip()) for name, kind, labels in listed] == [
        (f"sipsensor_{series.name}{endings[series.kind]}", series.kind, ", ".join(series.labels))
        for series in running.sensor._series()
        if series.name not in {"queue_waiting_packets", "queue_lost_packets"}
    ] + [("sipsensor_queue_waiting_packets", "gauge", ""), ("sipsensor_queue_lost_packets_total", "counter", "full")]


def test_the_sample_configuration_is_good_complete_and_has_the_defaults() -> None:
    sample = REPOSITORY / "deploy" / "sipsensor.toml"
    assert load(sample) == defaults()
    section, found = "", set()
    for line in sample.read_text().splitlines():
        if heading := re.match(r"(?:# )?\[(.+?)\]\s", line + " "):
            section = heading[1]
        elif setting := re.match(r"(?:# )?(\w+) = ", line):
            found.add((section.partition('"')[0], setting[1]))
            assert "#" in line[1:] or line.startswith("# action"), f"no comment: {line}"
    assert found == {(key.section.partition('"')[0], key.name) for key in keys()}


def test_notices_are_bounded(settings: Settings) -> None:
    with ExitStack() as edges:
        outlets = Outlets(settings, None, edges)
        for _ in range(1000):
            outlets.failed(b"", 0, Arrival.INBOUND, RuntimeError("x"))
        assert len(outlets.notices) == Outlets.NOTICES
        assert outlets.quarantine is not None
        assert outlets.quarantine.kept == settings.limits.quarantine_packets


def test_an_error_is_told_in_one_line_with_its_place() -> None:
    with pytest.raises(struct.error) as caught:
        struct.unpack("=I", b"")
    assert re.fullmatch(r"error: unpack requires a buffer of 4 bytes at test_live\.py:\d+", where(caught.value))
    assert where(RuntimeError("several\nlines\x1b[31m")).isprintable()
