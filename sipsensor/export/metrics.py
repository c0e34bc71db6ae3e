"""The Prometheus endpoint: numbers that others counted, read at each scrape. No address, number, name or agent ever becomes a label.

Counting stays plain integers in the packet path; a collector of our own turns them into samples, so that a scrape costs the packet path
nothing but the interpreter's time for a few dozen series.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Literal
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from sipsensor.counters import Counters
from sipsensor.model import DROP_REASONS, AppProtocol, Family

_REQUEST_SECONDS = 10
_PORT_MOST = 65535


class MetricsError(Exception):
    """The endpoint cannot be opened; the text is one line for the operator."""


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


def one(kind: Literal["counter", "gauge"], name: str, doc: str, number: float) -> Series:
    """A metric without labels."""
    return Series(kind, name, doc, [((), number)])


def engine_series(counters: Counters) -> Iterator[Series]:
    """What the engine counted. Every label's values are a closed list, and all of them are there from the start."""
    sip = AppProtocol.SIP.name.lower()
    by_what = [((sip, what), count) for what, count in counters.by_what()]
    yield Series(
        "counter", "messages", "Messages by method, or class of the status code", by_what, ("protocol", "method")
    )
    malformed = [((sip,), counters.malformed)]
    yield Series(
        "counter", "malformed_messages", "Payloads that cannot be parsed as messages", malformed, ("protocol",)
    )
    verdicts = [(("accept",), counters.accepted), (("drop",), counters.dropped)]
    yield Series("counter", "verdicts", "What the policy says of packets, whatever the mode", verdicts, ("verdict",))
    drops = [((reason.value,), counters.reasons[reason]) for reason in DROP_REASONS]
    yield Series("counter", "drops", "Packets that the policy drops, whatever the mode, by reason", drops, ("reason",))
    fired = dict.fromkeys(Family, 0)
    for slug, count in list(counters.alerts.items()):
        fired[Family(slug.partition(".")[0])] += count
    alerts = [((family.value,), count) for family, count in fired.items()]
    yield Series("counter", "alerts", "Rules that fired, by family", alerts, ("family",))
    anomalies = [((name,), count) for name, count in counters.anomalies.items()]
    yield Series("counter", "anomalies", "Messages that are odd, but parsed", anomalies, ("anomaly",))
    yield one("counter", "engine_errors", "Packets on which the engine failed", counters.errors)
    segments = "TCP segments with a payload, each judged as if it were a datagram"
    yield one("counter", "unassembled_segments", segments, counters.unassembled_tcp)


class _Numbers(Collector):
    """Asks ``read`` at each scrape."""

    def __init__(self, read: Callable[[], Iterable[Series]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for series in self._read():
            yield _metric(series)


def _metric(series: Series) -> Metric:
    name = f"sipsensor_{series.name}"
    if series.kind == "info":
        return InfoMetricFamily(name, series.doc, value=dict(zip(series.labels, series.samples[0][0], strict=True)))
    family = CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily
    metric = family(name, series.doc, labels=series.labels)
    for values, number in series.samples:
        metric.add_metric(values, number)
    return metric


def registry(read: Callable[[], Iterable[Series]]) -> CollectorRegistry:
    """A registry that holds what ``read`` says and nothing else."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_Numbers(read))
    return made


class Endpoint:
    """Serves ``/metrics`` on ``listen`` ("address:port", IPv6 in brackets) from a thread of its own until ``close``.

    Raises MetricsError when ``listen`` is no such text or the port cannot be had.
    """

    def __init__(self, listen: str, numbers: CollectorRegistry) -> None:
        host, port = parse_listen(listen)
        server = _ServerV6 if ":" in host else _Server
        try:
            self._server: WSGIServer = server((host, port), _Handler)
        except OSError as error:
            raise MetricsError(
                f'metrics.listen: {listen}: {error.strerror}; choose a free port, or "" for none'
            ) from None
        self._server.set_app(make_wsgi_app(numbers))
        self.address = f"{listen.rpartition(':')[0]}:{self._server.server_port}"
        """Where it listens, with the port that was chosen for port 0."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def parse_listen(listen: str) -> tuple[str, int]:
    """Address and port of "address:port". Raises MetricsError."""
    host, separator, port = listen.rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > _PORT_MOST:
        raise MetricsError(f'metrics.listen: {listen!r} is no address:port; write "127.0.0.1:9437" or "[::1]:9437"')
    return host.removeprefix("[").removesuffix("]"), int(port)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Without the look-up of this host's name that the base class makes: it may block on a dead resolver."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name = str(self.server_address[0])
        self.server_port = int(self.server_address[1])
        self.setup_environ()


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = _REQUEST_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes are not logged."""

    def address_string(self) -> str:
        """The address alone: no look-up of names."""
        return str(self.client_address[0])
