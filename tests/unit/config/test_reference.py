import re
import sys
from pathlib import Path

import pytest

from sipsensor.config.load import defaults, load
from sipsensor.config.reference import keys, main, render, toml
from sipsensor.detect import DETECTORS
from sipsensor.model import Action, Limit


def test_the_page_in_docs_is_what_the_program_says(repository: Path) -> None:
    page = repository / "docs" / "reference" / "configuration.md"
    assert page.read_text(encoding="utf-8") == render(), f"run: python -m sipsensor.config.reference {page}"


def test_every_detector_has_its_section() -> None:
    sections = {key.section for key in keys()}
    assert {f"detectors.{kind.name}" for kind in DETECTORS} < sections


def test_values_are_written_as_toml() -> None:
    assert toml(Limit(3, 4)) == "{ count = 3, seconds = 4 }"
    assert toml((Action.DROP, 'a"b\\')) == '["drop", "a\\"b\\\\"]'
    assert [toml(value) for value in (True, False, 7, 0.5)] == ["true", "false", "7", "0.5"]


def test_the_command_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setattr(sys, "argv", ["reference", str(page)])
    main()
    assert page.read_text(encoding="utf-8") == render()
    monkeypatch.setattr(sys, "argv", ["reference"])
    main()
    assert capsys.readouterr().out == render()


def test_the_sample_configuration_is_good_complete_and_has_the_defaults(repository: Path) -> None:
    sample = repository / "deploy" / "sipsensor.toml"
    assert load(sample) == defaults()
    section, found = "", set()
    for line in sample.read_text().splitlines():
        if heading := re.match(r"(?:# )?\[(.+?)\]\s", line + " "):
            section = heading[1]
        elif setting := re.match(r"(?:# )?(\w+) = ", line):
            found.add((section.partition('"')[0], setting[1]))
            assert "#" in line[1:] or line.startswith("# action"), f"no comment: {line}"
    assert found == {(key.section.partition('"')[0], key.name) for key in keys()}
