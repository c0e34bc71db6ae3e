"""One sdist, one wheel from it, one fresh environment with that wheel: built once for all tests of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

# What a checkout has and a distribution must not take from it: built for this interpreter, or somebody's own.
NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv*", "build", "dist", "var", "*.so", "*.c", "*.egg-info", "__pycache__", ".*_cache"
)


@dataclass(frozen=True)
class Distribution:
    """The two files that are published, the names in them, and the copy of the checkout that they were built from."""

    tree: Path
    sdist: Path
    wheel: Path
    sdist_names: frozenset[str]
    wheel_names: frozenset[str]


def outside(folder: Path) -> Mapping[str, str]:
    """An environment in which nothing points back to the checkout. What is built is compiled without optimization: it only has to be right."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "SIPSENSOR_", "VIRTUAL_ENV"))
    }
    return {**kept, "HOME": str(folder), "COLUMNS": "200", "CFLAGS": "-O0"}


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in `folder`, outside the checkout."""
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=folder, env=outside(folder), capture_output=True, text=True, check=False, timeout=600
    )


def succeed(command: Sequence[str | Path], folder: Path) -> str:
    """The standard output of a program that has to end well."""
    done = run(command, folder)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def distribution(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """sdist from a copy of the checkout, wheel from the sdist, each in an isolated build."""
    folder = tmp_path_factory.mktemp("distribution")
    tree = folder / "tree"
    shutil.copytree(repository, tree, ignore=NOT_SOURCES)
    succeed([sys.executable, "-m", "build", "--outdir", folder / "dist", tree], folder)
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    with tarfile.open(sdist) as archive:
        inside = frozenset(name.partition("/")[2] for name in archive.getnames())
    with zipfile.ZipFile(wheel) as package:
        return Distribution(tree, sdist, wheel, inside, frozenset(package.namelist()))


@pytest.fixture(scope="session")
def installed(distribution: Distribution, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment that got the wheel as a user gets it, with its dependencies."""
    folder = tmp_path_factory.mktemp("installed")
    succeed([sys.executable, "-m", "venv", folder / "venv"], folder)
    succeed([folder / "venv" / "bin" / "pip", "install", "--quiet", distribution.wheel], folder)
    return folder / "venv" / "bin"
