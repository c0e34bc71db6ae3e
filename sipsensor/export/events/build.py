"""One decision to one event, in the shape of Suricata's EVE with a ``sipsensor`` object for what EVE lacks (DESIGN
8).

A packet gives at most one event when it is dropped: an ``alert`` of the rule that answers for the drop
(``sipsensor.also`` names other rules that fired), or a ``drop`` where no rule did. A packet that is let through gives
an ``alert`` for each rule that fired.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sipsensor.export.events.text import shown, without_secrets
from sipsensor.fastpath import examine, names
from sipsensor.model import Alert, AppProtocol, Decision, Observation, Rule, Standing, Verdict
from sipsensor.protocols.iax2 import IaxFrame, parse

Event = dict[str, Any]

GID = 5060
"""Generator of all our rules, so that their numbers cannot be taken for Suricata's (gid 1)."""

_PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "IPv6-ICMP", 132: "SCTP"}
_STANDINGS = tuple(standing.name.lower() for standing in Standing)
_APP_PROTOCOLS = tuple(protocol.name.lower() for protocol in AppProtocol)
_START_LINE, _VERSION = names.FIELDS["start-line"], names.FIELDS["version"]
_METHOD, _URI, _PHRASE = names.FIELDS["method"], names.FIELDS["uri"], names.FIELDS["phrase"]
_HEADERS = (
    ("call_id", names.FIELDS["call-id"]),
    ("cseq", names.FIELDS["cseq"]),
    ("from", names.FIELDS["from"]),
    ("to", names.FIELDS["to"]),
    ("user_agent", names.FIELDS["user-agent"]),
    ("contact", names.FIELDS["contact"]),
)
_IAX2_CONTENTS = frozenset({examine.CONTENT_FRAME, examine.CONTENT_MEDIA_FRAME, examine.CONTENT_FRAME_MALFORMED})
_SIP_CONTENTS = frozenset({examine.CONTENT_REQUEST, examine.CONTENT_RESPONSE, examine.CONTENT_MALFORMED})


def timestamp(ts: int) -> str:
    """``ts`` (ns since the epoch) as RFC 3339 in UTC with microseconds; the digits below are cut, as tcpdump cuts
    them.
    """
    seconds, rest = divmod(ts, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000).isoformat(timespec="microseconds")


def told(decision: Decision) -> Sequence[Alert | None]:
    """What events are made of: the alert that answers for a drop, or None where no rule does; each alert of what is let through."""
    if decision.verdict is not Verdict.DROP:
        return decision.alerts
    return (next((alert for alert in decision.alerts if alert.rule is decision.rule), None),)


def about(decision: Decision, alert: Alert | None) -> str:
    """What the volume of such an event is counted by: its rule, or the reason where there is none."""
    rule = decision.rule if alert is None else alert.rule
    return rule.slug if rule is not None else str(decision.reason)


def event_of(examined: examine.Examined, decision: Decision, alert: Alert | None) -> Event:
    """One event of a packet: one of those that are ``told``."""
    if alert is not None:
        return _alert(alert, decision, decision.alerts if decision.verdict is Verdict.DROP else ())
    event = _head("drop", examined)
    event["drop"] = {"len": examined.wire_length, "reason": str(decision.reason)}
    _add_message(event, examined)
    event["sipsensor"] = _said(decision, decision.rule, decision.observation)
    return event


def _alert(alert: Alert, decision: Decision, alerts: tuple[Alert, ...]) -> Event:
    rule, observation = alert.rule, alert.observation
    event = _head("alert", observation.examined)
    event["alert"] = {
        "action": "blocked" if decision.effect is Verdict.DROP else "allowed",
        "gid": GID,
        "signature_id": rule.id,
        "rev": rule.rev,
        "signature": rule.name,
        "category": str(rule.family),
        "severity": rule.severity,
    }
    _add_message(event, observation.examined)
    said = event["sipsensor"] = _said(decision, rule, observation)
    said["score"] = alert.score
    said["evidence"] = {shown(key): evidence(value) for key, value in alert.evidence.items()}
    also = sorted({other.rule.slug for other in alerts if other.rule is not rule})
    if also:
        said["also"] = also
    return event


def evidence(value: str | int) -> str | int:
    """A detector's word on what it saw; it quotes the wire, so it is escaped like anything else."""
    return value if isinstance(value, int) else shown(without_secrets(value.encode("utf-8", "surrogateescape")))


def _head(event_type: str, examined: examine.Examined) -> Event:
    event: Event = {
        "timestamp": timestamp(examined.ts),
        "event_type": event_type,
        "src_ip": examined.src_text,
        "src_port": examined.sport,
        "dest_ip": examined.dst_text,
        "dest_port": examined.dport,
        "proto": _PROTOCOLS.get(examined.transport, f"{examined.transport:03d}"),
    }
    if examined.number:
        event["pcap_cnt"] = examined.number
    return event


def _said(decision: Decision, rule: Rule | None, observation: Observation | None) -> Event:
    return {
        "verdict": "drop" if decision.verdict is Verdict.DROP else "accept",
        "reason": str(decision.reason),
        "rule": rule.slug if rule else "",
        "detector": rule.detector if rule else "",
        "score": 0,
        "standing": _STANDINGS[observation.standing] if observation else "",
        "spoofable": rule.spoofable if rule else True,
        "evidence": {},
    }


def _add_message(event: Event, examined: examine.Examined) -> None:
    if examined.content in _SIP_CONTENTS:
        event["app_proto"] = _APP_PROTOCOLS[AppProtocol.SIP]
        event["sip"] = sip(examined)
    elif examined.content in _IAX2_CONTENTS:
        event["app_proto"] = _APP_PROTOCOLS[AppProtocol.IAX2]
        event["iax2"] = iax2(examined)


def iax2(examined: examine.Examined) -> Event:
    """The ``iax2`` object. Of mini and meta frames it has the call alone; absent elements have no key."""
    view = parse(examined)
    if not isinstance(view, IaxFrame):
        return {}
    found: Event = {"source_call": view.frame.source_call}
    if view.type_name:
        found["destination_call"] = view.frame.destination_call
        found["frame_type"] = view.type_name
    if view.subclass_name:
        found["subclass"] = view.subclass_name
    _put(found, "username", view.account)
    _put(found, "called_number", view.called)
    return found


def sip(examined: examine.Examined) -> Event:
    """The ``sip`` object: EVE's keys, and the header fields it lacks. Absent fields have no key. ``code`` is text, as
    in EVE.
    """
    found: Event = {}
    start_line = examined.raw(_START_LINE)
    if examined.content == examine.CONTENT_RESPONSE:
        found["code"] = f"{examined.code:03d}"
        _put(found, "reason", examined.raw(_PHRASE))
        _put(found, "response_line", start_line)
    else:
        _put(found, "method", examined.raw(_METHOD))
        _put(found, "uri", examined.raw(_URI))
        _put(found, "request_line", start_line)
    _put(found, "version", examined.raw(_VERSION))
    for key, number in _HEADERS:
        _put(found, key, examined.raw(number))
    return found


def _put(found: Event, key: str, value: bytes | None) -> None:
    if value is not None:
        found[key] = shown(without_secrets(value))
