from __future__ import annotations

import json

import pytest

from sipsensor.app import load_signatures
from sipsensor.cli.facts import examined_facts
from sipsensor.config.load import defaults
from tests.support import iax2
from tests.support.iax2 import element, full, mini, registers, trunk
from tests.support.scanning import examine

SIGNATURES = load_signatures(defaults())


def said(payload: bytes) -> dict[str, object]:
    found = examined_facts(examine(payload, sport=40_000, dport=iax2.PORT), SIGNATURES)
    json.dumps(found)
    return found


def test_a_registration_element_by_element() -> None:
    found = said(registers("office\n", source=9))
    assert found["content"] == "IAX2 frame"
    assert (found["frame"], found["calls"], found["timestamp"], found["sequence"]) == ("IAX REGREQ", [9, 0], 3, [0, 0])
    assert found["elements"] == ["username: office\\x0a", "refresh: 60", "call-token: "]
    assert found["anomalies"] == []


@pytest.mark.parametrize("name", ["password", "challenge", "md5-result", "rsa-result", "call-token", "encryption-key"])
def test_secrets_are_not_shown(name: str) -> None:
    found = said(full("AUTHREP", [element(name, "s3cret")], repeated=True))
    assert found["frame"] == "IAX AUTHREP, sent again"
    assert found["elements"] == [f"{name}: 6 bytes, not shown"]


def test_what_is_rare() -> None:
    assert said(full(4, kind=4))["frame"] == "control"
    assert said(full(4, kind=99))["frame"] == "type 99"
    assert said(full("NEW", [element(200, b"xy")]))["elements"] == ["200, which nobody has given: 2 bytes"]


def test_media() -> None:
    assert said(mini(7))["frame"] == "mini frame of audio"
    assert said(trunk([(7, b"x"), (8, b"y")]))["calls"] == [7, 8]


def test_a_broken_frame() -> None:
    whole = registers()
    found = said(whole + b"x")
    assert found["content"] == "meant as IAX2, not parseable"
    assert found["malformed"] == f"element-boundary, at byte {len(whole)}"


def test_what_is_no_frame() -> None:
    assert said(b"\0\0\0")["content"] == "neither SIP nor IAX2"
