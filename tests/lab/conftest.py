"""One network with a PBX for all tests of the lab."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.lab.attack import SipVicious
from tests.lab.network import Network, network
from tests.lab.pbx import kamailio
from tests.lab.sensor import COMMAND, mangle

TOOLS = {
    "ip": "iproute2",
    "iptables": "iptables",
    "kamailio": "kamailio",
    "sipp": "sip-tester",
    "svmap": "sipvicious",
    "ss": "iproute2",
    "tshark": "tshark",
}


@pytest.fixture(scope="session")
def lab(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:  # noqa: ARG001
    """Outside, gateway, PBX host with Kamailio. Nobody protects it yet."""
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            missing(tool, f"make setup-test, or apt-get install {package}")
    with network() as made, kamailio(made.pbx, tmp_path_factory.mktemp("kamailio")):
        yield made


@pytest.fixture(scope="session")
def sipvicious(tmp_path_factory: pytest.TempPathFactory) -> list[SipVicious]:
    """Debian's, and the newest 0.3 of PyPI in an environment of its own: that one cannot be told from ours by version alone."""
    folder = tmp_path_factory.mktemp("sipvicious")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    done = subprocess.run(
        [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "sipvicious~=0.3.4"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        missing("SIPVicious of PyPI", f"pip could not install it: {done.stderr.strip().splitlines()[-1:]}")
    return [SipVicious("Debian", ""), SipVicious("PyPI", f"{folder}/bin/sipvicious_")]


@pytest.fixture(autouse=True)
def fresh_start(lab: Network) -> None:
    """Every test counts from zero what reaches the PBX host, and finds no rules of a sensor that one before it killed."""
    for space in (lab.gateway, lab.pbx):
        if "sipsensor" in mangle(space) + space.run("nft list tables"):
            space.run(f"{COMMAND} rules remove")
    lab.forget_arrivals()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def fresh(lab: Network, folder: Path) -> Iterator[Network]:
    """A network of its own: what a firewall remembers of connections outlives its rules."""
    del lab
    with network() as made, kamailio(made.pbx, folder):
        yield made
