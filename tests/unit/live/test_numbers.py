"""Every metric of the live sensor: where each number comes from, and that Prometheus' own checker has nothing to say."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict
from prometheus_client.parser import text_string_to_metric_families

from sipsensor.config.load import defaults
from sipsensor.export.metrics import registry
from sipsensor.live.numbers import Numbers, backend_of
from sipsensor.live.page import BACKENDS, Lane, LaneNumber, Number
from sipsensor.model import Mode
from sipsensor.sources.governor import Governor
from sipsensor.sources.nfqueue import QueueState
from sipsensor.sources.pump import LATENCY_BOUNDS
from tests.conftest import missing
from tests.support.live import STARTED, FakeEvents, FakeSensor, Kernel
from tests.support.packets import message, packet

STRANGERS, TRUSTED = Lane.STRANGERS, Lane.TRUSTED


@pytest.fixture
def sensor() -> FakeSensor:
    return FakeSensor()


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def text(sensor: FakeSensor, kernel: Kernel) -> str:
    return generate_latest(registry(Numbers(sensor, kernel).series, process=True)).decode()


def samples(sensor: FakeSensor, kernel: Kernel) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text(sensor, kernel)):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[sample.name.removeprefix("sipsensor_") + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def test_promtool_has_nothing_to_say(sensor: FakeSensor, kernel: Kernel) -> None:
    promtool = shutil.which("promtool") or missing("promtool", "make setup-test")
    said = text(sensor, kernel).encode()
    done = subprocess.run([promtool, "check", "metrics"], input=said, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_openmetrics_which_prometheus_asks_for_is_good_too(sensor: FakeSensor, kernel: Kernel) -> None:
    said = openmetrics(registry(Numbers(sensor, kernel).series, process=True)).decode()  # type: ignore[no-untyped-call]
    assert said.endswith("# EOF\n")
    plain = [line for line in text(sensor, kernel).splitlines() if not line.startswith("#")]
    families = list(strict(said))  # type: ignore[no-untyped-call]
    assert sum(len(family.samples) for family in families) == len(plain)


def test_every_series_is_there_from_the_start(sensor: FakeSensor, kernel: Kernel) -> None:
    before = samples(sensor, kernel)
    for lane in Lane:
        numbers = sensor.page.lane(lane)
        for place in LaneNumber:
            numbers[place] = 7
        sensor.pumps[lane].packets = 9
        sensor.pumps[lane].latency = (1,) * (len(LATENCY_BOUNDS) + 1)
    for number in set(Number) - {Number.INSIDE}:
        sensor.page[number] = 1
    sensor.engine.process(packet(message(change={"User-Agent": "friendly-scanner"})))
    after = samples(sensor, kernel)
    assert set(after) == set(before)
    assert len(after) < 500
    assert sum(value != before[name] for name, value in after.items()) > 50
    assert "_created" not in text(sensor, kernel)
    assert all(
        name.startswith("sipsensor_") for name in re.findall(r"^# TYPE (\S+)", text(sensor, kernel), re.MULTILINE)
    )


def test_no_label_says_who(sensor: FakeSensor, kernel: Kernel) -> None:
    sensor.engine.process(
        packet(message(change={"User-Agent": "friendly-scanner"}), src="203.0.113.77", dst="192.0.2.10")
    )
    said = text(sensor, kernel)
    assert 'sipsensor_alerts_total{family="scanner",severity="' in said
    for word in ("203.0.113.77", "192.0.2.10", "friendly-scanner", "/run/sipsensor"):
        assert word not in said


def test_pumps_are_told_by_queue(sensor: FakeSensor, kernel: Kernel) -> None:
    strangers, trusted = sensor.pumps[STRANGERS], sensor.pumps[TRUSTED]
    strangers.packets, strangers.packet_bytes, strangers.accepted, strangers.dropped = 10, 5000, 6, 4
    strangers.forged, strangers.truncated, strangers.netlink_errors, strangers.failures = 1, 2, 3, 1
    trusted.packets, trusted.accepted, trusted.failures = 5, 5, 2
    sensor.outlets.failures = 4
    found = samples(sensor, kernel)
    for name, value in {
        "packets_total{queue=strangers}": 10,
        "packets_total{queue=trusted}": 5,
        "packet_bytes_total{queue=strangers}": 5000,
        "answers_total{answer=accept,queue=strangers}": 6,
        "answers_total{answer=drop,queue=strangers}": 4,
        "answers_total{answer=accept,queue=trusted}": 5,
        "answers_total{answer=drop,queue=trusted}": 0,
        "forged_packets_total{queue=strangers}": 1,
        "truncated_packets_total{queue=strangers}": 2,
        "netlink_errors_total{queue=strangers}": 3,
        "failures_total": 7,
    }.items():
        assert found[name] == value, name


def test_latencies_become_a_histogram_in_seconds(sensor: FakeSensor, kernel: Kernel) -> None:
    counts = [0] * (len(LATENCY_BOUNDS) + 1)
    counts[0], counts[2], counts[-1] = 70, 29, 1
    sensor.pumps[STRANGERS].latency = tuple(counts)
    sensor.pumps[STRANGERS].latency_total = 250_000_000
    found = samples(sensor, kernel)
    first, third, last = (LATENCY_BOUNDS[place] / 1e9 for place in (0, 2, -1))
    name = "verdict_latency_seconds"
    assert found[f"{name}_bucket{{le={first},queue=strangers}}"] == 70
    assert found[f"{name}_bucket{{le={third},queue=strangers}}"] == 99
    assert found[f"{name}_bucket{{le={last},queue=strangers}}"] == 99
    assert found[f"{name}_bucket{{le=+Inf,queue=strangers}}"] == 100
    assert found[f"{name}_count{{queue=strangers}}"] == 100
    assert found[f"{name}_sum{{queue=strangers}}"] == 0.25
    assert found[f"{name}_count{{queue=trusted}}"] == 0


def test_the_kernel_and_the_page_say_what_was_not_judged(sensor: FakeSensor, kernel: Kernel) -> None:
    kernel.queues = {5060: QueueState(12, 3, 4), 5061: QueueState(1, 0, 0)}
    page = sensor.page
    page.lane(STRANGERS)[LaneNumber.UNINSPECTED] = 100
    page.lane(TRUSTED)[LaneNumber.UNINSPECTED] = 7
    page.lane(STRANGERS)[LaneNumber.UNJUDGED_DROPPED] = 5
    page.lane(TRUSTED)[LaneNumber.UNJUDGED_ACCEPTED] = 6
    page[Number.LIMITED] = 450_000
    found = samples(sensor, kernel)
    for name, value in {
        "queue_waiting_packets{queue=strangers}": 12,
        "queue_waiting_packets{queue=trusted}": 1,
        "queue_capacity_packets{queue=strangers}": 8192,
        "queue_capacity_packets{queue=trusted}": 512,
        "queue_lost_packets_total{full=queue,queue=strangers}": 3,
        "queue_lost_packets_total{full=socket,queue=strangers}": 4,
        "uninspected_packets_total{queue=strangers}": 100,
        "uninspected_packets_total{queue=trusted}": 7,
        "uninspected_reckoned": 0,
        "unjudged_packets_total{answer=drop,queue=strangers}": 5,
        "unjudged_packets_total{answer=accept,queue=trusted}": 6,
        "rate_limited_packets_total": 450_000,
    }.items():
        assert found[name] == value, name


def test_the_governor_is_told(sensor: FakeSensor, kernel: Kernel) -> None:
    assert "governor_rate" not in samples(sensor, kernel)
    sensor.governor = Governor(0.5, 50_000)
    sensor.shedding.accepted, sensor.shedding.dropped = 3, 4
    found = samples(sensor, kernel)
    for name, value in {
        "shed_packets_total{answer=accept}": 3,
        "shed_packets_total{answer=drop}": 4,
        "governor_rate": 10_000,
        "governor_level": 0,
        "judging_cost_seconds": 0.00005,
    }.items():
        assert found[name] == pytest.approx(value), name


def test_what_the_user_may_not_read_is_absent_and_not_zero(sensor: FakeSensor, kernel: Kernel) -> None:
    kernel.queues = {5060: None, 5061: None}
    found = samples(sensor, kernel)
    assert not [name for name in found if name.startswith(("queue_waiting", "queue_lost"))]
    assert found["queue_capacity_packets{queue=strangers}"] == 8192


def test_rules_and_the_other_processes_are_told_from_the_page(sensor: FakeSensor, kernel: Kernel) -> None:
    page = sensor.page
    assert samples(sensor, kernel)["rules_backend{backend=unknown}"] == 1
    page[Number.RULES_STAND], page[Number.BACKEND] = 1, BACKENDS.index("iptables")
    page[Number.RULES_PUT_BACK], page[Number.RULES_MISSING] = 2, 1_500_000_000
    page[Number.KEEPER_LOOPS], page[Number.RESTARTS], page[Number.HANGS] = 77, 3, 1
    found = samples(sensor, kernel)
    for name, value in {
        "rules_in_place": 1,
        "rules_put_back_total": 2,
        "rules_missing_seconds_total": 1.5,
        "rules_looks_total": 77,
        "rules_backend{backend=iptables}": 1,
        "rules_backend{backend=unknown}": 0,
        "sensor_restarts_total": 3,
        "sensor_hangs_total": 1,
    }.items():
        assert found[name] == value, name
    page[Number.BACKEND] = 9
    assert backend_of(page) == "unknown"


def test_what_runs_here_is_told(sensor: FakeSensor, kernel: Kernel) -> None:
    found = samples(sensor, kernel)
    assert found["start_time_seconds"] == STARTED
    assert found["config_loaded_timestamp_seconds"] == STARTED - 5
    assert found["enforcing"] == 0
    assert found["signatures_loaded"] == len(
        next(each for each in sensor.engine.detectors if each.name == "scanner").rules
    )
    assert found["signatures_loaded"] > 10
    assert found["table_capacity_entries{table=transactions}"] == 65_536
    assert found["table_entries{table=event_volume}"] == 3
    assert found["mode{mode=observe}"] == 1
    sensor.engine.policy.mode = Mode.ENFORCE
    sensor.settings = replace(sensor.settings, mode=Mode.ENFORCE)
    assert samples(sensor, kernel)["enforcing"] == samples(sensor, kernel)["mode{mode=enforce}"] == 1
    assert re.search(
        r'^sipsensor_build_info\{mode="enforce",placement="host",python="3\.', text(sensor, kernel), re.MULTILINE
    )


def test_the_digest_is_that_of_the_settings(sensor: FakeSensor, kernel: Kernel) -> None:
    def digest() -> str:
        found = re.search(
            r'^sipsensor_config_info\{sha256="([0-9a-f]{12})"\} 1\.0$', text(sensor, kernel), re.MULTILINE
        )
        assert found
        return found[1]

    first = digest()
    sensor.settings = defaults()
    assert digest() == first
    sensor.settings = replace(sensor.settings, queue=replace(sensor.settings.queue, length=77))
    assert digest() != first


def test_outlets_are_told_whether_they_are_there_or_not(sensor: FakeSensor, kernel: Kernel) -> None:
    sensor.outlets.events = FakeEvents(written=9, left_out=4)
    sensor.outlets.quarantine = SimpleNamespace(kept=2)
    sensor.outlets.lost = 5
    found = samples(sensor, kernel)
    assert [found[f"{name}_total"] for name in ("events", "events_left_out", "quarantined_packets", "lost_writes")] == [
        9,
        4,
        2,
        5,
    ]
    sensor.outlets.events = sensor.outlets.quarantine = None
    found = samples(sensor, kernel)
    assert [found[f"{name}_total"] for name in ("events", "events_left_out", "quarantined_packets")] == [0, 0, 0]
