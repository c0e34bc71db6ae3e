"""The option that writes what cases give now in place of what they gave, and the last line that says how much was run."""

from __future__ import annotations

from collections import Counter

import pytest

TALLY = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-update", action="store_true", help="write expected.jsonl of every case instead of comparing"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tally = config.stash.get(TALLY, None)
    if tally:
        terminalreporter.write_line("captures: " + ", ".join(f"{count} {name}" for name, count in tally.items()))


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether expected results are written instead of compared."""
    return bool(request.config.getoption("--golden-update", default=False))


@pytest.fixture
def tally(pytestconfig: pytest.Config) -> Counter[str]:
    """Counts what the tests ran on, for the last line."""
    return pytestconfig.stash.setdefault(TALLY, Counter())
