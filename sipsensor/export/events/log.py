"""Events to lines in a file. The file is appended to, mode 0600, and can be replaced under the writer (log rotation)."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from sipsensor.export.events.build import Event, about, event_of, timestamp, told
from sipsensor.export.events.lasting import lasting
from sipsensor.export.events.volume import LeftOut, VolumeCap
from sipsensor.fastpath import examine
from sipsensor.model import Decision, Mode, Table

STANDARD_OUTPUT = "-"


class EventLogError(Exception):
    """The event file cannot be written. The text is one line: ``events.file: what is wrong; remedy``."""


class Writable(Protocol):
    """Where lines go: a file, or something in front of one."""

    def write(self, data: bytes, /) -> int:
        """Takes all of ``data``, which is whole lines."""
        ...


def open_events(name: str) -> BinaryIO:
    """The event file, unbuffered and at its end; "-" is standard output. Raises EventLogError."""
    if name == STANDARD_OUTPUT:
        return sys.stdout.buffer
    return os.fdopen(_open(name), "ab", buffering=0)


def _open(name: str) -> int:
    try:
        Path(name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise EventLogError(
            f'events.file: {name}: cannot be written: {what}; name a file this user may write, or "-"'
        ) from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise EventLogError(f'events.file: {name}: is no regular file; name a file, or "-" for standard output')
    # The writer in front takes back half a line after a failed write, and needs to know where it began.
    os.lseek(file, 0, os.SEEK_END)
    return file


def reopen(file: BinaryIO, name: str) -> None:
    """Let ``file`` write to what ``name`` is now, after rotation moved the old one. The descriptor keeps its number:
    other threads may be writing. Raises EventLogError, and ``file`` goes on writing where it did. Does nothing for
    standard output.
    """
    if name == STANDARD_OUTPUT:
        return
    fresh = _open(name)
    os.dup2(fresh, file.fileno(), inheritable=False)
    os.close(fresh)


class EventLog:
    """Writes events as lines to ``target``. With ``cap`` (live) the volume per source and rule is limited; a replay
    writes all.
    """

    def __init__(self, target: Writable, cap: VolumeCap | None = None) -> None:
        self._target = target
        self._cap = cap
        self.written = 0
        self._omitted = 0

    @property
    def left_out(self) -> int:
        """Events not written for their volume since the start."""
        return self._omitted + (self._cap.left_out if self._cap else 0)

    def omit(self) -> None:
        """Count an event that is not even made, because there are too many of its sort."""
        self._omitted += 1

    def tables(self) -> Sequence[Table]:
        """How full the tables of the cap are."""
        return self._cap.tables() if self._cap else ()

    def packet(self, examined: examine.Examined, decision: Decision, mode: Mode = Mode.ENFORCE) -> None:
        """What is to be told of one packet. ``mode``: whether cuts act."""
        self._packet(examined, decision)
        if decision.cuts or decision.uncuts or decision.grants:
            for what, event in lasting(examined, decision, mode):
                before = 0 if self._cap is None else self._cap.admit(event["src_ip"], what, examined.ts)
                if before:
                    event["sipsensor"] = {"left_out": before}
                if before >= 0:
                    self.write(event)

    def _packet(self, examined: examine.Examined, decision: Decision) -> None:
        for alert in told(decision):
            before = 0
            if self._cap is not None:
                # Asked before it is made: making one costs several times what judging the packet did.
                before = self._cap.admit(examined.src_text, about(decision, alert), examined.ts)
            if before < 0:
                continue
            event = event_of(examined, decision, alert)
            if before:
                event["sipsensor"]["left_out"] = before
            self.write(event)

    def tick(self, now: int) -> None:
        """Tell what was left out of sources that are silent now. ``now`` in the time of the packets."""
        if self._cap is not None:
            self._tell(self._cap.settled(now))

    def _tell(self, left: Iterable[LeftOut]) -> None:
        for one in left:
            self.write(
                {
                    "timestamp": timestamp(one.until),
                    "event_type": "stats",
                    "src_ip": one.source,
                    "stats": {"left_out": one.events, "rule": one.rule, "since": timestamp(one.since)},
                }
            )

    def write(self, event: Event) -> None:
        """One event as one line of ASCII."""
        self._target.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        self.written += 1
