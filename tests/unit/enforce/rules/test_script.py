from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from sipsensor.enforce.rules.script import Survey, kernel_script, survey
from sipsensor.enforce.rules.table import Features
from tests.unit.enforce.rules.conftest import GATEWAY, HOST, Tools


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_a_shell_runs_it_and_every_tool_gets_its_part(stand_ins: Tools, backend: str) -> None:
    for name in ("iptables", "ip6tables"):
        stand_ins.answers(name, "exit 1")
    script = kernel_script(HOST, backend)  # type: ignore[arg-type]
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    restored = ["iptables-restore -w 5 --noflush", "ip6tables-restore -w 5 --noflush"]
    assert stand_ins.changes == ["nft -f -", *(restored if backend == "iptables" else [])]
    assert stand_ins.text.count("delete table inet sipsensor") == 1
    assert ("queue num" in script) == (backend == "nftables")


def test_jumps_of_an_earlier_run_go_first() -> None:
    script = kernel_script(HOST, "iptables")
    assert "while iptables -w 5 -t mangle -D INPUT -j sipsensor-in 2>/dev/null; do :; done" in script
    assert "while ip6tables -w 5 -t mangle -D OUTPUT -j sipsensor-out 2>/dev/null; do :; done" in script


def test_a_version_that_nobody_speaks_is_left_out() -> None:
    assert "ip6tables" not in kernel_script(replace(GATEWAY, protected=("192.0.2.10",)), "iptables")


def test_the_machine_decides_how_fragments_are_put_together() -> None:
    known = Survey(Features(defragment="socket"))
    script = kernel_script(GATEWAY, "nftables", known)
    assert "tproxy" not in script
    assert script.count("-A sipsensor-defrag -m socket") == 2


def test_the_machine_is_asked_where_that_is_allowed(stand_ins: Tools) -> None:
    assert survey() == Survey(asked=True)
    stand_ins.answers("nft", "exit 1")
    assert survey() == Survey()
    (stand_ins.folder / "status").write_text("CapEff:\t0\n")
    assert survey() == Survey()
