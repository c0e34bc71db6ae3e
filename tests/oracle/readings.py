"""The same capture read by tshark and by us, as lists of what each found in a frame."""

from __future__ import annotations

import re
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyshark
from pyshark.capture.capture import TSharkCrashException

from sipsensor.fastpath.examine import CONTENT_REQUEST, CONTENT_RESPONSE, Examiner
from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.names import FIELDS
from sipsensor.reassembly.assembler import Assembler
from sipsensor.sources.pcap import Capture, packets

PREFERENCES = {"tcp.desegment_tcp_streams": "FALSE", "sip.strict_sip_version": "FALSE"}
"""Segment by segment, as we read TCP until streams are put together."""
LARGE = 300
"""Frames with SIP above which a file is read by tshark's columns: pyshark takes minutes for its XML."""


class Seen(NamedTuple):
    """What both can say of one message."""

    method: str | None
    code: int
    call_id: str | None
    user_agent: str | None
    from_tag: str | None
    to_tag: str | None
    branch: str | None
    cseq_method: str | None


Reading = dict[int, list[Seen]]
"""By frame number."""

COLUMNS = (
    "sip.Method",
    "sip.Status-Code",
    "sip.Call-ID",
    "sip.User-Agent",
    "sip.from.tag",
    "sip.to.tag",
    "sip.Via.branch",
    "sip.CSeq.method",
)


def _seen(values: Iterable[str | None]) -> Seen:
    """White space at the ends and runs of it are no difference: tshark shows values as sent, we in their normal form."""
    method, code, *rest = (value and value.strip() for value in values)
    return Seen(method, int(code or 0), *(value and re.sub(r"[ \t\r\n]+", " ", value) for value in rest))


def _add(found: Reading, number: int, seen: Seen) -> None:
    """Without method and status code it is what tshark calls a continuation: bytes on a SIP port."""
    if seen.method or seen.code:
        found[number].append(seen)


def by_columns(tshark: str, path: Path) -> Reading:
    """Through ``tshark -T fields``: one message per frame."""
    command = [tshark, "-n", "-r", str(path), "-Y", "sip", "-T", "fields", "-E", "occurrence=f", "-e", "frame.number"]
    for name, value in PREFERENCES.items():
        command += ["-o", f"{name}:{value}"]
    for column in COLUMNS:
        command += ["-e", column]
    found: Reading = defaultdict(list)
    # A truncated file makes tshark end with an error after all that was whole.
    for line in subprocess.run(
        command, check=False, capture_output=True, text=True, errors="replace"
    ).stdout.splitlines():
        number, *values = line.split("\t")
        _add(found, int(number), _seen(value or None for value in values))
    return found


def by_pyshark(path: Path) -> Reading:
    """Through pyshark: every SIP layer of a frame."""
    found: Reading = defaultdict(list)
    capture = pyshark.FileCapture(str(path), display_filter="sip", override_prefs=PREFERENCES, keep_packets=False)
    try:
        # It kills tshark at the end of the output. One that had just ended has lost its exit status, and that is then
        # taken for a crash. After a real crash frames are missing, which is a difference.
        with suppress(TSharkCrashException):
            for packet in capture:
                for layer in packet.layers:
                    if layer.layer_name == "sip":
                        _add(found, int(packet.number), _seen(_first(layer, column) for column in COLUMNS))
        with suppress(TSharkCrashException):
            capture.close()
    finally:
        capture._running_processes.clear()  # or its end closes it once more, inside whatever runs then
        # pyshark leaves asyncio's handler in place: every child that ends later writes to a socket that nobody reads, until it is full.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return found


def _first(layer: Any, column: str) -> str | None:  # noqa: ANN401
    container = layer._all_fields.get(column)
    return None if container is None else str(container.fields[0].show)


def of_tshark(tshark: str, path: Path) -> tuple[Reading, str]:
    """What tshark reads, and through which face."""
    columns = by_columns(tshark, path)
    if len(columns) > LARGE:
        return columns, "columns"
    return (by_pyshark(path) if columns else columns), "pyshark"


def of_ours(path: Path) -> tuple[Reading, dict[int, Examined]]:
    """What we read, and the packets themselves."""
    examiner = Examiner(Matcher(), (5060,))
    assembler = Assembler(examiner)
    found: Reading = defaultdict(list)
    frames = {}
    for batch in Capture(path).batches():
        for packet in packets(batch):
            examined = examiner.examine(packet)
            frames[packet.number] = examined
            for piece in assembler.assemble(examined) or ():
                if piece.content in (CONTENT_REQUEST, CONTENT_RESPONSE):
                    found[packet.number].append(as_seen(piece))
    return found, frames


def as_seen(examined: Examined) -> Seen:
    names = ("method", "code", "call-id", "user-agent", "from.tag", "to.tag", "via.branch", "cseq.method")
    return _seen(_text(examined.norm(FIELDS[name])) for name in names)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def differences(theirs: Reading, ours: Reading) -> Iterator[tuple[int, str, Any, Any]]:
    """(frame, what differs, tshark's, ours)."""
    for number in sorted(theirs.keys() | ours.keys()):
        one, other = theirs.get(number, []), ours.get(number, [])
        if len(one) != len(other):
            yield number, "messages", len(one), len(other)
            continue
        for message, mine in zip(one, other, strict=True):
            for name, their_value, our_value in zip(Seen._fields, message, mine, strict=True):
                if their_value != our_value:
                    yield number, name, their_value, our_value
