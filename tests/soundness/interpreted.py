"""Import the modules that are compiled from `.py` sources as these sources, run by the interpreter.

A module that has a `.pxd` beside its `.py` is built into an extension (docs/adr/0017); the source stays importable all the same. What
exists only compiled (`.pyx`) is taken as it is built: there is one implementation of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

TREE = Path(__file__).resolve().parents[2]
PACKAGE = "sipsensor"


class Sources:
    """Finds these modules before anybody else does."""

    @staticmethod
    def find_spec(
        name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the source of such a module is; None for all others."""
        source = TREE.joinpath(*name.split(".")).with_suffix(".py")
        if name.startswith(f"{PACKAGE}.") and source.exists() and source.with_suffix(".pxd").exists():
            return spec_from_file_location(name, source)
        return None


def prefer_sources() -> None:
    """From here on. Raises RuntimeError where such a module was imported already: then two forms of it would meet."""
    early = [name for name, module in sys.modules.items() if Sources.find_spec(name) and not is_interpreted(module)]
    if early:
        raise RuntimeError(f"imported before: {early}")
    sys.meta_path.insert(0, Sources)


def is_interpreted(module: ModuleType) -> bool:
    """Whether this is the source."""
    return (module.__file__ or "").endswith(".py")


def forms() -> dict[str, bool]:
    """The modules imported that can be either: True for those that are interpreted."""
    return {name: is_interpreted(module) for name, module in sys.modules.items() if Sources.find_spec(name)}
