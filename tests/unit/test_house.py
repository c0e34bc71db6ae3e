"""The house rules that no linter knows: where tests stand, how large files grow, what the package carries, what no file says."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "sipsensor"
UNIT = REPOSITORY / "tests" / "unit"

# A module without a test file of its own, and why. Empty is best.
UNTESTED: dict[str, str] = {}
# A test file that mirrors no module.
HOUSE_TESTS = {"test_house.py", "test_house_imports.py"}
# A file of more than 400 lines, and why.
LONG_FILES = {"model.py": "the words of the whole house in one place, half of them documentation"}
# A function of more than 40 lines (docstring not counted), and why.
LONG_FUNCTIONS = {"model.py:begin": "one line for each fact of an observation, each with its docstring"}


def modules() -> list[Path]:
    """Every module that can be imported, Python and compiled, without the `__init__` of packages."""
    found = [path for suffix in ("py", "pyx") for path in PACKAGE.rglob(f"*.{suffix}")]
    return sorted(path for path in found if path.stem != "__init__")


def tracked() -> list[Path]:
    """The files that git knows or would add."""
    git = shutil.which("git")
    if git is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: what belongs to the project is not known")
    command = [git, "-C", str(REPOSITORY), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := REPOSITORY / name).is_file()]


def test_every_module_has_its_test_file() -> None:
    missing = []
    for module in modules():
        relative = module.relative_to(PACKAGE)
        expected = UNIT / relative.parent / f"test_{module.stem}.py"
        if not expected.exists() and str(relative) not in UNTESTED:
            missing.append(f"{relative}: wants {expected.relative_to(REPOSITORY)}")
    assert not missing, "\n".join(missing)


def test_every_test_file_has_its_module() -> None:
    known = {module.relative_to(PACKAGE).with_suffix("") for module in modules()}
    packages = {init.parent.relative_to(PACKAGE) for init in PACKAGE.rglob("__init__.py")}
    astray = []
    for path in UNIT.rglob("test_*.py"):
        relative = path.relative_to(UNIT)
        module = relative.parent / relative.stem.removeprefix("test_")
        of_package = relative.stem == "test_init" and relative.parent in packages
        if module not in known and not of_package and str(relative) not in HOUSE_TESTS:
            astray.append(str(relative))
    assert not astray, f"tests/unit mirrors sipsensor/; these mirror nothing: {astray}"


def test_the_untested_list_names_modules_that_are_there() -> None:
    known = {str(module.relative_to(PACKAGE)) for module in modules()}
    assert set(UNTESTED) <= known
    assert all(UNTESTED.values())


def test_every_directory_of_code_is_a_package_with_a_docstring() -> None:
    bare = []
    for folder in {path.parent for suffix in ("py", "pyx", "pxd") for path in PACKAGE.rglob(f"*.{suffix}")}:
        init = folder / "__init__.py"
        if not init.exists() or not ast.get_docstring(ast.parse(init.read_text())):
            bare.append(str(folder.relative_to(REPOSITORY)))
    assert not bare, f"no __init__.py that says what the package is: {bare}"


def test_no_file_is_too_long_to_read() -> None:
    long = {}
    for suffix in ("py", "pyx", "pxd"):
        for path in PACKAGE.rglob(f"*.{suffix}"):
            lines = len(path.read_text().splitlines())
            if lines > 400:
                long[str(path.relative_to(PACKAGE))] = lines
    assert set(long) == set(LONG_FILES), long


def test_no_function_is_too_long_to_read() -> None:
    long = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > 40:
                long[f"{path.relative_to(PACKAGE)}:{node.name}"] = body_lines(node)
    assert set(long) == set(LONG_FUNCTIONS), long


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function from its `def`, the docstring not counted."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return total
    docstring = node.body[0]
    return total - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def test_the_installed_package_carries_the_signatures_of_the_tree() -> None:
    shipped = {path.name for path in (REPOSITORY / "signatures").rglob("*.toml")}
    carried = {name for name in walk(resources.files("sipsensor._signatures")) if name.endswith(".toml")}
    assert shipped, "the tree has no signature"
    assert carried == shipped


def walk(folder: resources.abc.Traversable) -> list[str]:
    """The names of the files below a folder of package data."""
    names = []
    for entry in folder.iterdir():
        names += walk(entry) if entry.is_dir() else [entry.name]
    return names


def test_no_file_names_the_place_where_it_was_made() -> None:
    place = re.compile(re.escape(str(REPOSITORY)) + r"\b")
    told = [str(path.relative_to(REPOSITORY)) for path in tracked() if place.search(readable(path))]
    assert not told, f"these name this checkout: {told}"


def test_the_locks_name_no_place_that_packages_come_from() -> None:
    for lock in sorted((REPOSITORY / ".ci").glob("*.txt")):
        assert "://" not in lock.read_text(), lock.name
        assert "--index-url" not in lock.read_text(), lock.name


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"]) + r")\b")
    code = {".py", ".pyx", ".pxd", ".pyi", ".toml", ".sh"}
    left = [
        str(path.relative_to(REPOSITORY)) for path in tracked() if path.suffix in code and later.search(readable(path))
    ]
    assert not left, f"real or nothing; these put something off: {left}"


def readable(path: Path) -> str:
    """The text of a file; bytes that are no text are passed over, so that captures can be searched too."""
    return path.read_bytes().decode(errors="ignore")


def test_what_has_types_beside_it_is_compiled() -> None:
    """An older build beside a newer source, or none, would judge by other rules than those that are read."""
    for path in PACKAGE.rglob("*.pxd"):
        if path.with_suffix(".py").exists() and path.stem != "__init__":
            name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            compiled = importlib.import_module(name).__file__
            assert compiled is not None
            assert compiled.endswith(".so"), name
