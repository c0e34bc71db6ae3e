"""What every test may use, and how tests get their markers: from the folder that they stand in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
MARKED_FOLDERS = frozenset({"property", "golden", "oracle", "lab", "fuzz", "packaging", "bench"})
CI = os.environ.get("CI") == "true"

# The same examples in every run of CI, so that a red run is the change's own doing. New ones are sought wherever else the tests run.
settings.register_profile("ci", derandomize=True, print_blob=True)
if CI:
    settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder, so that no file can forget it."""
    for item in items:
        folder = item.path.relative_to(REPOSITORY).parts[1]
        if folder in MARKED_FOLDERS:
            item.add_marker(folder)


def missing(what: str, remedy: str) -> NoReturn:
    """End a test that cannot run here: skipped on a developer's machine, failed in CI, where everything has to be there."""
    message = f"{what} is missing: {remedy}"
    if CI:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_captures() -> Path:
    """The folder of real captures that the environment names (not part of the repository); skips where there is none."""
    named = os.environ.get("SIPSENSOR_CAPTURES", "")
    if not named:
        pytest.skip("SIPSENSOR_CAPTURES names no folder of captures")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"SIPSENSOR_CAPTURES names {named}, which is no folder", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def tshark() -> str:
    """The path of tshark; `make setup-test` installs it."""
    return shutil.which("tshark") or missing("tshark", "make setup-test")


@pytest.fixture(scope="session")
def root() -> None:
    """Wanted by tests that make network namespaces."""
    if os.geteuid() != 0:
        missing("root", "run as root: the lab makes network namespaces")
