"""One network with a PBX for all tests of the lab."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.lab.network import Network, network
from tests.lab.pbx import kamailio

TOOLS = {
    "ip": "iproute2",
    "iptables": "iptables",
    "kamailio": "kamailio",
    "sipp": "sip-tester",
    "svmap": "sipvicious",
    "ss": "iproute2",
    "tcpdump": "tcpdump",
}


@pytest.mark.usefixtures("root")
@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Outside, gateway, PBX host with Kamailio. Nobody protects it yet."""
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            missing(tool, f"make setup-test, or apt-get install {package}")
    with network() as made, kamailio(made.pbx, tmp_path_factory.mktemp("kamailio")):
        yield made


@pytest.fixture(autouse=True)
def fresh_counters(lab: Network) -> None:
    """Every test counts from zero what reaches the PBX host."""
    lab.forget_arrivals()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
