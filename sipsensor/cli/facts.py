"""What the rooms said of a packet as plain objects for ``explain``: ready for JSON, escaped, without secrets."""

from __future__ import annotations

from typing import Any

from sipsensor.cli.frames import frame_facts
from sipsensor.cli.witness import Seen
from sipsensor.engine import Engine
from sipsensor.export.events.build import evidence, timestamp
from sipsensor.export.events.text import credentials, shown, without_secrets
from sipsensor.fastpath import examine, names
from sipsensor.model import Alert, Arrival, Decision, Direction, Outcome, Packet, Standing, Verdict
from sipsensor.protocols.base import Malformed
from sipsensor.protocols.iax2 import IaxFrame
from sipsensor.protocols.iax2 import parse as parse_frame
from sipsensor.signatures import SignatureSet

_DECODED = {
    examine.DECODED_OK: "whole",
    examine.DECODED_NOT_IP: "not IP",
    examine.DECODED_UNKNOWN_LINK: "link type that cannot be read",
    examine.DECODED_BROKEN: "broken: lengths or versions contradict each other",
    examine.DECODED_FRAGMENT: "fragment",
    examine.DECODED_OTHER: "neither UDP nor TCP",
}
_CONTENT = {
    examine.CONTENT_NONE: "not looked at",
    examine.CONTENT_KEEPALIVE: "keepalive",
    examine.CONTENT_STUN: "STUN",
    examine.CONTENT_OTHER: "neither SIP nor IAX2",
    examine.CONTENT_REQUEST: "SIP request",
    examine.CONTENT_RESPONSE: "SIP response",
    examine.CONTENT_MALFORMED: "meant as SIP, not parseable",
    examine.CONTENT_MEDIA_FRAME: "IAX2 media, by its shape",
    examine.CONTENT_FRAME: "IAX2 frame",
    examine.CONTENT_FRAME_MALFORMED: "meant as IAX2, not parseable",
}
_MALFORMATIONS = {number: name for name, number in names.MALFORMATIONS.items()}
_TRANSPORTS = {6: "TCP", 17: "UDP"}
_CREDENTIALS = frozenset({names.HEADERS["authorization"], names.HEADERS["proxy-authorization"]})
_SECRET_FIELDS = frozenset({"auth.response", "body", "head", "datagram", "sdp.media"})
"""Derived fields that are not shown: they hold secrets, or everything."""


def packet_facts(packet: Packet) -> dict[str, Any]:
    """What the capture file says."""
    return {
        "number": packet.number,
        "time": timestamp(packet.ts),
        "nanoseconds": packet.ts,
        "link_type": packet.link,
        "captured_bytes": len(packet.data),
        "arrival": Arrival(packet.arrival).name.lower(),
    }


def examined_facts(examined: examine.Examined, signatures: SignatureSet) -> dict[str, Any]:
    """What the fast path found, headers and all."""
    facts: dict[str, Any] = {
        "decoded": _DECODED.get(examined.decoded, str(examined.decoded)),
        "truncated": examined.truncated,
        "from": f"{examined.src_text} port {examined.sport}",
        "to": f"{examined.dst_text} port {examined.dport}",
        "transport": _TRANSPORTS.get(examined.transport, str(examined.transport)),
        "payload_bytes": examined.payload_length,
        "content": _CONTENT.get(examined.content, str(examined.content)),
    }
    if examined.decoded == examine.DECODED_FRAGMENT:
        facts["fragment"] = (
            f"at byte {examined.fragment_offset}, {'more follow' if examined.fragment_more else 'the last'}"
        )
    facts |= _content_facts(examined, signatures)
    return facts


def _content_facts(examined: examine.Examined, signatures: SignatureSet) -> dict[str, Any]:
    if examined.content in (examine.CONTENT_MALFORMED, examine.CONTENT_FRAME_MALFORMED):
        name = _MALFORMATIONS.get(examined.malformation, str(examined.malformation))
        return {"malformed": f"{name}, at byte {examined.malformed_at}", "anomalies": _anomalies(examined)}
    frame = parse_frame(examined)
    if isinstance(frame, IaxFrame):
        return frame_facts(frame) | {"anomalies": _anomalies(examined)}
    if examined.content not in (examine.CONTENT_REQUEST, examine.CONTENT_RESPONSE):
        return {}
    return {
        "start_line": _safe(examined.raw(names.FIELDS["start-line"]) or b""),
        "headers": [f"{_safe(name)}: {_header(number, value)}" for number, name, value in examined.headers()],
        "body_bytes": max(examined.payload_length - examined.body_start, 0),
        "fields": _fields(examined),
        "anomalies": _anomalies(examined),
        "hits": _slugs(examined.hits, signatures),
        "candidates": [
            f"{signatures.rules[index].slug}: {'confirmed' if signatures.confirm(index, examined) else 'not confirmed'}"
            for index in examined.candidates
        ],
    }


