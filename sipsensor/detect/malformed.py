"""Shapes that no lawful sender makes, or that are known to crash receivers (threats.md 2.3, MF numbers; ids are 4000 + MF number).

The scan notes what is odd; here is what it means. What many healthy stacks do (bare LF, folds, unknown methods) is no
rule at all, only counted. A TCP segment begins and ends anywhere, so its shape says nothing of its message: a dropped one comes again and
again, and its connection stands still. Streams are judged once they are put together.

A Via with maddr tells the PBX to answer somebody else (RFC 3261 18.2.2): Asterisk sends its challenge there. From a stranger that dies,
except where maddr is his own address, or the multicast group that he sent it to (18.1.1). The PBX's own address is neither.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipsensor.detect.base import Observer
from sipsensor.fastpath import examine, names
from sipsensor.model import (
    WHAT_MALFORMED,
    Action,
    Alert,
    AppProtocol,
    Confidence,
    Direction,
    Family,
    Interest,
    Reason,
    Rule,
    Standing,
    When,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.detect.base import Services
    from sipsensor.model import Observation, Table


@dataclass(frozen=True, slots=True)
class MalformedSettings:
    """Settings of the malformed detector."""

    action: Action | None = field(
        default=None,
        metadata={
            "doc": "What all rules of this detector do, unless a rule says otherwise.",
            "unit": "off | alert | drop",
        },
    )


def _rule(number: int, slug: str, name: str, confidence: Confidence, family: Family = Family.MALFORMED) -> Rule:
    high = confidence is Confidence.HIGH
    action = Action.DROP if high else Action.ALERT
    return Rule(
        number, slug, name, family, 2 if high else 4, confidence, action, Reason.MALFORMED, detector="malformed"
    )


_HIGH, _MEDIUM = Confidence.HIGH, Confidence.MEDIUM

BY_MALFORMATION = {
    "start-line": _rule(4022, "malformed.start-line.broken", "Request line without URI or SIP version", _HIGH),
    "status-code": _rule(4102, "malformed.start-line.status-code", "Status line without a status code", _HIGH),
    "no-header": _rule(4101, "malformed.head.empty", "Start line without any header field", _HIGH),
    "too-many-headers": _rule(
        4124, "malformed.head.too-many-headers", "More header lines than any stack accepts", _HIGH
    ),
}
"""A message that no stack could read: one rule each."""

_BY_ANOMALY = (
    (_rule(4004, "malformed.head.nul", "NUL byte in the head", _HIGH), ("nul-in-head",)),
    (
        _rule(4008, "malformed.header.control-before-colon", "Control byte between header name and colon", _HIGH),
        ("control-before-colon",),
    ),
    (
        _rule(4009, "malformed.content-length.impossible", "Content-Length unreadable, or several that differ", _HIGH),
        ("content-length-unreadable", "content-length-differs"),
    ),
    (
        _rule(4010, "malformed.content-length.long", "Content-Length beyond the datagram, or empty", _MEDIUM),
        ("content-length-long", "content-length-empty"),
    ),
    (_rule(4011, "malformed.via.unreadable", "Via without protocol or host", _HIGH), ("via-unreadable",)),
    (
        _rule(4017, "malformed.uri.escape", "Percent escape cut off at the end of the Request-URI", _HIGH),
        ("uri-escape",),
    ),
    (_rule(4021, "malformed.start-line.long", "Start line above 2,048 bytes", _HIGH), ("long-start-line",)),
    (_rule(4122, "malformed.start-line.parts", "Request line without a URI", _HIGH), ("start-line-missing-parts",)),
    (
        _rule(4024, "malformed.head.many-headers", "More than 64 header lines or 20 Via", _MEDIUM),
        ("many-headers", "many-vias"),
    ),
    (
        _rule(4026, "malformed.cseq.bad", "CSeq unreadable, out of range, or of another method", _HIGH),
        ("cseq-unreadable", "cseq-method"),
    ),
    (
        _rule(4027, "malformed.body.following-message", "Another message behind the body", _MEDIUM),
        ("following-message",),
    ),
    (_rule(4028, "malformed.start-line.version", "SIP version other than 2.0", _MEDIUM), ("version",)),
    # Crashed Kamailio once (CVE-2018-14767) and is refused by none of today's stacks; a lawful user agent was seen to send it.
    (_rule(4032, "malformed.to.duplicate", "Several To header fields", _MEDIUM), ("duplicate-to",)),
    (
        _rule(4132, "malformed.header.duplicate", "Several From, Call-ID or CSeq header fields", _MEDIUM),
        ("duplicate-from", "duplicate-call-id", "duplicate-cseq"),
    ),
    (
        _rule(4103, "malformed.header.missing", "A mandatory header field is missing (RFC 3261 8.1.1)", _MEDIUM),
        ("missing-via", "missing-from", "missing-to", "missing-call-id", "missing-cseq"),
    ),
    (
        _rule(
            7001, "evasion.line-ends.ambiguous", "A bare CR makes stacks read different heads", _MEDIUM, Family.EVASION
        ),
        ("ambiguous-line-ends",),
    ),
    (
        _rule(7002, "evasion.header.fold-before-colon", "A fold before the colon", _MEDIUM, Family.EVASION),
        ("fold-before-colon",),
    ),
)

MADDR = _rule(7003, "evasion.via.maddr", "Via that sends the answer to somebody else", _HIGH, Family.EVASION)

_BITS = tuple((rule, tuple((name, 1 << names.ANOMALIES[name]) for name in shapes)) for rule, shapes in _BY_ANOMALY)
_TCP, _REQUEST = 6, examine.CONTENT_REQUEST
_VIA = names.FIELDS["via"]
# Wherever it stands in the line: some stacks look for the word alone, in quotes and behind a comma, too.
_MADDR_VALUE = re.compile(rb"(?i)maddr\s*=[\s\"]*([^;,\s\"]+)")
_MADDR_MOST = 4
"""Ways in which one Via may write the same address; a thousand of them are there to be slow to read."""
_ANY_BIT = sum({bit for _, bits in _BITS for _, bit in bits})
_RULES = (*BY_MALFORMATION.values(), *(rule for rule, _ in _BY_ANOMALY), MADDR)
_MALFORMED = WHAT_MALFORMED


class MalformedShapes(Observer):
    """Turns what the scan noted into alerts."""

    name = "malformed"
    shape = True
    settings_type = MalformedSettings
    rules = _RULES
    interests = (Interest(When.JUDGE, AppProtocol.SIP, Direction.INBOUND),)

    def __init__(self, settings: MalformedSettings, _services: Services | None = None) -> None:
        self.settings = settings

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """One alert per rule whose shape this message has."""
        examined: examine.Examined = observation.examined
        # What stands behind a datagram's Content-Length is discarded by its receiver (RFC 3261 18.3): its shape hurts nobody.
        if examined.transport == _TCP or examined.is_following:
            return ()
        if observation.what == _MALFORMED:
            message = observation.message
            evidence: dict[str, str | int] = {"shape": message.reason, "offset": message.offset}
            return (Alert(BY_MALFORMATION[message.reason], observation, evidence),)
        found: list[Alert] = []
        if examined.content == _REQUEST and examined.mentions(_VIA, b"maddr"):
            found = _answered_elsewhere(observation)
        anomalies = examined.anomalies
        if not anomalies & _ANY_BIT:
            return found
        for rule, bits in _BITS:
            shapes = [name for name, bit in bits if anomalies & bit]
            if shapes:
                found.append(Alert(rule, observation, {"shape": " ".join(shapes)}))
        return found

    def tables(self) -> Sequence[Table]:
        """It keeps none."""
        return ()

    def tick(self, now: int) -> None:
        """Keeps no state."""


def _answered_elsewhere(observation: Observation) -> list[Alert]:
    """The Via of a stranger names another address than his for the answer."""
    via = observation.examined.raw(_VIA)
    if observation.relieved or observation.standing == Standing.TRUSTED or observation.end.behind:
        return []
    src, dst = _address(observation.examined.src_text), _address(observation.examined.dst_text)
    for number, named in enumerate(dict.fromkeys(_MADDR_VALUE.findall(via))):
        address = _address(named.decode("ascii", "replace").strip("[]")) if number < _MADDR_MOST else None
        if address is None or (address != src and not (address == dst and address.is_multicast)):
            return [
                Alert(MADDR, observation, {"shape": "maddr", "maddr": named[:64].decode("ascii", "backslashreplace")})
            ]
    return []


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for a name: where it leads is up to whoever wrote it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
