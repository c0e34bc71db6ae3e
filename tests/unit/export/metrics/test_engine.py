"""What the engine counted, as Prometheus gets it."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sipsensor.counters import Counters
from sipsensor.export.metrics import Series, engine_series, registry, table_series
from sipsensor.model import DROP_REASONS, WHAT_MALFORMED, AppProtocol, Family, Reason, Table, kind_of
from tests.support.engines import rule


def samples(*series: Series) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry(lambda: series)).decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_what_was_counted_becomes_samples() -> None:
    counters = Counters()
    counters.accepted, counters.dropped, counters.errors, counters.unassembled_tcp = 7, 3, 1, 4
    counters.reasons[Reason.SIGNATURE] = 3
    counters.kinds[kind_of(AppProtocol.SIP, 0, 0, WHAT_MALFORMED)] = 2
    counters.kinds[kind_of(AppProtocol.IAX2, 1, 2, WHAT_MALFORMED)] = 5
    found = samples(*engine_series(counters, ()))
    assert found["sipsensor_verdicts_total{verdict=accept}"] == 7
    assert found["sipsensor_verdicts_total{verdict=drop}"] == 3
    assert found["sipsensor_drops_total{reason=SIGNATURE}"] == 3
    assert found["sipsensor_malformed_messages_total{protocol=sip}"] == 2
    assert found["sipsensor_malformed_messages_total{protocol=iax2}"] == 5
    assert found["sipsensor_engine_errors_total{}"] == 1
    assert found["sipsensor_unassembled_segments_total{}"] == 4


def test_alerts_are_by_family_and_severity_of_their_rules() -> None:
    counters = Counters()
    counters.alerts.update({"scanner.svmap.tag": 2, "scanner.svwar.tag": 1, "flood.register.source": 4})
    rules = [
        rule("scanner.svmap.tag", severity=1),
        rule("scanner.svwar.tag", severity=2),
        rule("flood.register.source", severity=3),
    ]
    found = samples(*engine_series(counters, rules))
    assert found["sipsensor_alerts_total{family=scanner,severity=1}"] == 2
    assert found["sipsensor_alerts_total{family=scanner,severity=2}"] == 1
    assert found["sipsensor_alerts_total{family=flood,severity=3}"] == 4
    assert sum(count for name, count in found.items() if name.startswith("sipsensor_alerts_total")) == 7


def test_every_label_value_is_there_from_the_start() -> None:
    found = samples(*engine_series(Counters(), ()))
    assert {name for name in found if name.startswith("sipsensor_drops_")} == {
        f"sipsensor_drops_total{{reason={reason}}}" for reason in DROP_REASONS
    }
    assert {name for name in found if name.startswith("sipsensor_alerts_")} == {
        f"sipsensor_alerts_total{{family={family},severity={severity}}}"
        for family in Family
        for severity in range(1, 6)
    }
    assert "sipsensor_messages_total{method=REGISTER,protocol=sip}" in found
    assert "sipsensor_messages_total{method=other,protocol=sip}" in found
    assert set(found.values()) == {0}
    assert len(found) < 200


def test_tables_say_how_full_they_are() -> None:
    found = samples(*table_series([Table("fragments", 3, 1024, 7), Table("transactions", 0, 64, 0)]))
    assert found == {
        "sipsensor_table_entries{table=fragments}": 3,
        "sipsensor_table_entries{table=transactions}": 0,
        "sipsensor_table_capacity_entries{table=fragments}": 1024,
        "sipsensor_table_capacity_entries{table=transactions}": 64,
        "sipsensor_table_evictions_total{table=fragments}": 7,
        "sipsensor_table_evictions_total{table=transactions}": 0,
    }
