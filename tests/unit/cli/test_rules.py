"""The rules that can fire, and the kernel's. The lab lets a kernel read those."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sipsensor.cli import rules
from sipsensor.cli.main import is_user_error
from sipsensor.enforce.rules import KernelPlan, KernelRules, RulesError, Survey
from sipsensor.enforce.rules.table import Features
from tests.unit.cli.conftest import Command


class Kernel(KernelRules):
    """Writes down what is asked of it."""

    asked: list[tuple[KernelPlan, str]]
    stand = True

    def install(self) -> str:  # type: ignore[override]
        Kernel.asked.append((self.plan, self.how))
        return "iptables"

    def blind_spots(self) -> list[str]:
        return ["a flowtable"]

    @staticmethod
    def clear(is_drained: Callable[[], bool] = lambda: True) -> bool:
        del is_drained
        return Kernel.stand


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> type[Kernel]:
    monkeypatch.setattr(rules, "KernelRules", Kernel)
    monkeypatch.setattr(rules, "survey", Survey)
    monkeypatch.setattr(rules, "owner", lambda _queue: None)
    Kernel.asked, Kernel.stand = [], True
    return Kernel


def test_without_a_subcommand_the_rules_that_can_fire_are_listed(command: Command) -> None:
    assert command("rules").output == command("rules", "list").output
    assert command("rules", "--json").output == command("rules", "list", "--json").output


def test_options_in_front_of_a_subcommand_are_not_lost_in_silence(command: Command) -> None:
    result = command("rules", "--json", "print", code=2)
    assert "Options go behind the subcommand: sipsensor rules print" in result.output


def test_a_script_is_printed_for_what_the_kernel_can(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "queue-num 5061" in command("rules", "print").output
    monkeypatch.setattr(rules, "survey", lambda: Survey(asked=True))
    assert "queue num 5061" in command("rules", "print").output
    monkeypatch.setattr(rules, "survey", lambda: Survey(Features(queue=False), asked=True))
    assert "queue-num 5061" in command("rules", "print").output
    assert "queue num 5061" in command("rules", "print", "--backend", "nftables").output
    file = tmp_path / "x.toml"
    file.write_text("queue.rules = 'nftables'\nqueue.first = 7\nmode = 'enforce'")
    printed = command("rules", "print", "--config", file).output
    assert "queue num 7" in printed
    assert "counter name limited drop" in printed
    assert "counter name limited drop" not in command("rules", "print", "--config", file, "--observe").output


def test_rules_are_applied_even_where_the_operator_keeps_them(
    command: Command, kernel: type[Kernel], tmp_path: Path
) -> None:
    file = tmp_path / "x.toml"
    file.write_text("queue.rules = 'none'")
    assert "the kernel rules stand, queueing with iptables" in command("rules", "apply", "--config", file).output
    assert "sipsensor: a flowtable" in command("rules", "apply", "--enforce").output
    assert [(plan.overflow, how) for plan, how in kernel.asked] == [("accept", "auto"), ("drop", "auto")]


def test_removal_tells_what_it_found(command: Command, kernel: type[Kernel]) -> None:
    assert "the kernel rules are removed" in command("rules", "remove").output
    kernel.stand = False
    assert "no kernel rules of sipsensor stand here" in command("rules", "remove").output


def test_removal_is_refused_while_a_sensor_needs_them(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "owner", lambda queue: f"process 7 (sipsensor) on {queue}")
    result = command("rules", "remove", code=1)
    assert result.output == (
        "sipsensor: queue 5060 is served by process 7 (sipsensor) on 5060, which would put the rules back; stop it first\n"
    )


def test_what_the_rules_complain_about_is_for_the_user() -> None:
    assert is_user_error(RulesError("one line"))


def test_rules_of_signatures_and_detectors_are_listed(command: Command) -> None:
    lines = command("rules").output.splitlines()
    assert lines[0].endswith(" rules")
    (line,) = [line for line in lines if " scanner.sipvicious.user-agent " in line]
    assert line.split()[:5] == ["1001", "scanner.sipvicious.user-agent", "scanner", "drop", "high"]
    assert any(" flood.register.source " in line for line in lines)
    assert any(" malformed.head.nul " in line for line in lines)


def test_the_action_is_the_one_of_this_configuration(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[detectors.flood]\naction = 'drop'\n[rules.'flood.any.source']\naction = 'off'")
    listed = [json.loads(line) for line in command("rules", "--json", "--config", file).output.splitlines()]
    actions = {rule["slug"]: rule["action"] for rule in listed}
    assert actions["flood.register.source"] == "drop"
    assert actions["flood.any.source"] == "off"
    assert set(listed[0]) == {
        "id", "slug", "rev", "name", "detector", "family", "severity", "confidence", "action", "reason", "spoofable",
    }  # fmt: skip
    assert [rule["id"] for rule in listed] == sorted(rule["id"] for rule in listed)
