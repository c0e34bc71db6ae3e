"""A real Prometheus beside a real sensor: it scrapes, the alert rules and every panel of the dashboard get their answers."""

from __future__ import annotations

import json
import re
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conftest import REPOSITORY, missing
from tests.lab.network import PBX, Network, wait_for
from tests.lab.sensor import GATEWAY, METRICS, fetched, sensor

SEND = f"python3 {Path(__file__).parent}/send.py"
LISTEN = "127.0.0.1:9090"
RULES = REPOSITORY / "deploy" / "prometheus" / "sipsensor.rules.yml"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "sipsensor.json"
ALL_OF_ONE = "[queue]\nsource_rate = 100000\n"
"""One source sends more here than the kernel would let through of a stranger."""
RARE = {"Odd messages", "Entries forgotten early"}
"""Panels that may show nothing: what they tell of did not happen."""


class Prometheus:
    """One that runs in the gateway's namespace."""

    def __init__(self, lab: Network) -> None:
        self._lab = lab

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        try:
            return json.loads(fetched(self._lab.gateway, LISTEN, f"/api/v1/{path}?{urlencode(query)}"))["data"]
        except AssertionError:
            return {}

    def value(self, expression: str) -> float | None:
        found = self.get("query", query=expression).get("result")
        return float(found[0]["value"][1]) if found else None


def _answered(prometheus: Prometheus, panel: dict[str, Any]) -> bool:
    return any(prometheus.get("query", query=_plain(it["expr"])).get("result") for it in panel.get("targets", []))


@pytest.fixture
def program() -> str:
    return shutil.which("prometheus") or missing("prometheus", "make setup-test")


def test_prometheus_scrapes_and_has_an_answer_for_every_panel(lab: Network, folder: Path, program: str) -> None:
    configured = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "sipsensor", "static_configs": [{"targets": [METRICS]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configured))
    command = f"{program} --config.file={folder}/prometheus.yml --storage.tsdb.path={folder}/tsdb --web.listen-address={LISTEN}"
    started = lab.gateway.start(command, folder / "prometheus.log")
    prometheus = Prometheus(lab)
    try:
        with sensor(lab.gateway, folder, GATEWAY + ALL_OF_ONE) as running:
            # What happens before the first sample is no increase.
            wait_for(lambda: prometheus.value("sum(sipsensor_alerts_total)") == 0, 60, "the first sample")
            lab.outside.run(f"{SEND} {PBX[4]} stream-2000")
            lab.outside.run(f"{SEND} {PBX[4]} scanner")
            wait_for(lambda: prometheus.value('sum(sipsensor_drops_total{reason="SIGNATURE"})') == 1, 60, "the drop")
            lab.outside.run(f"{SEND} {PBX[4]} stream-2000")
            wait_for(lambda: (prometheus.value("sum(sipsensor_packets_total)") or 0) > 4000, 60, "the packets")
            assert prometheus.value("sipsensor_rules_in_place") == 1
            assert (prometheus.value("max(scrape_duration_seconds)") or 1) < 1
            # Rates want two samples in their window, one of them after something happened.
            lab.outside.run(f"{SEND} {PBX[4]} scanner")
            for panel in json.loads(DASHBOARD.read_text())["panels"]:
                if panel["type"] != "row" and panel["title"] not in RARE:
                    wait_for(partial(_answered, prometheus, panel), 60, panel["title"])
            rules = prometheus.get("rules")["groups"][0]["rules"]
            assert {rule["health"] for rule in rules} == {"ok"}
            # More than 500 alerts of a single source: the stream is a flood.
            assert running.metric("sipsensor_alerts_total") > 500
            assert [rule["name"] for rule in rules if rule["state"] == "firing"] == ["SipsensorAttackSurge"]
            running.stop(signal.SIGTERM)
        wait_for(lambda: prometheus.value('ALERTS{alertname="SipsensorDown"}') == 1, 60, "the alert")
    finally:
        started.terminate()
        started.wait(30)


def _plain(expression: str) -> str:
    expression = expression.replace("$__rate_interval", "1m").replace("$__range", "1m").replace("$instance", ".*")
    assert not re.search(r"\$", expression)
    return expression
