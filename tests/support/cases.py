"""The cases of pcaps/: a capture file, what it is for, and what a replay of it gave.

A case is a folder with ``capture.pcap`` (or .pcapng, .pcap.gz), ``case.toml`` and ``expected.jsonl``; a synthetic one
has ``make.py`` as well.
"""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sipsensor.app import Replay, build_engine, load_signatures
from sipsensor.config.load import from_table
from sipsensor.config.settings import Settings
from sipsensor.engine import Engine
from sipsensor.export.events import EventLog
from sipsensor.model import Mode
from sipsensor.signatures import SignatureSet

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
CAPTURES = ("capture.pcap", "capture.pcapng", "capture.pcap.gz")
KEYS = {"purpose", "origin", "protected", "observe", "filter", "expect", "settings"}
VARYING = ("elapsed_seconds", "packets_per_second")


class Outcome(NamedTuple):
    """What a replay gave: events, and the summary without what depends on the machine."""

    events: list[dict[str, Any]]
    summary: dict[str, Any]
    notices: list[str]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """As they stand in expected.jsonl."""
        stamp = self.summary["last_time"] or "1970-01-01T00:00:00.000000+00:00"
        return [*self.events, {"timestamp": stamp, "event_type": "summary", "summary": self.summary}]


class Case:
    """One folder of pcaps/."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.capture = next(path for name in CAPTURES if (path := folder / name).exists())
        self.expected = folder / "expected.jsonl"

    @property
    def about(self) -> dict[str, Any]:
        """What case.toml says."""
        return tomllib.loads((self.folder / "case.toml").read_text(encoding="utf-8"))

    def replay(self, *, verify: bool = False) -> Outcome:
        """Judge the case anew."""
        about = self.about
        settings = from_table(about.get("settings", {}), f"{self.folder / 'case.toml'}: settings")
        return replay(
            [self.capture],
            settings,
            protected=about.get("protected"),
            observe=about.get("observe", False),
            expression=about.get("filter", ""),
            verify=verify,
        )


def cases() -> list[Case]:
    """All cases, by name."""
    folders = sorted(path for path in PCAPS.iterdir() if path.is_dir()) if PCAPS.is_dir() else []
    return [Case(folder) for folder in folders if any((folder / name).exists() for name in CAPTURES)]


def replay(
    files: Sequence[Path],
    settings: Settings,
    *,
    protected: Sequence[str] | None = None,
    observe: bool = False,
    expression: str = "",
    verify: bool = False,
) -> Outcome:
    """What ``sipsensor replay --json`` would write."""
    signatures = load_signatures(settings) if settings.signatures.directories else shipped()

    def build() -> Engine:
        mode = Mode.OBSERVE if observe else Mode.ENFORCE
        return build_engine(settings, mode=mode, protected=protected or None, signatures=signatures, seed=Replay.SEED)

    target = io.BytesIO()
    run = Replay(build, EventLog(target).packet, expression=expression, verify=verify)
    run.run(files)
    summary = run.summary.as_object()
    for key in VARYING:
        summary.pop(key)
    return Outcome([json.loads(line) for line in target.getvalue().splitlines()], summary, run.notices)


@cache
def shipped() -> SignatureSet:
    """The shipped signatures, compiled once."""
    return load_signatures(from_table({}, "defaults"))


def written(lines: Sequence[dict[str, Any]]) -> str:
    """The text of expected.jsonl: keys in a fixed order, so that a change shows as itself in a diff."""
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of expected.jsonl."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
