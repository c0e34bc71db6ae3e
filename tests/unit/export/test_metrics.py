"""What Prometheus gets."""

from __future__ import annotations

import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sipsensor.counters import Counters
from sipsensor.export.metrics import Endpoint, MetricsError, Series, engine_series, one, parse_listen, registry
from sipsensor.model import DROP_REASONS, Family, Reason
from tests.conftest import missing


def everything() -> Iterator[Series]:
    counters = Counters()
    counters.accepted, counters.dropped, counters.errors = 7, 3, 1
    counters.reasons[Reason.SIGNATURE] = 3
    counters.alerts = {"scanner.svmap.tag": 2, "scanner.svwar.tag": 1, "flood.register.source": 4}
    yield from engine_series(counters)
    yield one("gauge", "queue_waiting_packets", "Packets that wait", 12)
    yield Series("info", "build", "What runs here", [(("1.0", "enforce"), 1)], ("version", "mode"))


def samples(text: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_numbers_become_samples() -> None:
    found = samples(generate_latest(registry(everything)).decode())
    assert found["sipsensor_verdicts_total{verdict=drop}"] == 3
    assert found["sipsensor_drops_total{reason=SIGNATURE}"] == 3
    assert found["sipsensor_alerts_total{family=scanner}"] == 3
    assert found["sipsensor_alerts_total{family=flood}"] == 4
    assert found["sipsensor_engine_errors_total{}"] == 1
    assert found["sipsensor_queue_waiting_packets{}"] == 12
    assert found["sipsensor_build_info{mode=enforce,version=1.0}"] == 1


def test_every_label_value_is_there_from_the_start() -> None:
    found = samples(generate_latest(registry(lambda: engine_series(Counters()))).decode())
    assert {name for name in found if name.startswith("sipsensor_drops_")} == {
        f"sipsensor_drops_total{{reason={reason}}}" for reason in DROP_REASONS
    }
    assert {name for name in found if name.startswith("sipsensor_alerts_")} == {
        f"sipsensor_alerts_total{{family={family}}}" for family in Family
    }
    assert "sipsensor_messages_total{method=REGISTER,protocol=sip}" in found
    assert "sipsensor_messages_total{method=other,protocol=sip}" in found
    assert set(found.values()) == {0}
    assert len(found) < 200


def test_promtool_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool") or missing("promtool", "make setup-test")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(registry(everything)), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(("listen", "family"), [("127.0.0.1:0", socket.AF_INET), ("[::1]:0", socket.AF_INET6)])
def test_the_endpoint_serves_until_it_is_closed(listen: str, family: socket.AddressFamily) -> None:
    endpoint = Endpoint(listen, registry(everything))
    host, _, port = endpoint.address.rpartition(":")
    assert (host, port != "0") == (listen.rpartition(":")[0], True)
    with urllib.request.urlopen(f"http://{endpoint.address}/metrics", timeout=5) as response:
        assert response.status == 200
        assert "sipsensor_build_info" in response.read().decode()
    endpoint.close()
    with socket.socket(family) as client:
        assert client.connect_ex((host.strip("[]"), int(port))) != 0


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(
            MetricsError, match=f'metrics.listen: {listen}: Address already in use; choose a free port, or "" for none'
        ):
            Endpoint(listen, registry(everything))


@pytest.mark.parametrize(
    "listen", ["", "9437", ":9437", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1", "localhost:²"]
)
def test_what_is_no_address_and_port_is_refused(listen: str) -> None:
    with pytest.raises(MetricsError, match=r"metrics\.listen: "):
        parse_listen(listen)


def test_addresses_and_ports_are_taken_apart() -> None:
    assert parse_listen("127.0.0.1:9437") == ("127.0.0.1", 9437)
    assert parse_listen("[2001:db8::1]:80") == ("2001:db8::1", 80)
