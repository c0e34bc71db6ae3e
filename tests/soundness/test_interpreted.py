"""The compiled engine against the same sources run by the interpreter, and messages that are recalled against messages that are scanned: equal
decisions, equal state, packet by packet.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from difflib import unified_diff
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from tests.soundness.drive import EVERY, STATES, WORLDS

DRIVE = [sys.executable, "-m", "tests.soundness.drive"]
SEED = 5
LONG = 350_000
"""Packets of each world: more than a million in all."""


@dataclass(frozen=True)
class Run:
    """What one engine said of a stream."""

    lines: tuple[str, ...]
    last: dict[str, Any]


def started(repository: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([*DRIVE, *map(str, arguments)], cwd=repository, stdout=subprocess.PIPE, text=True)


def ended(run: subprocess.Popen[str]) -> Run:
    said, _ = run.communicate()
    assert run.returncode == 0
    *lines, last = said.splitlines()
    return Run(tuple(lines), json.loads(last))


def both(repository: Path, *arguments: object) -> tuple[Run, Run]:
    """Compiled and interpreted, side by side."""
    runs = [started(repository, *arguments, *how) for how in ((), ("--interpreted",))]
    compiled, interpreted = map(ended, runs)
    assert compiled.last.pop("interpreted") == []
    assert set(interpreted.last.pop("interpreted")) >= {
        "sipsensor.engine",
        "sipsensor.track.tracker",
        "sipsensor.model",
    }
    return compiled, interpreted


def alike(repository: Path, *arguments: object) -> dict[str, Any]:
    """What they met. Raises AssertionError with the first lines that differ."""
    compiled, interpreted = both(repository, *arguments)
    for number, (one, other) in enumerate(zip_longest(compiled.lines, interpreted.lines)):
        if one != other:
            since = max(0, number // STATES * STATES * EVERY)
            mine, theirs = (run.lines for run in both(repository, *arguments, "--tell", since))
            found = [line[:2000] for line in unified_diff(mine, theirs, "compiled", "interpreted", lineterm="", n=1)]
            pytest.fail("\n".join([f"{one} and {other}", *found[:20]]), pytrace=False)
    recalled = compiled.last["recalled"], interpreted.last.pop("recalled")
    assert recalled[0] > compiled.last["packets"] / 20, recalled
    assert recalled[1] == 0
    assert compiled.last == {**interpreted.last, "recalled": recalled[0]}
    return compiled.last


@pytest.mark.parametrize("world", WORLDS)
def test_a_busy_site_under_attack(repository: Path, world: str) -> None:
    met = alike(repository, "--seed", SEED, "--world", world, "--packets", 24_000)
    assert met["packets"] == 24_000
    assert met["errors"] == 0
    assert_mixed(met)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("world", WORLDS)
def test_the_same_for_long(repository: Path, world: str) -> None:
    met = alike(repository, "--seed", SEED + 1, "--world", world, "--packets", LONG)
    assert met["packets"] == LONG
    assert met["errors"] == 0
    assert_mixed(met)
    if world == "tight":
        assert {"guessing.source.accounts", "guessing.account.source"} <= set(met["cuts"])


def assert_mixed(met: dict[str, Any]) -> None:
    """Use and attack, both of them: else the comparison shows little."""
    assert 0.05 < met["dropped"] / met["packets"] < 0.9
    assert {"INCOMPLETE", "NOT_OURS", "SIGNATURE", "MALFORMED", "SPOOFED", "LIMIT", "ACCOUNT", "UNINSPECTED"} <= set(
        met["reasons"]
    )
    assert len(met["alerts"]) > 20
    assert met["grants"] > 30
    assert met["cuts"]


def test_the_cases_of_pcaps_interpreted(repository: Path) -> None:
    """The golden tests hold the compiled engine to the same lines."""
    run = ended(started(repository, "--goldens", "--interpreted"))
    assert run.last["differ"] == []
    assert "sipsensor.engine" in run.last["interpreted"]


def test_a_difference_is_seen_and_told(repository: Path) -> None:
    """Two seeds are not alike."""
    one, other = (ended(started(repository, "--seed", seed, "--packets", 2000)) for seed in (1, 2))
    assert one.lines != other.lines
    told = ended(started(repository, "--seed", 1, "--packets", 2000, "--tell", 0))
    assert told.lines[-1] == one.lines[-1]
    assert len(told.lines) > 2000
    assert sum(" table of " in line for line in told.lines) > 30
