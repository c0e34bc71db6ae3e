"""Short ways to the fast path for tests: payload in, Examined out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.names import ANOMALIES, FIELDS
from tests.support.packets import LINK_RAW, datagram, message

SEED = b"0123456789abcdef"
PLAIN = Examiner(Matcher(), (5060,), SEED)


def examine(payload: bytes, *, sport: int = 5060, dport: int = 5060) -> Examined:
    """A datagram with this payload."""
    return PLAIN.examine_raw(datagram(payload, sport=sport, dport=dport), LINK_RAW, 0)


def frame(data: bytes, link: int = LINK_RAW) -> Examined:
    """A packet from its link layer up."""
    return PLAIN.examine_raw(data, link, 0)


def raw(examined: Examined, name: str) -> bytes | None:
    """A field as sent."""
    return examined.raw(FIELDS[name])


def norm(examined: Examined, name: str) -> bytes | None:
    """A field in its normal form."""
    return examined.norm(FIELDS[name])


def header(name: str, value: str) -> Examined:
    """A request whose header field has this value."""
    return examine(message(change={name: value}))


def anomalies(examined: Examined) -> set[str]:
    """Their names."""
    return {name for name, bit in ANOMALIES.items() if examined.anomalies >> bit & 1}


def matching(leaves: Sequence[tuple[Any, ...]], rules: Sequence[Any] | None = None) -> Examiner:
    """An examiner with a rule for each leaf, or with these rules."""
    return Examiner(Matcher(leaves, range(len(leaves)) if rules is None else rules), (5060,), SEED)


def hits(examiner: Examiner, payload: bytes) -> tuple[int, ...]:
    """The rules that match a datagram for certain."""
    return examiner.examine_raw(datagram(payload), LINK_RAW, 0).hits
