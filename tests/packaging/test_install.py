"""``make install`` and ``make uninstall``, staged below a root of their own: what is put where, and what is left."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.conftest import NOT_SOURCES, succeed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

APP = "opt/sipsensor"
CONFIG = "etc/sipsensor/sipsensor.toml"
PUT = {
    CONFIG,
    "etc/logrotate.d/sipsensor",
    "usr/local/bin/sipsensor",
    "usr/local/lib/systemd/system/sipsensor.service",
    "usr/local/lib/sysusers.d/sipsensor.conf",
    "usr/local/lib/tmpfiles.d/sipsensor.conf",
    "usr/local/lib/modules-load.d/sipsensor.conf",
}
"""Beside what is in APP."""


def make(tree: Path, target: str, **variables: str | Path) -> subprocess.CompletedProcess[str]:
    """A target as an operator gives it, in a copy of the checkout."""
    words = [f"{name}={value}" for name, value in variables.items()]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAKE", "VIRTUAL_ENV"))}
    return subprocess.run(
        ["make", target, *words], cwd=tree, env=kept, capture_output=True, text=True, check=False, timeout=1100
    )


def done(tree: Path, target: str, **variables: str | Path) -> str:
    ended = make(tree, target, **variables)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def files(root: Path) -> set[str]:
    """Every file and link below, except those in APP."""
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}
    return {path for path in found if not path.startswith(APP)}


@pytest.fixture(scope="module")
def tree(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with its wheels built, once for all tests here."""
    copy = tmp_path_factory.mktemp("install") / "tree"
    shutil.copytree(repository, copy, ignore=NOT_SOURCES)
    done(copy, "wheels")
    return copy


@pytest.fixture(scope="module")
def placed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What stands after an installation into an empty root, for tests that change nothing in it."""
    root = tmp_path_factory.mktemp("placed") / "root"
    done(tree, "install", DESTDIR=root, WHEELS=tree / "build" / "wheels")
    yield root
    shutil.rmtree(root)


@pytest.fixture
def root(tree: Path, tmp_path: Path) -> Iterator[Path]:
    """The same, for tests that do."""
    done(tree, "install", DESTDIR=tmp_path / "root", WHEELS=tree / "build" / "wheels")
    yield tmp_path / "root"
    shutil.rmtree(tmp_path / "root")


def test_it_puts_what_it_says_and_the_command_works(tree: Path, placed: Path, tmp_path: Path) -> None:
    assert files(placed) == PUT
    assert (placed / "usr/local/bin/sipsensor").readlink() == Path(f"/{APP}/bin/sipsensor")
    assert (placed / CONFIG).read_bytes() == (tree / "deploy/sipsensor.toml").read_bytes()
    command = placed / APP / "bin/sipsensor"
    assert command.read_text().splitlines()[0] == f"#!/{APP}/bin/python"
    python = placed / APP / "bin/python"
    assert succeed([python, command, "version"], tmp_path).startswith("sipsensor ")
    assert "good" in succeed([python, command, "check", "--config", placed / CONFIG], tmp_path)
    where = succeed([python, "-c", "import sipsensor; print(sipsensor.__file__)"], tmp_path)
    assert where.startswith(str(placed / APP))


def test_nothing_in_it_names_the_place_where_it_was_built(placed: Path, tree: Path) -> None:
    marks = [str(placed).encode(), str(tree).encode(), b"/tmp/tmp."]
    texts = [path for path in placed.rglob("*") if path.is_file() and not path.is_symlink() and path.suffix != ".so"]
    assert len(texts) > 500
    assert [str(path) for path in texts if any(mark in path.read_bytes() for mark in marks)] == []


def test_the_service_cannot_change_its_own_code(placed: Path) -> None:
    loose = [path for path in placed.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
    assert loose == []
    assert not (placed / APP / "bin/pip").exists()


def test_every_path_of_the_unit_is_there(placed: Path) -> None:
    unit = (placed / "usr/local/lib/systemd/system/sipsensor.service").read_text()
    named = {word for word in unit.split() if word.startswith(("/opt/", "/etc/sipsensor"))}
    named |= {word.partition("=")[2] for word in unit.split() if "=/opt/" in word}
    assert len(named) >= 2
    assert [path for path in named if not (placed / path.lstrip("/")).exists()] == []


def test_an_upgrade_takes_the_place_of_the_old_and_keeps_the_configuration(tree: Path, root: Path) -> None:
    (root / CONFIG).write_text('mode = "enforce"\n')
    (root / APP / "lib/of-the-version-before.py").touch()
    done(tree, "install", DESTDIR=root, WHEELS=tree / "build" / "wheels")
    assert (root / CONFIG).read_text() == 'mode = "enforce"\n'
    assert not (root / APP / "lib/of-the-version-before.py").exists()
    assert [path.name for path in (root / APP).parent.iterdir()] == ["sipsensor"]
    assert (root / APP / "share/sipsensor.toml").exists()
    assert files(root) == PUT


def test_uninstall_leaves_the_operators_files_and_nothing_else(tree: Path, root: Path) -> None:
    log = root / "var/log/sipsensor/events.jsonl"
    log.parent.mkdir(parents=True)
    log.touch()
    foreign = root / "usr/local/bin/other"
    foreign.touch()
    for _ in range(2):
        assert "stay" in done(tree, "uninstall", DESTDIR=root)
        assert files(root) == {CONFIG, str(log.relative_to(root)), "usr/local/bin/other"}
        assert not (root / APP).exists()


def test_purge_leaves_nothing(tree: Path, root: Path) -> None:
    done(tree, "uninstall", DESTDIR=root, PURGE="1")
    assert [path for path in root.rglob("*") if not path.is_dir()] == []
    assert not (root / "etc/sipsensor").exists()


def test_a_command_of_somebody_elses_stays(tree: Path, root: Path) -> None:
    link = root / "usr/local/bin/sipsensor"
    link.unlink()
    link.write_text("#!/bin/sh\n")
    done(tree, "uninstall", DESTDIR=root)
    assert link.exists()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PREFIX": "/srv"}, "systemd looks for units in /usr/local and /usr alone"),
        ({"WHEELS": "deploy"}, "there is no wheel of sipsensor"),
        ({"PYTHON": "/bin/false"}, "no Python of 3.11 or later"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_put(
    tree: Path, tmp_path: Path, variables: dict[str, str], expected: str
) -> None:
    ended = make(tree, "install", DESTDIR=tmp_path / "root", **variables)
    assert ended.returncode != 0
    assert expected in ended.stderr
    assert not (tmp_path / "root").exists()
