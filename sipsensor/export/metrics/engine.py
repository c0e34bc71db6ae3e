"""What the engine counted, as series. Every label's values are a closed list, and all of them are there from the start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sipsensor.counters import Counters
from sipsensor.export.metrics.series import Series, one
from sipsensor.model import DROP_REASONS, AppProtocol, Family, Rule, Table

SEVERITIES = range(1, 6)


def engine_series(counters: Counters, rules: Iterable[Rule]) -> Iterator[Series]:
    """What one engine counted; ``rules`` are those that may fire there, for their severity."""
    by_what = [((protocol, what), count) for protocol, what, count in counters.by_what()]
    what = "Messages by method, or class of the status code; frames of IAX2 by subclass"
    yield Series("counter", "messages", what, by_what, ("protocol", "method"))
    malformed = [((protocol.name.lower(),), counters.malformed_of(protocol)) for protocol in AppProtocol]
    yield Series(
        "counter", "malformed_messages", "Payloads that cannot be parsed as messages", malformed, ("protocol",)
    )
    verdicts = [(("accept",), counters.accepted), (("drop",), counters.dropped)]
    yield Series("counter", "verdicts", "What the policy says of packets, whatever the mode", verdicts, ("verdict",))
    drops = [((reason.value,), counters.reasons[reason]) for reason in DROP_REASONS]
    yield Series("counter", "drops", "Packets that the policy drops, whatever the mode, by reason", drops, ("reason",))
    yield _alerts(counters, rules)
    anomalies = [((name,), count) for name, count in counters.anomalies.items()]
    yield Series("counter", "anomalies", "Messages that are odd, but parsed", anomalies, ("anomaly",))
    yield one("counter", "engine_errors", "Packets on which the engine failed", counters.errors)
    segments = "TCP segments with a payload, each judged as if it were a datagram"
    yield one("counter", "unassembled_segments", segments, counters.unassembled_tcp)


def _alerts(counters: Counters, rules: Iterable[Rule]) -> Series:
    worst = min(SEVERITIES)
    severities = {rule.slug: rule.severity for rule in rules}
    fired = {(family.value, str(severity)): 0 for family in Family for severity in SEVERITIES}
    for slug, count in list(counters.alerts.items()):
        fired[slug.partition(".")[0], str(severities.get(slug, worst))] += count
    what = "Rules that fired, by the first word of their name and by severity, 1 being the worst"
    return Series("counter", "alerts", what, list(fired.items()), ("family", "severity"))


def table_series(tables: Iterable[Table]) -> Iterator[Series]:
    """How full bounded tables are."""
    known = [((table.name,), table) for table in tables]
    entries = [(name, table.entries) for name, table in known]
    yield Series("gauge", "table_entries", "Entries in a table of bounded size", entries, ("table",))
    capacity = [(name, table.capacity) for name, table in known]
    yield Series("gauge", "table_capacity_entries", "Entries that a table can hold", capacity, ("table",))
    evictions = [(name, table.evictions) for name, table in known]
    what = "Entries that made room for others before their time"
    yield Series("counter", "table_evictions", what, evictions, ("table",))
