"""The option that writes what cases give now in place of what they gave."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-update", action="store_true", help="write expected.jsonl of every case instead of comparing"
    )


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether expected results are written instead of compared."""
    return bool(request.config.getoption("--golden-update", default=False))
