from __future__ import annotations

import os

import pytest

from sipsensor.live.link import LARGEST, Link


def test_messages_come_in_order_both_ways() -> None:
    link = Link()
    assert link.sensor.send({"mode": "observe"})
    assert link.sensor.send({"changes": [["ledger", (1 << 64) - 1, 2, 3, [4]]]})
    assert link.keeper.send({"resync": True})
    assert list(link.keeper.received()) == [
        {"mode": "observe"},
        {"changes": [["ledger", (1 << 64) - 1, 2, 3, [4]]]},
    ]
    assert list(link.sensor.received()) == [{"resync": True}]
    assert list(link.sensor.received()) == []


def test_nobody_is_waited_for() -> None:
    link = Link()
    sent = 0
    while link.sensor.send({"mode": "x" * 1000}):
        sent += 1
        assert sent < 10_000
    assert len(list(link.keeper.received())) == min(sent, 1000)
    assert link.sensor.send({"mode": "observe"})


def test_a_message_has_its_bound() -> None:
    with pytest.raises(ValueError, match="60"):
        Link().sensor.send({"mode": "x" * LARGEST})


def test_what_cannot_be_read_is_left_out() -> None:
    link = Link()
    for text in (b"{", b"[]", b"1", b'{"mode": "observe"}', b"\xff"):
        os.write(link.sensor._descriptor, text)
    assert list(link.keeper.received()) == [{"mode": "observe"}]


def test_no_program_that_is_started_has_it() -> None:
    link = Link()
    assert not any(os.get_inheritable(end._descriptor) for end in (link.sensor, link.keeper))


def test_an_end_whose_other_end_is_gone_says_so() -> None:
    link = Link()
    link.keeper.close()
    assert not link.sensor.send({"mode": "observe"})
    assert list(link.sensor.received()) == []
