"""Builds signatures and messages for tests."""

from __future__ import annotations

from dataclasses import replace

from sipsensor.model import Action, AppProtocol, Confidence, Direction
from sipsensor.signatures.schema import Signature, Tree


def signature(match: Tree, number: int = 9001, **other: object) -> Signature:
    made = Signature(
        id=number,
        slug=f"scanner.test.n{number}",
        rev=3,
        name="A test",
        protocol=AppProtocol.SIP,
        direction=Direction.INBOUND,
        match=match,
        confidence=Confidence.HIGH,
        severity=2,
        action=Action.DROP,
        references=(),
        false_positives="",
        positive=(),
        negative=(),
        since="0.1.0",
        modified="2026-11-22",
        file="local.toml",
    )
    return replace(made, **other)  # type: ignore[arg-type]


def message(*lines: str, start: str = "OPTIONS sip:a@b SIP/2.0", body: str = "") -> bytes:
    return "\r\n".join([start, *lines, "", body]).encode("latin-1")
