"""Alert rules and dashboard: Prometheus' own tool reads them, every alert fires when it should and not before, every metric exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sipsensor.live.reference import metrics, names
from tests.conftest import REPOSITORY, missing

RULES = REPOSITORY / "deploy" / "prometheus" / "sipsensor.rules.yml"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "sipsensor.json"
LABELS = 'instance="pbx:9437",job="sipsensor"'
METRIC = re.compile(r"\bsipsensor_[a-z0-9_]+")

# What makes each alert fire: series (name with labels of its own, values in promtool's notation, one a minute), and the alert's own labels.
FIRES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "SipsensorDown": ({"up": "0x200"}, {}),
    "SipsensorRulesMissing": ({"sipsensor_rules_in_place": "1x100 0x100"}, {}),
    "SipsensorRulesUnwatched": ({"sipsensor_rules_looks_total": "0+60x100 6000x100"}, {}),
    "SipsensorUninspected": (
        {'sipsensor_uninspected_packets_total{queue="strangers"}': "0x118 7x90"},
        {"queue": "strangers"},
    ),
    "SipsensorUninspectedUnknown": ({"sipsensor_uninspected_reckoned": "0x200"}, {}),
    "SipsensorRulesDamaged": ({"sipsensor_rules_put_back_total": "0x115 1x90"}, {}),
    "SipsensorSeesNothing": (
        {
            'sipsensor_packets_total{queue="strangers"}': "0+9x30 270x170",
            'sipsensor_packets_total{queue="trusted"}': "0x200",
        },
        {},
    ),
    "SipsensorKernelDrops": (
        {'sipsensor_queue_lost_packets_total{queue="trusted",full="socket"}': "0x118 5x90"},
        {"queue": "trusted", "full": "socket"},
    ),
    "SipsensorHung": ({"sipsensor_sensor_hangs_total": "0x115 1x90"}, {}),
    "SipsensorRestarted": ({"sipsensor_sensor_restarts_total": "0x115 1x90"}, {}),
    "SipsensorEngineErrors": ({"sipsensor_engine_errors_total": "0x115 1x90"}, {}),
    "SipsensorFailures": ({'sipsensor_netlink_errors_total{queue="trusted"}': "0x115 1x90"}, {}),
    "SipsensorLostWrites": ({"sipsensor_lost_writes_total": "0x115 9x90"}, {}),
    "SipsensorTruncated": ({'sipsensor_truncated_packets_total{queue="strangers"}': "0x118 1x90"}, {}),
    "SipsensorSlow": (
        {
            'sipsensor_verdict_latency_seconds_bucket{queue="trusted",le="0.01"}': "0x200",
            'sipsensor_verdict_latency_seconds_bucket{queue="trusted",le="0.05"}': "0+9x200",
            'sipsensor_verdict_latency_seconds_bucket{queue="trusted",le="+Inf"}': "0+9x200",
        },
        {"queue": "trusted"},
    ),
    "SipsensorQueueFilling": (
        {
            'sipsensor_queue_waiting_packets{queue="strangers"}': "0x100 6000x100",
            'sipsensor_queue_capacity_packets{queue="strangers"}': "8192x200",
        },
        {"queue": "strangers"},
    ),
    "SipsensorTableFull": (
        {
            'sipsensor_table_entries{table="transactions"}': "65000x200",
            'sipsensor_table_capacity_entries{table="transactions"}': "65536x200",
            'sipsensor_table_evictions_total{table="transactions"}': "0+600x200",
        },
        {"table": "transactions"},
    ),
    "SipsensorSheds": ({'sipsensor_shed_packets_total{answer="drop"}': "0x100 0+60000x100"}, {}),
    "SipsensorRateLimited": ({"sipsensor_rate_limited_packets_total": "0x100 0+60000x100"}, {}),
    "SipsensorSourceLimited": ({"sipsensor_source_limited_packets_total": "0x100 0+60000x100"}, {}),
    "SipsensorTrustedFallen": ({"sipsensor_trusted_fallen_packets_total": "0x100 0+60000x100"}, {}),
    "SipsensorSafetyNet": ({"sipsensor_safety_net_tripped": "0x100 1x100"}, {}),
    "SipsensorPhonesGone": ({'sipsensor_standing{standing="trusted"}': "60x100 10x100"}, {"standing": "trusted"}),
    "SipsensorForged": ({'sipsensor_forged_packets_total{queue="strangers"}': "0x115 3x90"}, {}),
    "SipsensorAttackSurge": ({'sipsensor_alerts_total{family="scanner",severity="2"}': "0x1440 0+100x100"}, {}),
}
LATER = {"SipsensorAttackSurge": "1500m"}
WHEN = "120m"


@pytest.fixture(scope="module")
def promtool() -> str:
    return shutil.which("promtool") or missing("promtool", "make setup-test")


def check(promtool: str, *arguments: str) -> None:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> list[str]:
    return re.findall(r"^      - alert: (\w+)$", RULES.read_text(), re.MULTILINE)


def with_labels(series: str) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    return f"{name}{{{labels + ',' if labels else ''}{LABELS}}}"


def idle() -> Iterator[tuple[str, str]]:
    """Every series of a sensor that is well and sees a packet a second."""
    well = {
        "sipsensor_rules_in_place": "1",
        "sipsensor_uninspected_reckoned": "1",
        "sipsensor_rules_looks_total": "0+60",
    }
    for metric in metrics():
        for sample in metric.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            value = well.get(sample.name, str(int(sample.value) if sample.value < 1e6 else 1000))
            if sample.name in {"sipsensor_packets_total", "sipsensor_answers_total"}:
                value = "0+60"
            if sample.name == "sipsensor_verdict_latency_seconds_bucket":
                value = "0+60"
            yield with_labels(f"{sample.name}{{{labels}}}"), f"{value}x200"
    yield with_labels("up"), "1x200"


def run(promtool: str, folder: Path, tests: list[dict[str, Any]], *, words: bool = True) -> None:
    """Without ``words``, promtool does not compare the texts for people."""
    rules, file = folder / "rules.yml", folder / "tests.yml"
    text = RULES.read_text()
    rules.write_text(
        text if words else re.sub(r"^        annotations:\n(?:          .*\n)+", "", text, flags=re.MULTILINE)
    )
    file.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}))
    check(promtool, "test", "rules", str(file))


def test_prometheus_reads_the_rules(promtool: str) -> None:
    check(promtool, "check", "rules", str(RULES))


def test_every_alert_has_its_case() -> None:
    assert set(alerts()) == set(FIRES)


@pytest.mark.parametrize("alert", sorted(FIRES))
def test_an_alert_fires_when_it_should(promtool: str, tmp_path: Path, alert: str) -> None:
    series, own = FIRES[alert]
    rule = re.search(rf"- alert: {alert}\n.*?severity: (\w+)\}}\n(.*?)(?=\n\n|\Z)", RULES.read_text(), re.DOTALL)
    assert rule
    labels = {"severity": rule[1], "instance": "pbx:9437", "job": "sipsensor", **own}
    assert set(re.findall(r"\$labels\.(\w+)", rule[2])) <= set(labels)
    inputs = [{"series": with_labels(name), "values": values} for name, values in series.items()]
    expected = {"eval_time": LATER.get(alert, WHEN), "alertname": alert, "exp_alerts": [{"exp_labels": labels}]}
    run(promtool, tmp_path, [{"interval": "1m", "input_series": inputs, "alert_rule_test": [expected]}], words=False)


def test_no_alert_fires_while_all_is_well(promtool: str, tmp_path: Path) -> None:
    series = [{"series": name, "values": values} for name, values in idle()]
    never: list[dict[str, Any]] = [
        {"eval_time": when, "alertname": alert, "exp_alerts": []} for alert in alerts() for when in ("20m", "150m")
    ]
    run(promtool, tmp_path, [{"interval": "1m", "input_series": series, "alert_rule_test": never}])


# --- the dashboard


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_prometheus_reads_every_expression_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    plain = [
        expression.replace("$__rate_interval", "5m").replace("$__range", "1h").replace("$instance", ".*")
        for expression in expressions()
    ]
    assert not [expression for expression in plain if "$" in expression]
    assert len(plain) > 20
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(plain)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    check(promtool, "check", "rules", str(file))


def test_only_metrics_that_exist_are_asked_for() -> None:
    known = set(names())
    known |= {name.rpartition("_")[0] for name in known if name.endswith("_bucket")}
    for file, text in ((RULES, RULES.read_text()), (DASHBOARD, " ".join(expressions()))):
        asked = set(METRIC.findall(text)) - {"sipsensor_rules"}
        assert asked <= known, f"{file.name} asks for {sorted(asked - known)}"
        assert len(asked) > 15


def test_the_dashboard_can_be_imported_anywhere() -> None:
    made = json.loads(DASHBOARD.read_text())
    assert made["id"] is None
    assert (made["uid"], made["title"]) == ("sipsensor", "sipsensor")
    numbers = [panel["id"] for panel in made["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert panel["description"], panel["title"]
        for target in panel["targets"]:
            assert 'instance=~"$instance"' in target["expr"], target["expr"]
    places = [panel["gridPos"] for panel in made["panels"]]
    for at, place in enumerate(places):
        assert 0 <= place["x"] <= place["x"] + place["w"] <= 24
        for other in places[at + 1 :]:
            apart = (
                place["x"] + place["w"] <= other["x"]
                or other["x"] + other["w"] <= place["x"]
                or place["y"] + place["h"] <= other["y"]
                or other["y"] + other["h"] <= place["y"]
            )
            assert apart, (place, other)
