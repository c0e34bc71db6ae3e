"""Metrics as plain data, and the collector that makes samples of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

PREFIX = "sipsensor"
NANO = 1e9


@dataclass(frozen=True, slots=True)
class Series:
    """One metric: ``name`` without the prefix and without ``_total``, and a value for each set of label values.

    ``labels`` are the label names; ``samples`` pairs their values, in the same order, with a number. An ``info`` has one sample.
    """

    kind: Literal["counter", "gauge", "info"]
    name: str
    doc: str
    samples: Sequence[tuple[tuple[str, ...], float]]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram of times. ``bounds`` and sums in ns; a sample has a count for each bound, not cumulative, one for what is above the last,
    and the sum of all times.
    """

    name: str
    doc: str
    bounds: Sequence[int]
    samples: Sequence[tuple[tuple[str, ...], Sequence[int], int]]
    labels: tuple[str, ...] = ()


Read = Callable[[], Iterable[Series | Distribution]]


def one(kind: Literal["counter", "gauge"], name: str, doc: str, number: float) -> Series:
    """A metric without labels."""
    return Series(kind, name, doc, [((), number)])


class _Numbers(Collector):
    """Asks ``read`` at each scrape."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for series in self._read():
            yield _histogram(series) if isinstance(series, Distribution) else _metric(series)


def _metric(series: Series) -> Metric:
    name = f"{PREFIX}_{series.name}"
    if series.kind == "info":
        return InfoMetricFamily(name, series.doc, value=dict(zip(series.labels, series.samples[0][0], strict=True)))
    family = CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily
    metric = family(name, series.doc, labels=series.labels)
    for values, number in series.samples:
        metric.add_metric(values, number)
    return metric


def _histogram(series: Distribution) -> Metric:
    metric = HistogramMetricFamily(f"{PREFIX}_{series.name}", series.doc, labels=series.labels)
    bounds = [*(str(bound / NANO) for bound in series.bounds), "+Inf"]
    for values, counts, total in series.samples:
        metric.add_metric(values, list(zip(bounds, accumulate(counts), strict=True)), total / NANO)
    return metric


def registry(read: Read, *, process: bool = False) -> CollectorRegistry:
    """A registry that holds what ``read`` says; with ``process`` also memory, CPU time and descriptors of this process."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_Numbers(read))
    if process:
        ProcessCollector(namespace=PREFIX, registry=made)
    return made
