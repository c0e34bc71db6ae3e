"""What is in a frame of IAX2, as plain objects for ``explain``: escaped, without secrets."""

from __future__ import annotations

from typing import Any

from sipsensor.export.events.text import shown, without_secrets
from sipsensor.fastpath import iax2, names
from sipsensor.protocols.iax2 import IaxFrame

_MEDIA = {
    iax2.WHAT_MINI: "mini frame of audio",
    iax2.WHAT_VIDEO_MINI: "mini frame of video",
    iax2.WHAT_TRUNK: "trunk of several calls",
}
_NAMES = {names.FIELDS[f"ie.{name}"] - names.FIELD_HEADERS: name for name in names.ELEMENTS}
_NUMBERS = frozenset((
    "capability", "format", "version", "adsicpe", "auth-methods", "refresh", "dialplan-status", "call-number", "unknown", "message-count",
    "transfer-id", "date-time", "firmware-version", "firmware-block", "provisioning-version", "calling-presentation", "calling-ton",
    "calling-tns", "sampling-rate", "cause-code", "encryption", "jitter", "loss", "packets", "delay", "dropped", "out-of-order",
    "calling-ani2",
))  # fmt: skip
_SECRETS = frozenset((
    "password", "challenge", "md5-result", "rsa-result", "aes-provisioning", "encryption-key", "call-token", "osp-token",
))  # fmt: skip
"""Elements that are not shown: they are secrets, or stand for one."""


def frame_facts(view: IaxFrame) -> dict[str, Any]:
    """Header and elements in their order."""
    frame = view.frame
    if frame.what in _MEDIA:
        return {"frame": _MEDIA[frame.what], "calls": frame.calls(), "timestamp": frame.timestamp}
    kind = " ".join(word for word in (view.type_name or f"type {frame.type}", view.subclass_name) if word)
    return {
        "frame": f"{kind}, sent again" if frame.repeated else kind,
        "calls": [frame.source_call, frame.destination_call],
        "timestamp": frame.timestamp,
        "sequence": [frame.oseqno, frame.iseqno],
        "elements": [_element(*line) for line in view.examined.headers()],
    }


def _element(number: int, name: bytes, value: bytes) -> str:
    known = _NAMES.get(number)
    if known is None:
        return f"{name[0]}, which nobody has given: {len(value)} bytes"
    if known in _SECRETS and value:
        return f"{known}: {len(value)} bytes, not shown"
    if known in _NUMBERS:
        return f"{known}: {int.from_bytes(value, 'big')}"
    return f"{known}: {shown(without_secrets(value))}"
