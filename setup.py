"""Builds the compiled rooms of sipsensor: plain setuptools extensions, one for each `.pyx` file of the package, and one for
each Python module that has a `.pxd` file beside it: the same source, with the types that this file gives its names.

Everything else about the package stands in pyproject.toml. Two variables of the environment choose another flavour of
the build. Objects of two flavours must not meet, so these are built in a copy of the tree (`make fuzz`, `make coverage`);
a third leaves the extensions out, for an editable install into which `make build` compiles:

    SIPSENSOR_SANITIZE=1   AddressSanitizer and UndefinedBehaviorSanitizer, every finding ends the process
    SIPSENSOR_COVERAGE=1   line tracing, so that coverage sees the lines of `.pyx` and `.pxd` files
    SIPSENSOR_EXTENSIONS=no
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
SANITIZE = os.environ.get("SIPSENSOR_SANITIZE") == "1"
COVERAGE = os.environ.get("SIPSENSOR_COVERAGE") == "1"

# An optimization that CFLAGS names is whose who builds, as everywhere. -O3 was no faster, and takes half as long again to compile.
OPTIMIZE = [] if "-O" in os.environ.get("CFLAGS", "") else ["-O1" if SANITIZE else "-O2"]
# Packet bytes are read through pointers of several types: strict aliasing would let the compiler reorder such reads.
COMPILE = [*OPTIMIZE, "-fno-strict-aliasing"]
if (SANITIZE or COVERAGE) and (ROOT / ".git").exists():
    sys.exit("setup.py: this flavour is built in a copy of the tree: make fuzz, make coverage")
LINK: list[str] = []
MACROS: list[tuple[str, str | None]] = []
if SANITIZE:
    COMPILE += ["-g1", "-fno-omit-frame-pointer"]
    # Python is built with -fwrapv, which would make overflows of signed numbers lawful, and no finding.
    COMPILE += ["-fno-wrapv", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    LINK += ["-fsanitize=address,undefined"]
if COVERAGE:
    MACROS += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]
    COMPILE += ["-Wno-maybe-uninitialized"]  # traced inline functions have an error end that returns nothing


def extensions() -> list[Extension]:
    """One extension for each such file below `sipsensor/`, named by its path, in a stable order."""
    found = []
    tree = ROOT / "sipsensor"
    typed = [
        source for source in tree.rglob("*.py") if source.name != "__init__.py" and source.with_suffix(".pxd").exists()
    ]
    for source in sorted([*tree.rglob("*.pyx"), *typed]):
        relative = source.relative_to(ROOT)
        found.append(
            Extension(
                ".".join(relative.with_suffix("").parts),
                [str(relative)],
                extra_compile_args=list(COMPILE),
                extra_link_args=list(LINK),
                define_macros=list(MACROS),
            )
        )
    return found


class BuildExtensions(build_ext):
    """Turns `.pyx` into C when extensions are built, and only then: metadata and sdist need no compiler run."""

    def build_extensions(self) -> None:
        """Compile; the C files go below `build/`, so that the tree holds sources alone."""
        generated = []
        for suffix in (".pyx", ".py"):
            generated += cythonize(
                [extension for extension in self.extensions if extension.sources[0].endswith(suffix)],
                # The coverage plugin looks for the C file beside its source.
                build_dir=None if COVERAGE else "build/cython",
                compiler_directives={
                    "language_level": 3,
                    "linetrace": COVERAGE,
                    # Annotations are for mypy: the C types of Python modules stand in their `.pxd` files alone.
                    "annotation_typing": False,
                    # Python modules were written for a None that raises.
                    "nonecheck": suffix == ".py",
                },
                nthreads=os.cpu_count() or 1,
                quiet=True,
            )
        by_name = {extension.name: extension for extension in generated}
        for extension in self.extensions:
            vars(extension).update(vars(by_name[extension.name]))
        super().build_extensions()


os.chdir(ROOT)
setup(
    # `signatures/` stands at the top of the repository, where people edit it, and is installed as a package of data.
    packages=[*find_packages(include=["sipsensor", "sipsensor.*"]), "sipsensor._signatures"],
    package_dir={"sipsensor._signatures": "signatures"},
    package_data={
        "": ["*.pxd", "*.pyi", "py.typed"],
        "sipsensor._signatures": ["**/*.toml", "**/*.txt"],
    },
    ext_modules=[] if os.environ.get("SIPSENSOR_EXTENSIONS") == "no" else extensions(),
    cmdclass={"build_ext": BuildExtensions},
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
