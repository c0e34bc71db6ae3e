"""Every case of pcaps/ gives what it gave. `make golden-update` writes what they give now; read its diff before you commit it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cases import KEYS, PCAPS, Case, cases, read, written
from tests.support.events import assert_valid

CASES = cases()
MADE = [case for case in CASES if (case.folder / "make.py").exists()]
EACH = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def test_there_are_cases() -> None:
    assert CASES, "pcaps/ has no case"


@EACH
def test_a_case_says_what_it_is_for(case: Case) -> None:
    about = case.about
    assert set(about) <= KEYS, f"case.toml: unknown keys {sorted(set(about) - KEYS)}"
    assert about.get("purpose", "").strip(), "case.toml: purpose is missing"
    assert about.get("origin", "").strip(), "case.toml: origin is missing"


@EACH
def test_a_case_gives_what_it_gave(case: Case, *, update: bool) -> None:
    outcome = case.replay()
    assert_valid(outcome.events)
    if update:
        case.expected.write_text(written(outcome.lines), encoding="utf-8")
    assert case.expected.exists(), "no expected.jsonl: make golden-update writes it; read what it says"
    expected = read(case.expected)
    assert outcome.summary == expected[-1]["summary"]
    assert outcome.lines == expected


@EACH
def test_a_case_keeps_the_claims_of_its_author(case: Case) -> None:
    """What ``[expect]`` says cannot be changed by an update of expected.jsonl."""
    summary = case.replay().summary
    claims = case.about.get("expect", {})
    unknown = set(claims) - set(summary)
    assert not unknown, f"case.toml: expect: not in the summary: {sorted(unknown)}"
    assert {key: summary[key] for key in claims} == claims


@EACH
def test_a_case_is_judged_alike_packet_by_packet(case: Case) -> None:
    """The walk over batches, which skips media, against examining every packet."""
    walked, examined = case.replay(), case.replay(verify=True)
    assert walked.events == examined.events
    assert walked.summary == examined.summary


@pytest.mark.parametrize("case", MADE, ids=[case.name for case in MADE])
def test_a_synthetic_case_made_again_is_the_same(case: Case, tmp_path: Path) -> None:
    """The maker writes beside itself, so a copy of it writes elsewhere."""
    shutil.copy(case.folder / "make.py", tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(PCAPS.parent)}
    subprocess.run([sys.executable, str(tmp_path / "make.py")], check=True, env=environment, timeout=120)
    assert (tmp_path / case.capture.name).read_bytes() == case.capture.read_bytes()
