"""How tshark is read."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import pytest
from pyshark.capture.capture import Capture

from tests.oracle.readings import by_columns, by_pyshark

CASE = Path(__file__).resolve().parents[2] / "pcaps" / "retransmissions" / "capture.pcap"


def test_a_tshark_that_ends_just_before_it_is_killed_has_not_crashed(
    tshark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "tshark"
    script.write_text(f'#!/bin/sh\n{tshark} "$@"\nexec >&- 2>&-\nsleep 0.1\n')
    script.chmod(0o755)
    kill = Capture._cleanup_subprocess

    async def late(capture: Capture, process: Any) -> None:  # noqa: ANN401
        time.sleep(0.5)  # noqa: ASYNC251 - as on a machine that has much to do: nothing else runs meanwhile
        await kill(capture, process)

    monkeypatch.setattr(Capture, "_get_tshark_path", lambda _: str(script))
    monkeypatch.setattr(Capture, "_cleanup_subprocess", late)
    assert by_pyshark(CASE) == by_columns(tshark, CASE) != {}
    gc.collect()
