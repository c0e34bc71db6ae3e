"""The Prometheus endpoint: numbers that others counted, read at each scrape. No address, number, name or agent ever becomes a label.

Counting stays plain integers in the packet path; a collector of our own turns them into samples, so that a scrape costs the packet path
nothing but the interpreter's time for a few hundred of them.
"""

from sipsensor.export.metrics.endpoint import Endpoint, MetricsError, Tls, parse_listen, tls_context
from sipsensor.export.metrics.engine import engine_series, table_series
from sipsensor.export.metrics.series import Distribution, Series, one, registry

__all__ = [
    "Distribution",
    "Endpoint",
    "MetricsError",
    "Series",
    "Tls",
    "engine_series",
    "one",
    "parse_listen",
    "registry",
    "table_series",
    "tls_context",
]
