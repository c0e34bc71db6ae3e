"""A file in front of which nobody waits."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from sipsensor.export.spool import Spool


class Disk(io.BytesIO):
    """A file whose writes wait for ``gate``, and fail while ``full``; it takes ``part`` bytes at once."""

    def __init__(self, *, part: int = 1 << 30) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.full = False
        self.part = part

    def write(self, data: object, /) -> int:
        self.gate.wait(10)
        view = memoryview(data)[: self.part]  # type: ignore[arg-type]
        if self.full and self.tell() > 2:
            raise OSError(errno.ENOSPC, "no space left")
        return super().write(view)


def test_what_is_written_arrives_whole_and_in_order(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb", buffering=0) as file:
        spool = Spool(file, 1000)
        for number in range(100):
            assert spool.write(b"%d\n" % number) == len(b"%d\n" % number)
        spool.close()
    assert (tmp_path / "out").read_text().split() == [str(number) for number in range(100)]
    assert spool.lost == 0


def test_it_writes_soon_by_itself() -> None:
    disk = Disk()
    spool = Spool(disk, 1000)
    spool.write(b"soon")
    deadline = time.monotonic() + 5
    while disk.getvalue() != b"soon" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert disk.getvalue() == b"soon"
    spool.close()


def test_a_disk_that_hangs_makes_nobody_wait_and_costs_whole_writes() -> None:
    disk = Disk()
    disk.gate.clear()
    spool = Spool(disk, room=10, patience=0.2)
    started = time.monotonic()
    for _ in range(5):
        spool.write(b"1234")
    assert spool.lost == 3
    spool.close()
    assert time.monotonic() - started < 2
    disk.gate.set()


def test_a_full_disk_leaves_no_half_record_and_it_goes_on_afterwards() -> None:
    disk = Disk(part=3)
    spool = Spool(disk, 1000)
    disk.full = True
    spool.write(b"lost-record")
    deadline = time.monotonic() + 5
    while spool.lost == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (spool.lost, disk.getvalue()) == (1, b"")
    disk.full = False
    spool.write(b"kept-record")
    spool.close()
    assert disk.getvalue() == b"kept-record"


@pytest.mark.parametrize("closes", [1, 2])
def test_a_pipe_that_nobody_reads_is_lost_and_no_error(closes: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    pipe: BinaryIO
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        spool = Spool(pipe, 1000)
        spool.write(b"event\n")
        for _ in range(closes):
            spool.close()
        assert spool.lost == 1


def test_flushing_is_the_threads_business() -> None:
    spool = Spool(Disk(), 10)
    spool.flush()
    spool.close()
