"""Compares each `.pyi` of the package with the compiled module beside it, both ways (mypy's stubtest), and wants a stub for each module.

A module that shows Python nothing (only `cdef` names) needs none.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = Path(__file__).resolve().parent / "stubs-allowed.txt"


def module_name(path: Path) -> str:
    """The dotted name of the module that a source or a stub belongs to."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def main() -> int:
    """Exit code: 0 when all stubs agree."""
    sys.path.insert(0, str(ROOT))
    stubs = sorted(module_name(path) for path in (ROOT / "sipsensor").rglob("*.pyi"))
    sources = sorted(module_name(path) for path in (ROOT / "sipsensor").rglob("*.pyx"))
    bad = 0
    for name in sorted(set(stubs) - set(sources)):
        bad += 1
        print(f"stubs: {name} has a stub and no source", file=sys.stderr)
    for name in sorted(set(sources) - set(stubs)):
        public = [word for word in vars(importlib.import_module(name)) if not word.startswith("_")]
        if public:
            bad += 1
            print(f"stubs: {name} has no stub and shows Python {', '.join(public)}", file=sys.stderr)
    both = sorted(set(sources) & set(stubs))
    if both:
        command = [sys.executable, "-m", "mypy.stubtest", "--mypy-config-file", str(ROOT / "pyproject.toml")]
        command += ["--ignore-disjoint-bases", "--allowlist", str(ALLOWED), "--ignore-unused-allowlist", *both]
        bad += subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
