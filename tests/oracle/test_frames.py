"""tshark and we read the same frames of IAX2: headers, elements in their order, and what two of them say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.iax2 import WHAT_TRUNK
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.names import ELEMENTS
from sipsensor.protocols.iax2 import IaxFrame, parse
from sipsensor.sources.pcap import Capture, find, packets
from tests.support import iax2
from tests.support.captures import pcap
from tests.support.iax2 import element, full, mini, registers, trunk
from tests.support.packets import datagram
from tests.support.scanning import examine

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = os.environ.get("SIPSENSOR_CAPTURES", "")
OWN = [path for path in find([str(REPOSITORY / "pcaps")]) if "iax" in path.parent.name]
THEIRS = [path for path in find([SHARED]) if "iax" in path.name] if SHARED and Path(SHARED).is_dir() else []
IAX = 6
COLUMNS = (
    "iax2.packet_type", "iax2.src_call", "iax2.dst_call", "iax2.retransmission", "iax2.timestamp", "iax2.oseqno", "iax2.iseqno", "iax2.type",
    "iax2.iax.subclass", "iax2.ie_id", "iax2.iax.username", "iax2.iax.called_number", "_ws.malformed",
)  # fmt: skip
FULL, MINI = 1, 0
SOCKET_ADDRESS = 16


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
    """By frame number, without what is malformed. What carries several calls at once it shows in other fields, so that is not asked for."""
    command = [tshark, "-n", "-r", str(path), "-Y", "iax2", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"]
    for column in ("frame.number", *COLUMNS):
        command += ["-e", column]
    found = {}
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        frame, kind, *header, elements, username, called, malformed = line.split("\t")
        if malformed or kind not in {str(FULL), str(MINI)}:
            continue
        source, destination, repeated, timestamp, oseqno, iseqno, type_, subclass = (number(text) for text in header)
        found[int(frame)] = Seen(
            int(kind) == FULL,
            source,
            destination,
            repeated,
            timestamp,
            oseqno,
            iseqno,
            type_,
            subclass,
            tuple(int(text) for text in elements.split(";") if text),
            username.split(";")[-1],
            called.split(";")[-1],
        )
    return found


def as_seen(view: IaxFrame) -> Seen:
    frame, whole = view.frame, view.examined.payload[0] & 0x80 != 0
    return Seen(
        whole,
        frame.source_call,
        frame.destination_call if whole else -1,
        int(frame.repeated) if whole else -1,
        frame.timestamp,
        frame.oseqno if whole else -1,
        frame.iseqno if whole else -1,
        frame.type if whole else -1,
        frame.subclass if frame.type == IAX else -1,
        tuple(name[0] for _, name, _ in view.examined.headers()),
        (view.account or b"").decode(),
        (view.called or b"").decode(),
    )


def of_ours(path: Path) -> dict[int, Seen]:
    """The same of what we read."""
    examiner = Examiner(Matcher(), (5060,))
    found = {}
    for batch in Capture(path).batches():
        for packet in packets(batch):
            examined = examiner.examine(packet)
            view = parse(examined)
            if not isinstance(view, IaxFrame) or view.frame.what == WHAT_TRUNK:
                continue
            found[packet.number] = as_seen(view)
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


def test_frames_of_every_kind(tshark: str, tmp_path: Path) -> None:
    """Calls of their own, so that tshark puts nothing together."""
    calls = iter(range(100, 10_000))
    made = [full(subclass, [element("cause", "why")], source=next(calls)) for subclass in range(1, 41)]
    made += [full(4, kind=kind, source=next(calls), destination=9) for kind in (1, 4, 5, 7, 8, 10, 12)]
    made += [
        full("NEW", [element(name, bytes(SOCKET_ADDRESS if name == "apparent-address" else 4))], source=next(calls))
        for name in ELEMENTS
    ]
    made += [
        registers(source=next(calls), timestamp=2**32 - 1, oseqno=255, iseqno=254, repeated=True),
        mini(next(calls), 0xFFFF),
    ]
    path = tmp_path / "made.pcap"
    path.write_bytes(
        pcap((number, datagram(frame, sport=40_000 + number, dport=iax2.PORT)) for number, frame in enumerate(made))
    )
    theirs = of_tshark(tshark, path)
    assert len(theirs) == len(made)
    assert of_ours(path) == theirs


@pytest.mark.parametrize("times", [False, True])
def test_the_calls_of_a_trunk(tshark: str, tmp_path: Path, times: bool) -> None:  # noqa: FBT001
    """Where the entries have no times of their own tshark 4 takes the last one for cut; Asterisk does not."""
    frame = trunk([(5, bytes(33)), (7, bytes(20)), (9, bytes(5))], times=times)
    path = tmp_path / "trunk.pcap"
    path.write_bytes(pcap([(0, datagram(frame, sport=40_000, dport=iax2.PORT))]))
    command = [tshark, "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a", "-e", "iax2.trunk.call.scallno"]
    theirs = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().split(",")
    view = parse(examine(frame, sport=40_000, dport=iax2.PORT))
    assert isinstance(view, IaxFrame)
    assert view.frame.calls() == [5, 7, 9]
    assert [int(call) for call in theirs] == ([5, 7, 9] if times else [5, 7])
