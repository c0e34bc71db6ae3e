"""Metrics as data, and what becomes of them at a scrape."""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sipsensor.export.metrics import Distribution, Series, one, registry


def everything() -> Iterator[Series | Distribution]:
    yield Series("counter", "drops", "By reason", [(("LIMIT",), 3), (("ERROR",), 0)], ("reason",))
    yield one("gauge", "queue_waiting_packets", "Packets that wait", 12)
    yield Series("info", "build", "What runs here", [(("1.0", "enforce"), 1)], ("version", "mode"))
    spent = [(("strangers",), (5, 0, 2, 1), 1_500_000), (("trusted",), (0, 0, 0, 0), 0)]
    yield Distribution("latency_seconds", "Time", (10_000, 1_000_000, 100_000_000), spent, ("queue",))


def text() -> str:
    return generate_latest(registry(everything)).decode()


def test_numbers_become_samples() -> None:
    lines = text().splitlines()
    for line in (
        "# TYPE sipsensor_drops_total counter",
        'sipsensor_drops_total{reason="LIMIT"} 3.0',
        'sipsensor_drops_total{reason="ERROR"} 0.0',
        "# HELP sipsensor_queue_waiting_packets Packets that wait",
        "sipsensor_queue_waiting_packets 12.0",
        'sipsensor_build_info{mode="enforce",version="1.0"} 1.0',
    ):
        assert line in lines


def test_a_distribution_becomes_a_histogram_in_seconds() -> None:
    lines = text().splitlines()
    for line in (
        "# TYPE sipsensor_latency_seconds histogram",
        'sipsensor_latency_seconds_bucket{le="1e-05",queue="strangers"} 5.0',
        'sipsensor_latency_seconds_bucket{le="0.001",queue="strangers"} 5.0',
        'sipsensor_latency_seconds_bucket{le="0.1",queue="strangers"} 7.0',
        'sipsensor_latency_seconds_bucket{le="+Inf",queue="strangers"} 8.0',
        'sipsensor_latency_seconds_count{queue="strangers"} 8.0',
        'sipsensor_latency_seconds_sum{queue="strangers"} 0.0015',
        'sipsensor_latency_seconds_bucket{le="+Inf",queue="trusted"} 0.0',
    ):
        assert line in lines


def test_nothing_says_when_a_series_was_made() -> None:
    assert "_created" not in text()


def test_it_is_read_anew_at_each_scrape() -> None:
    count = iter(range(1, 9))
    made = registry(lambda: [one("counter", "reads", "Scrapes", next(count))])
    last = [generate_latest(made).decode().splitlines()[-1] for _ in range(2)]
    assert last == ["sipsensor_reads_total 1.0", "sipsensor_reads_total 2.0"]


def test_the_process_is_told_of_where_it_is_wanted() -> None:
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(generate_latest(registry(everything, process=True)).decode())
        for sample in family.samples
    }
    assert found["sipsensor_process_open_fds"] >= 3
    assert found["sipsensor_process_resident_memory_bytes"] > 1 << 20
    assert found["sipsensor_process_cpu_seconds_total"] <= sum(os.times()[:2]) + 0.1
    assert "process" not in text()
