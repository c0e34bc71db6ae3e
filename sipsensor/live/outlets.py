"""Where a live sensor tells what it saw: the event log, the recording, the quarantine, and lines for the operator.

What is told of packets is written by threads of ``export.spool``, so that no packet waits for a disk.
"""

from __future__ import annotations

import os
import traceback
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from sipsensor.config.settings import Settings
from sipsensor.export.events import EventLog, EventLogError, VolumeCap, open_events, reopen
from sipsensor.export.events.log import STANDARD_OUTPUT
from sipsensor.export.events.text import shown
from sipsensor.export.evidence import Evidence
from sipsensor.export.recording import Quarantine, Recording, create, remove_empty, set_aside
from sipsensor.export.spool import Spool
from sipsensor.fastpath import examine
from sipsensor.model import Decision, Mode


class Outlets:
    """Where a live sensor tells what it saw: events, the recording, the quarantine. ``edges`` closes them.

    Raises EventLogError, or OSError for the other files.
    """

    NOTICES = 100
    ROOM = 64 * 1024 * 1024
    """Bytes that may wait for each file."""

    def __init__(self, settings: Settings, record: Path | None, edges: ExitStack) -> None:
        self.notices: deque[str] = deque(maxlen=self.NOTICES)
        """Lines for the operator; the main thread says them."""
        self.failures = 0
        self.events: EventLog | None = None
        self.recording: Recording | None = None
        self.quarantine: Quarantine | None = None
        self._spools: list[Spool] = []
        self._edges = edges
        limits = settings.limits
        self.evidence = Evidence(
            limits.evidence_sources, limits.evidence_packets, limits.evidence_bytes, limits.evidence_age
        )
        if settings.events.file:
            self._file = open_events(settings.events.file)
            target = self._spool(self._file, close=settings.events.file != STANDARD_OUTPUT)
            self.events = EventLog(target, VolumeCap(limits.events, os.urandom(16)))
        if record is not None:
            self.recording = Recording(self._spool(create(record)))
        if settings.quarantine.file and limits.quarantine_packets:
            path = Path(settings.quarantine.file)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            set_aside(path)
            edges.callback(remove_empty, path)
            self.quarantine = Quarantine(self._spool(create(path)), limits.quarantine_packets, limits.quarantine_bytes)

    def _spool(self, file: BinaryIO, *, close: bool = True) -> Spool:
        if close:
            self._edges.callback(file.close)
        spool = Spool(file, self.ROOM)
        self._edges.callback(spool.close)
        self._spools.append(spool)
        return spool

    def reopen(self, name: str) -> None:
        """Go on in what the event file's name is now, after rotation. Where that fails, go on in the old one, and say so."""
        if self.events is not None:
            try:
                reopen(self._file, name)
            except EventLogError as error:
                self.notices.append(str(error))

    @property
    def lost(self) -> int:
        """Events and packets that could not be written."""
        return sum(spool.lost for spool in self._spools)

    def tell(self, examined: examine.Examined, decision: Decision, mode: Mode = Mode.ENFORCE) -> None:
        """One packet and what was decided of it, in which mode. A fault in here must not change what becomes of the packet."""
        try:
            if self.recording is not None:
                self.recording.write(
                    examined.data, examined.ts, examined.wire_length, examined.arrival, decision.verdict
                )
            if self.events is not None and (decision.alerts or decision.verdict or decision.grants or decision.uncuts):
                self.events.packet(examined, decision, mode)
            self.evidence.see(examined, decision)
        except Exception as error:  # noqa: BLE001
            self.failures += 1
            self.notices.append(f"telling of a packet failed: {where(error)}")

    def shed(self, examined: examine.Examined, decision: Decision, mode: Mode, *, aloud: bool) -> None:
        """One packet that nobody judged. It is not recorded: a replay, which judges all, would differ. ``aloud``: as an event, too."""
        try:
            if self.events is None:
                return
            if aloud:
                self.events.packet(examined, decision, mode)
            else:
                self.events.omit()
        except Exception as error:  # noqa: BLE001
            self.failures += 1
            self.notices.append(f"telling of a packet failed: {where(error)}")

    def failed(self, packet: bytes, ts: int, arrival: int, error: BaseException) -> None:
        """One packet on which the engine failed."""
        if self.quarantine is not None:
            self.quarantine.keep(packet, ts, len(packet), arrival)
        self.notices.append(f"the engine failed on a packet: {where(error)}")


def where(error: BaseException) -> str:
    """An exception and where it was raised, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return shown(f"{type(error).__name__}: {error}") + place
