from __future__ import annotations

import re
import struct
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sipsensor.config.load import defaults
from sipsensor.live.outlets import Outlets, where
from sipsensor.model import Arrival


def test_notices_are_bounded(tmp_path: Path) -> None:
    settings = defaults()
    quarantine = replace(settings.quarantine, file=str(tmp_path / "kept.pcap"))
    settings = replace(settings, events=replace(settings.events, file=""), quarantine=quarantine)
    with ExitStack() as edges:
        outlets = Outlets(settings, None, edges)
        for _ in range(1000):
            outlets.failed(b"", 0, Arrival.INBOUND, RuntimeError("x"))
        assert len(outlets.notices) == Outlets.NOTICES
        assert outlets.quarantine is not None
        assert outlets.quarantine.kept == settings.limits.quarantine_packets


def test_an_error_is_told_in_one_line_with_its_place() -> None:
    with pytest.raises(struct.error) as caught:
        struct.unpack("=I", b"")
    assert re.fullmatch(r"error: unpack requires a buffer of 4 bytes at test_outlets\.py:\d+", where(caught.value))
    assert where(RuntimeError("several\nlines\x1b[31m")).isprintable()
