"""The page of all metrics is what the program exports."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from sipsensor.live.reference import main, metrics, names, render


def test_the_page_in_docs_is_what_the_program_says(repository: Path) -> None:
    page = repository / "docs" / "reference" / "metrics.md"
    assert page.read_text(encoding="utf-8") == render(), "run: make reference"


def test_every_metric_has_a_row_and_a_sentence() -> None:
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| .* \| (\S.+) \|$", render(), re.MULTILINE)
    assert len(rows) == len(metrics()) > 40
    assert "sipsensor_packets_total" in dict(rows)
    assert "sipsensor_build_info" in dict(rows)


def test_the_names_are_those_of_the_exposition() -> None:
    found = list(names())
    assert "sipsensor_verdict_latency_seconds_bucket" in found
    assert "sipsensor_packets_total" in found
    assert len(set(found)) == len(found)


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
