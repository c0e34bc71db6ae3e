"""A disk of our own that is small enough to be full. Needs the right to mount."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A mounted file system of ``SIZE`` bytes."""

    SIZE = 256 * 1024

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Until not one byte more fits."""
        with self._filler.open("wb", buffering=0) as file:
            for piece in (4096, 1):
                try:
                    while True:
                        file.write(b"x" * piece)
                except OSError:
                    continue

    def make_room(self) -> None:
        """As before."""
        self._filler.unlink()

    def close(self) -> None:
        """Nobody may write there any more. Raises CalledProcessError while a file is open for writing."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True, capture_output=True)

    def open(self) -> None:
        """As before."""
        subprocess.run(["mount", "-o", "remount,rw", str(self.path)], check=True, capture_output=True)


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk]:
    """Mounted at ``path``, which is made; unmounted at the end. Skips the test where this user may not mount."""
    path.mkdir()
    size = f"size={SmallDisk.SIZE}"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(path)], capture_output=True, text=True)  # noqa: PLW1510
    if made.returncode:
        pytest.skip(f"needs the right to mount: {made.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
