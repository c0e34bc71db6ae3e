import json
from pathlib import Path

from tests.unit.cli.conftest import Command


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
