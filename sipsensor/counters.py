"""What the engine counts, as plain integers. Exporters read them; nothing here is reset, ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import examine, iax2, names
from sipsensor.model import KIND_WHATS, KINDS, WHAT_MALFORMED, WHAT_STATUS, AppProtocol, Reason
from sipsensor.protocols.iax2.words import subclass_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sipsensor.model import Decision, Observation

_TCP, _NONE = 6, examine.CONTENT_NONE
_MALFORMED = WHAT_MALFORMED
_SHOWN = tuple(
    (subclass_number(name), name)
    for name in (
        "NEW", "ACCEPT", "REJECT", "AUTHREQ", "AUTHREP", "HANGUP", "REGREQ", "REGAUTH", "REGACK", "REGREJ", "REGREL", "POKE", "INVAL",
        "CALLTOKEN", "FWDOWNL",
    )
)  # fmt: skip
_MEDIA = (iax2.WHAT_VOICE, iax2.WHAT_MINI, iax2.WHAT_VIDEO_MINI, iax2.WHAT_TRUNK)


class Counters:
    """Counts of one engine since its start. Verdicts are the policy's, whatever the mode."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.accepted = 0
        self.dropped = 0
        self.errors = 0
        self.malformed = 0
        self.unassembled_tcp = 0
        self.truncated = 0
        self.reasons = dict.fromkeys(Reason, 0)
        self.alerts: dict[str, int] = {}
        """By slug of the rule."""
        self.anomalies = dict.fromkeys(names.ANOMALIES, 0)
        self.kinds = [0] * KINDS
        """Messages by kind."""
        self.cuts: dict[str, int] = {}
        """Cuts that began, by slug of the rule."""
        self.uncuts = 0
        """Cuts that ended because the PBX accepted whom they were for."""
        self.grants = 0
        """Times that somebody became trusted because the PBX accepted him."""

    def count(self, examined: examine.Examined, decision: Decision) -> None:
        """One packet and what was decided of it."""
        self.packets += 1
        self.bytes += examined.wire_length
        if decision.verdict:
            self.dropped += 1
        else:
            self.accepted += 1
        if decision.reason:
            self.reasons[decision.reason] += 1
        for alert in decision.alerts:
            self.alerts[alert.rule.slug] = self.alerts.get(alert.rule.slug, 0) + 1
        if decision.cuts:
            for cut in decision.cuts:
                self.cuts[cut.rule.slug] = self.cuts.get(cut.rule.slug, 0) + 1
        if decision.uncuts or decision.grants:
            self.uncuts += len(decision.uncuts)
            self.grants += len(decision.grants)
        if examined.transport == _TCP and examined.content != _NONE and examined.payload_length:
            self.unassembled_tcp += 1

    def count_message(self, observation: Observation, examined: examine.Examined) -> None:
        """One message or malformed payload."""
        self.kinds[observation.kind] += 1
        if examined.truncated:
            self.truncated += 1
        if observation.what == _MALFORMED:
            self.malformed += 1
        anomalies = examined.anomalies
        if anomalies:
            for name, bit in names.ANOMALIES.items():
                if anomalies >> bit & 1:
                    self.anomalies[name] += 1

    @property
    def sip_messages(self) -> int:
        """Messages that were parsed, malformed ones not among them."""
        return sum(self._whats(AppProtocol.SIP)[:_MALFORMED])

    @property
    def iax2_frames(self) -> int:
        """The same of IAX2: full frames, mini frames and trunks."""
        return sum(self._whats(AppProtocol.IAX2)[:_MALFORMED])

    def malformed_of(self, protocol: AppProtocol) -> int:
        """Payloads that were meant for that protocol and cannot be parsed."""
        return self._whats(protocol)[_MALFORMED]

    def by_what(self) -> Iterator[tuple[str, str, int]]:
        """Messages by protocol and method: of SIP those of the closed list, then "other", and classes of status codes ("1xx" …); of IAX2
        those subclasses that say what goes on, "media", and "other" for all else. All directions and standings together.
        """
        sip, frames = self._whats(AppProtocol.SIP), self._whats(AppProtocol.IAX2)
        for number, method in enumerate((*names.METHODS, b"other")):
            yield "sip", method.decode(), sip[number]
        for status in range(1, 8):
            yield "sip", f"{status}xx", sip[WHAT_STATUS + status]
        for number, name in _SHOWN:
            yield "iax2", name, frames[number]
        media = sum([frames[what] for what in _MEDIA])
        yield "iax2", "media", media
        shown = sum([frames[number] for number, _ in _SHOWN])
        yield "iax2", "other", sum(frames[:_MALFORMED]) - shown - media

    def _whats(self, protocol: AppProtocol) -> list[int]:
        """How many of each what, all directions and standings together."""
        totals = [0] * KIND_WHATS
        share = len(self.kinds) // len(AppProtocol)
        for offset, count in enumerate(self.kinds[protocol * share : (protocol + 1) * share]):
            totals[offset % KIND_WHATS] += count
        return totals
