"""What is published: complete, nothing foreign in it, and it works outside the tree."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import Distribution, run, succeed

pytestmark = pytest.mark.timeout(900)  # whoever comes first waits for the compiler
PACKAGE_LINES = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)", re.MULTILINE)


def below(folder: Path, suffix: str, base: Path) -> set[str]:
    return {str(path.relative_to(base)) for path in folder.rglob(f"*{suffix}")}


def test_the_wheel_has_each_module_compiled_and_typed(distribution: Distribution) -> None:
    tree = distribution.tree
    names = distribution.wheel_names
    compiled = below(tree / "sipsensor", ".pyx", tree)
    # A Python module with a `.pxd` beside it is compiled, too (docs/adr/0017), and its source goes along.
    typed = {
        source
        for source in below(tree / "sipsensor", ".py", tree)
        if not source.endswith("__init__.py") and (tree / source).with_suffix(".pxd").exists()
    }
    assert compiled
    assert typed
    for source in compiled | typed:
        stem = source.rpartition(".")[0]
        built = [name for name in names if name.startswith(f"{stem}.") and name.endswith(".so")]
        assert len(built) == 1, source
    assert below(tree / "sipsensor", ".pyi", tree) <= names
    assert below(tree / "sipsensor", ".pxd", tree) <= names
    assert below(tree / "sipsensor", ".py", tree) <= names
    assert "sipsensor/py.typed" in names


def test_the_wheel_has_every_signature(distribution: Distribution) -> None:
    tree = distribution.tree
    shipped = {f"sipsensor/_signatures/{name}" for name in below(tree / "signatures", ".toml", tree / "signatures")}
    carried = {
        name
        for name in distribution.wheel_names
        if name.startswith("sipsensor/_signatures/") and name.endswith(".toml")
    }
    assert shipped
    assert carried == shipped
    assert "sipsensor/_signatures/__init__.py" in distribution.wheel_names


def test_the_wheel_has_nothing_else(distribution: Distribution) -> None:
    foreign = {
        name
        for name in distribution.wheel_names
        if not name.startswith(("sipsensor/", "sipsensor-"))
        or name.endswith((".pyx", ".c", ".pyc"))
        or name.startswith(("tests/", "sipsensor/tests"))
    }
    assert foreign == set()


def test_the_wheel_says_what_it_is(distribution: Distribution) -> None:
    with zipfile.ZipFile(distribution.wheel) as package:
        (name,) = (name for name in package.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = package.read(name).decode()
        licence = [name for name in package.namelist() if name.endswith("/LICENSE")]
    assert "\nLicense-Expression: GPL-2.0-or-later\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert len(licence) == 1


def test_the_sdist_builds_from_sources_and_carries_its_tests(distribution: Distribution) -> None:
    tree = distribution.tree
    names = distribution.sdist_names
    for folder in ("sipsensor", "signatures", "tests"):
        for suffix in (".py", ".pyx", ".pxd", ".pyi", ".toml"):
            assert below(tree / folder, suffix, tree) <= names, (folder, suffix)
    assert {
        "Makefile",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "pyproject.toml",
        "setup.py",
        ".ci/run",
    } <= names
    assert not [name for name in names if name.endswith((".c", ".so", ".pyc"))]


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    asked = "import importlib.metadata as m; print(m.version('sipsensor'))"
    version = succeed([installed / "python", "-c", asked], tmp_path).strip()
    assert version in succeed([installed / "sipsensor", "version"], tmp_path)


def test_the_installed_command_has_its_signatures(installed: Path, tmp_path: Path, repository: Path) -> None:
    listed = succeed([installed / "sipsensor", "signatures", "list"], tmp_path)
    slugs = {
        rule["slug"]
        for path in (repository / "signatures").rglob("*.toml")
        for rules in tomllib.loads(path.read_text()).values()
        if isinstance(rules, list)
        for rule in rules
        if isinstance(rule, dict) and "slug" in rule
    }
    assert slugs
    absent = {slug for slug in slugs if slug not in listed}
    assert absent == set()


def test_the_installed_command_replays_a_case(installed: Path, tmp_path: Path, repository: Path) -> None:
    capture = next(iter(sorted((repository / "pcaps").glob("*/capture.pcap*"))), None)
    assert capture is not None, "pcaps/ holds no case"
    lines = succeed([installed / "sipsensor", "replay", "--json", capture], tmp_path).splitlines()
    summary = json.loads(lines[-1])
    assert summary["event_type"] == "summary"
    assert summary["summary"]["packets"] > 0


def test_the_installed_engine_is_the_compiled_one(installed: Path, tmp_path: Path) -> None:
    code = "import sipsensor.engine as e, sipsensor.model as m; print(e.__file__, m.__file__)"
    files = succeed([installed / "python", "-c", code], tmp_path).split()
    assert [Path(file).suffix for file in files] == [".so", ".so"]


def test_the_installed_package_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = succeed([installed / "python", "-c", "import sipsensor; print(sipsensor.__file__)"], tmp_path)
    assert str(installed.parent) in where


@pytest.mark.parametrize("left", ["nothing", "the empty package", "a folder that is no package"])
def test_without_signatures_the_command_refuses(installed: Path, tmp_path: Path, left: str) -> None:
    """Zero loaded signatures is an error with one line, never a sensor that finds nothing."""
    find = "import importlib.resources as r; print(r.files('sipsensor._signatures'))"
    folder = Path(succeed([installed / "python", "-c", find], tmp_path).strip())
    aside = folder.with_name("_aside")
    folder.rename(aside)
    try:
        if left != "nothing":
            folder.mkdir()
        if left == "the empty package":
            (folder / "__init__.py").touch()
        done = run([installed / "sipsensor", "signatures", "list"], tmp_path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    assert done.returncode == 2, done.stderr
    assert "installation is incomplete" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_editable_install_finds_the_signatures(repository: Path, tmp_path: Path) -> None:
    """This environment: `make setup` installed the checkout into it, editable."""
    code = (
        "import importlib.metadata as m, importlib.resources as r, json;"
        "d = json.loads(m.distribution('sipsensor').read_text('direct_url.json'));"
        "print(d['dir_info']['editable'], len(list(r.files('sipsensor._signatures').iterdir())))"
    )
    editable, entries = succeed([sys.executable, "-c", code], tmp_path).split()
    assert editable == "True"
    assert int(entries) >= len(list((repository / "signatures").iterdir())) - 1


@pytest.mark.parametrize("lock", ["build", "runtime", "dev", "lowest"])
def test_every_locked_package_has_its_hashes(repository: Path, lock: str) -> None:
    text = (repository / ".ci" / f"{lock}.txt").read_text()
    entries = [entry for entry in re.split(r"\n(?=[A-Za-z])", text) if PACKAGE_LINES.match(entry)]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lowest_lock_is_what_the_metadata_allows(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    lowest = {
        name.lower() + "==" + version for name, _, version in (line.partition(">=") for line in project["dependencies"])
    }
    found = PACKAGE_LINES.finditer((repository / ".ci" / "lowest.txt").read_text())
    assert lowest <= {f"{entry['name'].lower()}=={entry['version']}" for entry in found}
