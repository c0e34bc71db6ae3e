"""tshark and we read the same frames of IAX2: headers, elements in their order, and what two of them say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from sipsensor.fastpath.examine import CONTENT_FRAME_MALFORMED, CONTENT_OTHER, Examiner
from sipsensor.fastpath.frames import frame_of
from sipsensor.fastpath.iax2 import WHAT_TRUNK
from sipsensor.fastpath.matcher import Matcher
from sipsensor.protocols.iax2 import IaxFrame, parse
from sipsensor.sources.pcap import Capture, find, packets
from tests.support import iax2
from tests.support.iax2 import element, full, mini, registers, trunk, video
from tests.support.packets import LINK_RAW, datagram

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = os.environ.get("SIPSENSOR_CAPTURES", "")
OWN = [path for path in find([str(REPOSITORY / "pcaps")]) if "iax" in str(path)]
THEIRS = [path for path in find([SHARED]) if "iax" in path.name] if SHARED and Path(SHARED).is_dir() else []
IAX = 6
COLUMNS = (
    "iax2.packet_type", "iax2.src_call", "iax2.dst_call", "iax2.retransmission", "iax2.timestamp", "iax2.oseqno", "iax2.iseqno", "iax2.type",
    "iax2.iax.subclass", "iax2.ie_id", "iax2.iax.username", "iax2.iax.called_number",
)  # fmt: skip
FULL, MINI = 1, 0


class Seen(NamedTuple):
    """What both can say of one frame; -1 and empty where it has no such field."""

    full: bool
    source: int
    destination: int
    repeated: int
    timestamp: int
    oseqno: int
    iseqno: int
    type: int
    subclass: int
    elements: tuple[int, ...]
    username: str
    called: str


def number(text: str) -> int:
    return {"": -1, "True": 1, "False": 0}[text] if text in {"", "True", "False"} else int(text)


def of_tshark(tshark: str, path: Path) -> dict[int, Seen]:
    """By frame number. What carries several calls at once it shows in other fields, so that is not asked for."""
    command = [tshark, "-n", "-r", str(path), "-Y", "iax2", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"]
    for column in ("frame.number", *COLUMNS):
        command += ["-e", column]
    found = {}
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        frame, kind, *header, elements, username, called = line.split("\t")
        if kind not in {str(FULL), str(MINI)}:
            continue
        numbers = [number(text) for text in header]
        found[int(frame)] = Seen(
            int(kind) == FULL,
            *numbers,  # type: ignore[arg-type]
            elements=tuple(int(text) for text in elements.split(";") if text),
            username=username.split(";")[-1],
            called=called.split(";")[-1],
        )
    return found


def of_ours(path: Path) -> dict[int, Seen]:
    examiner = Examiner(Matcher(), (5060,))
    found = {}
    for batch in Capture(path).batches():
        for packet in packets(batch):
            examined = examiner.examine(packet)
            view = parse(examined)
            if not isinstance(view, IaxFrame) or view.frame.what == WHAT_TRUNK:
                continue
            frame, whole = view.frame, view.examined.payload[0] & 0x80 != 0
            header = (frame.destination_call, int(frame.repeated), frame.timestamp, frame.oseqno, frame.iseqno, frame.type)
            found[packet.number] = Seen(
                whole,
                frame.source_call,
                *(header if whole else (-1, -1, frame.timestamp, -1, -1, -1)),
                frame.subclass if frame.type == IAX else -1,
                tuple(name[0] for _, name, _ in examined.headers()),
                (view.account or b"").decode(),
                (view.called or b"").decode(),
            )
    return found


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.parent.name)
def test_our_cases(path: Path, tshark: str) -> None:
    theirs = of_tshark(tshark, path)
    assert theirs
    assert of_ours(path) == theirs


@pytest.mark.parametrize("path", THEIRS or [None], ids=lambda path: path.name if path else "none")
def test_captures_of_others(path: Path | None, tshark: str, shared_captures: Path) -> None:
    assert path is not None, f"{shared_captures} holds no capture of IAX2"
    theirs = of_tshark(tshark, path)
    assert theirs
    assert of_ours(path) == theirs
