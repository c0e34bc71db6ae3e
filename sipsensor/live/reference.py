"""The metrics reference, made from what an idle sensor would export: ``python -m sipsensor.live.reference > docs/reference/metrics.md``.

A test compares the file with what this module renders, so the two cannot drift apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import Metric

from sipsensor.app import build_engine
from sipsensor.config.load import defaults
from sipsensor.export.events import EventLog, VolumeCap
from sipsensor.export.evidence import Evidence
from sipsensor.export.metrics import registry
from sipsensor.live.memory import Facts
from sipsensor.live.numbers import Numbers
from sipsensor.live.page import Lane, Page
from sipsensor.sources import governor as governing
from sipsensor.sources import pump as pumping
from sipsensor.sources.nfqueue import QueueState

HEAD = """# Metrics

On `http://127.0.0.1:9437/metrics` (`metrics.listen`; TLS and client certificates: `metrics.certificate`, `metrics.key`,
`metrics.client_ca`). No label carries an address, a number, a name or an agent; every value of a label is there from the start. What a
promise covers: `docs/versioning.md`. Alert rules and a dashboard on these names: `deploy/prometheus/`, `deploy/grafana/`.

Counters of packets begin anew when the sensor process does (`sipsensor_start_time_seconds`). Those of what passed uninspected or
unjudged, of the kernel rules, of restarts and hangs go on, because another process keeps them.

Do not edit this page: `make reference` makes it from the program.
"""
SHARED = ("queue", "answer")
"""Labels whose values need no list of their own: they stand with the metric."""
SHORT = 4
"""Values that still fit into the table."""


class _NoPackets:
    """A pump that has seen nothing."""

    packets = packet_bytes = accepted = dropped = forged = truncated = failures = netlink_errors = latency_total = 0
    latency = (0,) * (len(pumping.LATENCY_BOUNDS) + 1)


class _Nobody:
    """Takes what an event log writes."""

    @staticmethod
    def write(data: bytes, /) -> int:
        """Gone."""
        return len(data)


class _NothingTold:
    """Outlets that nothing went through."""

    failures = lost = 0
    quarantine = None

    def __init__(self) -> None:
        self.evidence = Evidence(8, 0, 0, 1)
        self.events = EventLog(_Nobody(), VolumeCap(defaults().limits.events, bytes(16)))


class _NothingShed:
    """The governor had nothing to do."""

    accepted = dropped = 0


class Idle:
    """A live sensor with default settings that has not seen a packet yet."""

    def __init__(self) -> None:
        self.settings = defaults()
        self.engine = build_engine(self.settings)
        self.page = Page()
        self.protected: tuple[str, ...] = ()
        self.loaded = self.started = time.time()
        self.pumps = {lane: _NoPackets() for lane in Lane}
        self.outlets = _NothingTold()
        self.governor: governing.Governor | None = governing.Governor(self.settings.queue.governor, 1e4, 8)
        self.shedding = _NothingShed()
        self.facts = Facts()
        self.errors: tuple[tuple[float, str], ...] = ()


def metrics() -> list[Metric]:
    """Every metric of a sensor that has not seen a packet yet."""
    numbers = Numbers(Idle(), lambda _: QueueState(0, 0, 0))
    return list(registry(numbers.series, process=True).collect())


def render() -> str:
    """The whole page as Markdown."""
    lines = [HEAD, "| metric | kind | labels | what it says |\n| --- | --- | --- | --- |"]
    found = metrics()
    long: dict[str, list[str]] = {}
    for metric in found:
        labels = []
        for label, values in _labels(metric).items():
            if label == "le":
                continue
            if len(values) <= SHORT and metric.type != "info":
                labels.append(f"`{label}` ({', '.join(values)})")
            else:
                labels.append(f"`{label}`")
                if metric.type != "info":
                    long[label] = values
        lines.append(f"| `{_name(metric)}` | {metric.type} | {', '.join(labels)} | {metric.documentation} |")
    lines.append("\n## Values of labels\n")
    lines += [f"- `{label}`: {', '.join(values)}" for label, values in sorted(long.items())]
    bounds = ", ".join(f"{bound / 1e9:g}" for bound in pumping.LATENCY_BOUNDS)
    lines.append(f"- `le` of `sipsensor_verdict_latency_seconds`: {bounds}, +Inf")
    return "\n".join(lines) + "\n"


def _name(metric: Metric) -> str:
    return metric.name + {"counter": "_total", "info": "_info"}.get(metric.type, "")


def _labels(metric: Metric) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for sample in metric.samples:
        for label, value in sample.labels.items():
            seen = values.setdefault(label, [])
            if value not in seen:
                seen.append(value)
    return values


def names() -> Iterator[str]:
    """The names of all samples, as they stand in the exposition and in what is asked of Prometheus."""
    for metric in metrics():
        yield from dict.fromkeys(sample.name for sample in metric.samples)


def main() -> None:
    """Write the page to standard output, or to the file that is named."""
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(render(), encoding="utf-8")
    else:
        sys.stdout.write(render())


if __name__ == "__main__":
    main()
