from __future__ import annotations

import json
import re
import struct
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sipsensor.config.load import defaults
from sipsensor.export.recording import FILE_HEADER
from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.live.outlets import Outlets, where
from sipsensor.model import Arrival, Decision, Mode, Packet, Reason, Verdict


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


def test_what_is_shed_is_told_aloud_or_counted_and_never_recorded(tmp_path: Path) -> None:
    settings = defaults()
    settings = replace(
        settings,
        events=replace(settings.events, file=str(tmp_path / "events.jsonl")),
        quarantine=replace(settings.quarantine, file=""),
    )
    examined = Examiner(Matcher()).examine(Packet(1, b"\x45" + bytes(27), 12, 1))
    decision = Decision(Verdict.DROP, Reason.OVERLOAD)
    with ExitStack() as edges:
        outlets = Outlets(settings, tmp_path / "record", edges)
        outlets.shed(examined, decision, Mode.ENFORCE, aloud=True)
        outlets.shed(examined, decision, Mode.ENFORCE, aloud=False)
        assert outlets.events is not None
        assert (outlets.events.written, outlets.events.left_out) == (1, 1)
    (event,) = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert (event["event_type"], event["sipsensor"]["reason"]) == ("drop", "OVERLOAD")
    assert (tmp_path / "record").read_bytes() == FILE_HEADER


def test_shedding_goes_on_when_nothing_can_be_told(tmp_path: Path) -> None:
    settings = replace(defaults(), events=replace(defaults().events, file=str(tmp_path / "events.jsonl")))
    settings = replace(settings, quarantine=replace(settings.quarantine, file=""))
    with ExitStack() as edges:
        outlets = Outlets(settings, None, edges)
        examined = Examiner(Matcher()).examine(Packet(1, b"", 12, 1))
        outlets.shed(examined, None, Mode.ENFORCE, aloud=True)  # type: ignore[arg-type]
        assert outlets.failures == 1
