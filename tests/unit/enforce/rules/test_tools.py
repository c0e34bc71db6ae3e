from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sipsensor.enforce.rules import tools
from tests.unit.enforce.rules.conftest import Tools


def test_a_complaint_is_one_line(stand_ins: Tools) -> None:
    stand_ins.answers("nft", "echo 'line 3'; echo 'sorry,' >&2; echo ' no' >&2; exit 2")
    assert tools.run(["nft", "-f", "-"], "x") == "sorry, no"
    stand_ins.answers("nft", "exit 3")
    assert tools.run(["nft", "-f", "-"], "x") == "exit 3"
    stand_ins.answers("nft", "exit 0")
    assert tools.run(["nft", "-f", "-"], "x") is None


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert tools.run(["nft", "-f", "-"]) == "nft is not installed"
    assert tools.asked(["nft", "list", "tables"]) is None


def test_what_a_tool_prints_counts_only_where_it_says_yes(stand_ins: Tools) -> None:
    stand_ins.answers("nft", "printf 'caf\\351'; exit $code")
    assert tools.asked(["nft", "list", "tables"]) == "caf�"
    stand_ins.answers("nft", "echo partly; exit 1")
    assert tools.asked(["nft", "list", "tables"]) is None


def test_a_tool_that_hangs_is_given_up(stand_ins: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.answers("iptables-restore", "exec sleep 5")
    monkeypatch.setattr(tools, "SECONDS", 0.3)
    with pytest.raises(tools.RulesError, match=r"iptables-restore did not finish within 0\.3 s"):
        tools.run(["iptables-restore"], "x")


def test_without_ipv6_there_is_one_tool(stand_ins: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tools.families() == (("iptables", 4), ("ip6tables", 6))
    monkeypatch.setattr(tools, "_IPV6", stand_ins.folder / "absent")
    assert tools.families() == (("iptables", 4),)


def test_the_old_iptables_is_known_by_its_version(stand_ins: Tools) -> None:
    stand_ins.answers("iptables", "echo 'iptables v1.8.9 (nf_tables)'")
    assert not tools.legacy()
    stand_ins.answers("iptables", "echo 'iptables v1.8.9 (legacy)'")
    assert tools.legacy()


@pytest.mark.parametrize(
    ("capabilities", "may"), [("000001ffffffffff", 1), ("0000000000001000", 1), ("0000000000000400", 0)]
)
def test_the_capability_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capabilities: str, may: int
) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapPrm:\t0000000000001000\nCapEff:\t{capabilities}\n")
    monkeypatch.setattr(tools, "_STATUS", status)
    assert tools.privileged() == bool(may)
    if not may:
        with pytest.raises(tools.RulesError, match="CAP_NET_ADMIN; run it as root"):
            tools.need_privilege()
