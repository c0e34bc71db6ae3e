"""The layers of pyproject.toml, for what import-linter cannot read: `.pyx` and `.pxd` files, and imports of compiled modules."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "sipsensor"
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
LAYERS = [[room.strip(" ()") for room in layer.split("|")] for layer in CONTRACTS["layers"]["layers"]]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
PURE = {room for room, rank in RANK.items() if rank > RANK["engine"]}
IMPURE_MODULES = set(CONTRACTS["pure"]["forbidden_modules"])
# The same, as Cython and C call it: clocks, sockets, threads.
IMPURE_C = re.compile(r"^(posix\.(time|select|signal|unistd)|libc\.(time|signal)|cpython\.(pythread|time)|openmp)$")
IMPURE_HEADERS = re.compile(r"extern\s+from\s+[\"']<?(time|sys/time|sys/socket|pthread|threads|poll|sys/epoll|omp)\.h")
FROM = re.compile(r"^\s*from\s+(?P<module>\.*[\w.]*)\s+c?import\s+(?P<names>[\w.*, ()]+)")
PLAIN = re.compile(r"^\s*c?import\s+(?P<modules>[\w., ]+)")


def compiled_sources() -> list[Path]:
    return sorted(path for suffix in ("pyx", "pxd") for path in PACKAGE.rglob(f"*.{suffix}"))


def room_of(path: Path) -> str:
    """The room that a file of the package stands in: the first part of its path below `sipsensor/`."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path: Path, text: str) -> Iterator[str]:
    """The dotted names that a `.pyx` or `.pxd` file imports or cimports, relative ones resolved."""
    package = ["sipsensor", *path.relative_to(PACKAGE).parts[:-1]]
    for line in text.splitlines():
        if found := FROM.match(line):
            module = found["module"]
            dots = len(module) - len(module.lstrip("."))
            base = package[: len(package) - dots + 1] if dots else []
            whole = ".".join([*base, *filter(None, module.lstrip(".").split("."))])
            if whole in {"sipsensor", ""}:
                yield from (f"sipsensor.{name.split(' as ')[0].strip(' ()')}" for name in found["names"].split(","))
            else:
                yield whole
        elif found := PLAIN.match(line):
            yield from (name.split(" as ")[0].strip() for name in found["modules"].split(","))


def layer_faults(path: Path, text: str) -> list[str]:
    """What a compiled source imports and must not."""
    room = room_of(path)
    faults = []
    for name in imports_of(path, text):
        parts = name.split(".")
        if parts[0] == "sipsensor":
            other = parts[1] if len(parts) > 1 else ""
            if other not in RANK or (other != room and RANK[other] <= RANK[room]):
                faults.append(f"{path.relative_to(REPOSITORY)}: {room} must not import {name}")
        elif room in PURE and (parts[0] in IMPURE_MODULES or IMPURE_C.match(name)):
            faults.append(f"{path.relative_to(REPOSITORY)}: {room} must not know {name}")
    if room in PURE and (found := IMPURE_HEADERS.search(text)):
        faults.append(f"{path.relative_to(REPOSITORY)}: {room} must not know {found[1]}.h")
    return faults


def test_compiled_sources_respect_the_layers() -> None:
    sources = compiled_sources()
    assert sources
    faults = [fault for path in sources for fault in layer_faults(path, path.read_text())]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("fastpath/sip.pyx", "from sipsensor.track cimport budgets"),
        ("fastpath/sip.pyx", "from ..track.budgets cimport Budget"),
        ("fastpath/sip.pyx", "from .. cimport track"),
        ("fastpath/sip.pyx", "cimport sipsensor.engine"),
        ("fastpath/sip.pyx", "import time"),
        ("fastpath/sip.pyx", "from posix.time cimport clock_gettime"),
        ("fastpath/sip.pyx", 'cdef extern from "<pthread.h>" nogil:'),
        ("fastpath/sip.pxd", "from sipsensor.nowhere cimport x"),
        ("sources/pump.pyx", "from sipsensor.enforce.base cimport x"),
    ],
)
def test_a_fault_is_found(file: str, line: str) -> None:
    assert layer_faults(PACKAGE / file, f"# a file\n{line}\n")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("fastpath/sip.pyx", "from sipsensor.fastpath.cursor cimport Cursor"),
        ("fastpath/sip.pyx", "from .cursor cimport Cursor"),
        ("fastpath/sip.pyx", "from libc.string cimport memchr, memcmp"),
        ("sources/pump.pyx", "from sipsensor.fastpath.examine cimport Examiner"),
        ("sources/pump.pyx", "from posix.time cimport clock_gettime"),
    ],
)
def test_what_is_allowed_is_no_fault(file: str, line: str) -> None:
    assert layer_faults(PACKAGE / file, f"{line}\n") == []


def third_parties(path: Path) -> list[str]:
    """The modules that a file imports and that are neither Python's nor ours."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        found += [name for name in names if name.split(".")[0] not in {*sys.stdlib_module_names, "sipsensor"}]
    return found


def test_below_the_engine_nothing_comes_from_a_third_party() -> None:
    faults = [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path in PACKAGE.rglob("*.py")
        if room_of(path) in PURE
        for name in third_parties(path)
    ]
    assert not faults, "\n".join(faults)


def test_the_lowest_versions_are_tried_with_all_that_imports_them() -> None:
    said = re.search(
        r"^LOWEST := \$\(addprefix tests/unit/,(.*)\)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE
    )
    assert said is not None
    tried = [REPOSITORY / "tests" / "unit" / path for path in said[1].split()]
    assert all(path.exists() for path in tried)
    importing = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if third_parties(path)]
    tests = [REPOSITORY / "tests" / "unit" / path.with_name(f"test_{path.name}") for path in importing]
    left_out = [str(test) for test in tests if not any(test.is_relative_to(path) for path in tried)]
    assert importing
    assert not left_out, "\n".join(left_out)


def test_rooms_import_compiled_modules_from_their_package() -> None:
    """`from sipsensor.fastpath import x`: import-linter does not find the module of any other form, and misses the import."""
    compiled = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts): room_of(path) for path in PACKAGE.rglob("*.pyx")
    }
    faults = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            other = [name for name in names if name in compiled and compiled[name] != room_of(path)]
            faults += [f"{path.relative_to(REPOSITORY)}: {name}" for name in other]
    assert not faults, "\n".join(faults)


def test_relative_imports_are_not_used() -> None:
    """One form of name for one thing: what is searched for is found."""
    faults = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not faults, "\n".join(faults)