def _anomalies(examined: examine.Examined) -> list[str]:
    return [name for name, bit in names.ANOMALIES.items() if examined.anomalies >> bit & 1]


def _slugs(indexes: tuple[int, ...], signatures: SignatureSet) -> list[str]:
    return sorted({signatures.rules[index].slug for index in indexes})


def _fields(examined: examine.Examined) -> dict[str, str]:
    """The named fields in their normal form, the one that signatures compare with; header fields are listed anyway."""
    found = {}
    for name, number in names.FIELDS.items():
        if number < names.FIELD_HEADERS and name not in _SECRET_FIELDS:
            value = examined.norm(number)
            if value:
                found[name] = _safe(value)
    return found


def _header(number: int, value: bytes) -> str:
    return shown(credentials(value)) if number in _CREDENTIALS else _safe(value)


def _safe(value: bytes) -> str:
    return shown(without_secrets(value))


def message_facts(seen: Seen, engine: Engine) -> dict[str, Any]:
    """One message through parse, track, detect and decide."""
    observation, message = seen.observation, seen.message
    if isinstance(message, Malformed):
        parsed = f"malformed: {message.reason}, at byte {message.offset}"
    else:
        parsed = (
            f"request {message.method_name}"
            if message.is_request
            else f"response {message.code} to {message.method_name}"
        )
    asked = dict(seen.asked)
    return {
        "parse": parsed,
        "track": {
            "direction": Direction(observation.direction).name.lower(),
            "kind": observation.kind,
            "quiet": engine.kinds.quiet(observation.kind),
            "standing": Standing(observation.standing).name.lower(),
            "transaction": f"{observation.transaction:016x}" if observation.transaction else "none",
            "seen_before": observation.repeats,
            "outcome": Outcome(observation.outcome).name.lower(),
        },
        "detect": {detector.name: _said(detector.name, asked) for detector in engine.detectors},
        "decide": decision_facts(seen.decision, engine)
        if seen.decision
        else {"verdict": "none: the engine failed before"},
    }


def _said(name: str, asked: dict[str, Any]) -> list[str]:
    if name not in asked:
        return ["not asked: messages of this kind do not concern it"]
    return [_alert(alert) for alert in asked[name]] or ["nothing"]


def _alert(alert: Alert) -> str:
    rule = alert.rule
    proof = ", ".join(f"{shown(key)} {evidence(value)}" for key, value in alert.evidence.items())
    return f"{rule.id} {rule.slug} ({rule.confidence} confidence): {rule.name}" + (f" [{proof}]" if proof else "")


def decision_facts(decision: Decision, engine: Engine | None = None) -> dict[str, Any]:
    """Verdict, reason and rule; with ``engine`` also what the policy does with each rule that fired."""
    facts: dict[str, Any] = {
        "verdict": Verdict(decision.verdict).name.lower(),
        "done": Verdict(decision.effect).name.lower(),
        "reason": str(decision.reason) or "none",
        "rule": f"{decision.rule.id} {decision.rule.slug}" if decision.rule else "none",
    }
    if engine is not None:
        facts["actions"] = {alert.rule.slug: str(engine.policy.action_of(alert.rule)) for alert in decision.alerts}
    facts["why"] = _why(decision)
    return facts


def _why(decision: Decision) -> str:
    if decision.verdict is Verdict.DROP:
        cause = f"rule {decision.rule.slug} drops" if decision.rule else f"reason {decision.reason}"
        return cause + ("" if decision.effect is Verdict.DROP else "; observe mode accepts the packet all the same")
    if decision.reason:
        return f"accepted for the reason {decision.reason}"
    return "rules fired, and none of them drops" if decision.alerts else "no rule fired"
