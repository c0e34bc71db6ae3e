"""What orders share."""

from __future__ import annotations

from sipsensor.decide.ledger import Held
from sipsensor.live import commanded
from sipsensor.model import NANOSECONDS
from tests.support.commanding import PEER, Commanding


def test_a_cut_in_words_that_json_can_write() -> None:
    site = Commanding()
    now = site.ts
    held = Held(1, 5004, now, now + NANOSECONDS, 2, now, 0, 0, 0xABC, 0, 0xFFFF << 32 | 0x0A000001, 0)
    said = commanded.describe(held, site.engine.ledger, site.sensor.outlets.evidence)
    assert said == {
        "scope": "account",
        "address": "10.0.0.1",
        "network": "10.0.0.1",
        "account": "0000000000000abc",
        "rule": "guessing.account.source",
        "since": site.now,
        "until": site.now + 1,
        "times": 2,
        "kernel_may_drop": False,
    }


def test_a_rule_that_is_gone_has_no_name() -> None:
    site = Commanding()
    held = Held(2, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1)
    assert commanded.describe(held, site.engine.ledger, site.sensor.outlets.evidence)["rule"] == ""


def test_who_asks_is_told_by_user_and_process() -> None:
    assert commanded.by(PEER) == (1000, 4711)
