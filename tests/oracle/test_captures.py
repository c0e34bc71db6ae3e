"""tshark and we read the same captures: the same messages in the same frames, and the same in them.

Where we differ on purpose, `REASONS` says why. A difference without a reason fails, and so does a reason that no capture needs.
"""

from __future__ import annotations

import functools
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sipsensor.fastpath import examine
from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.names import FIELDS
from sipsensor.sources.pcap import find
from tests.oracle.readings import differences, of_ours, of_tshark
from tests.support.scanning import anomalies

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = os.environ.get("SIPSENSOR_CAPTURES", "")
OWN = find([str(REPOSITORY / "pcaps")])
THEIRS = find([SHARED]) if SHARED and Path(SHARED).is_dir() else []
VIA = FIELDS["via"]
GTP, PKTC = 2152, 1293


class Difference(NamedTuple):
    """In one frame: what differs, tshark's, ours, and what we know of the frame."""

    what: str
    theirs: Any
    ours: Any
    frame: Examined
    odd: set[str]

    @property
    def only_they(self) -> bool:
        return self.what == "messages" and self.ours == 0

    @property
    def only_we(self) -> bool:
        return self.what == "messages" and self.theirs == 0


ODD_LINES = {"fold", "fold-before-colon", "space-before-colon", "control-before-colon"}
ODD_STARTS = {
    "leading-bytes",
    "start-line-spacing",
    "start-line-missing-parts",
    "unknown-method",
    "version",
    "nul-in-head",
}

REASONS: dict[str, Callable[[Difference], bool]] = {
    "tunnels (PPPoE, GRE, IP in IP, GTP) are opened with an issue of their own": lambda d: (
        d.only_they and (d.frame.decoded in (examine.DECODED_NOT_IP, examine.DECODED_OTHER) or GTP in (d.frame.sport, d.frame.dport))
    ),
    "lengths that contradict each other: the host discards the packet, tshark dissects it": lambda d: (
        d.only_they and d.frame.decoded == examine.DECODED_BROKEN
    ),
    "fragments that contradict each other are rejected, tshark takes the first": lambda d: (
        d.only_they and d.frame.decoded == examine.DECODED_FRAGMENT
    ),
    "broken SIP is malformed for us, not a message": lambda d: d.only_they and d.frame.content == examine.CONTENT_MALFORMED,
    "a start line alone, in a segment or a capture cut there, is too little to be a message": lambda d: (
        d.only_they and d.frame.content == examine.CONTENT_OTHER and (d.frame.truncated or d.frame.transport == 6)
    ),
    "tshark gives the port to another protocol (PKTC)": lambda d: d.only_we and PKTC in (d.frame.sport, d.frame.dport),
    "tshark wants one space between three parts and nothing before them; stacks do not": lambda d: d.only_we and bool(d.odd & ODD_STARTS),
    "tshark wants a reason phrase and SIP in capitals; stacks do not": lambda d: (
        (d.only_we and d.frame.payload.split(b"\r\n")[0].rstrip().lower() in (b"sip/2.0 200", b"sip/2.0 200 ok"))
        or (d.only_we and b" sip/2.0\r\n" in d.frame.payload)
    ),
    "tshark reads one message of a datagram": lambda d: d.what == "messages" and d.ours > d.theirs and "following-message" in d.odd,
    "tshark does not join a name with a colon behind white space, nor every fold": lambda d: d.theirs is None and bool(d.odd & ODD_LINES),
    "tshark ends a text at a NUL and shows other control bytes escaped": lambda d: (
        isinstance(d.ours, str) and any(ord(letter) < 32 or ord(letter) == 127 or letter == "\ufffd" for letter in d.ours)
    ),
    "tshark takes the last word of a CSeq for its method, and gives up on the frame where there is none": lambda d: (
        bool(d.odd & {"cseq-unreadable"}) and (d.what == "cseq_method" or d.theirs is None)
    ),
    "tshark knows no method with all characters of a token": lambda d: d.what == "cseq_method" and "unknown-method" in d.odd,
    "tshark reads no branch behind a parameter with white space at its =": lambda d: (
        d.what == "branch" and d.theirs is None and re.search(rb"\s=|=\s", d.frame.raw(VIA) or b"") is not None
    ),
    "of a Via that cannot be read we read no branch": lambda d: d.what == "branch" and "via-unreadable" in d.odd,
}  # fmt: skip


class Judgement(NamedTuple):
    """Of one capture: the differences without a reason, the reasons that were needed, and the face tshark was read through."""

    unexplained: list[str]
    needed: set[str]
    face: str


@functools.cache
def judged(path: Path, tshark: str) -> Judgement:
    theirs, face = of_tshark(tshark, path)
    ours, frames = of_ours(path)
    found = Judgement([], set(), face)
    for number, what, their_value, our_value in differences(theirs, ours):
        frame = frames[number]
        difference = Difference(what, their_value, our_value, frame, anomalies(frame))
        reason = next((reason for reason, holds in REASONS.items() if holds(difference)), None)
        if reason is None:
            found.unexplained.append(
                f"frame {number}: {what}: tshark {their_value!r}, we {our_value!r} {sorted(difference.odd)}"
            )
        else:
            found.needed.add(reason)
    return found


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.parent.name)
def test_our_cases(path: Path, tshark: str) -> None:
    assert judged(path, tshark).unexplained == []


@pytest.mark.parametrize("path", THEIRS or [None], ids=lambda path: path.name if path else "none")
def test_captures_of_others(path: Path | None, tshark: str, shared_captures: Path) -> None:
    assert path is not None, f"{shared_captures} holds no capture"
    assert judged(path, tshark).unexplained == []


def test_every_reason_is_needed(tshark: str, shared_captures: Path) -> None:
    assert shared_captures.is_dir()
    found = [judged(path, tshark) for path in (*OWN, *THEIRS)]
    assert set().union(*(one.needed for one in found)) == set(REASONS)
    faces = Counter(one.face for one in found)
    assert faces["pyshark"] > faces["columns"] > 0
