"""The mode at run time."""

from __future__ import annotations

import pytest

from sipsensor.model import Mode
from tests.support.commanding import Commanding
from tests.support.events import assert_valid
from tests.support.packets import message

ATTACK = message(change={"User-Agent": "friendly-scanner"})


@pytest.fixture
def site() -> Commanding:
    made = Commanding()
    made.engine.policy.mode = Mode.OBSERVE
    return made


def test_enforce_for_a_time_reverts_unless_confirmed(site: Commanding) -> None:
    assert not site.outside(ATTACK).effect
    said = site.order("enforce", **{"for": "15m"})
    assert (said["mode"], said["configured"], said["until"]) == ("enforce", "observe", site.now + 900)
    assert site.outside(ATTACK).effect
    site.monotonic = 899
    site.posture.tick()
    assert site.outside(ATTACK).effect
    site.monotonic = 900
    site.posture.tick()
    assert not site.outside(ATTACK).effect
    assert site.posture.until is None
    assert [(event["mode"]["mode"], event["mode"]["until"] is None) for event in site.told] == [
        ("enforce", False),
        ("observe", True),
    ]
    assert site.told[1]["mode"]["why"] == "nobody confirmed enforce in time"
    assert "sipsensor" not in site.told[1]
    assert_valid(site.told)


def test_confirmed_it_stays(site: Commanding) -> None:
    site.order("enforce", **{"for": "15m"})
    assert site.order("enforce", confirm=True)["until"] is None
    site.monotonic = 10_000
    site.posture.tick()
    assert site.engine.policy.mode is Mode.ENFORCE
    assert site.told[-1]["sipsensor"]["by"] == {"uid": 1000, "pid": 4711}


def test_without_a_time_it_does_not_revert(site: Commanding) -> None:
    assert site.order("enforce")["until"] is None
    site.monotonic = 10_000_000
    site.posture.tick()
    assert site.engine.policy.mode is Mode.ENFORCE


def test_observe_acts_at_once_and_ends_what_would_revert(site: Commanding) -> None:
    site.order("enforce", **{"for": "15m"})
    assert site.order("observe")["mode"] == "observe"
    site.order("enforce")
    site.monotonic = 901
    site.posture.tick()
    assert site.engine.policy.mode is Mode.ENFORCE


def test_there_has_to_be_something_to_confirm(site: Commanding) -> None:
    with pytest.raises(ValueError, match="nothing to confirm: the mode is observe; begin with sipsensor enforce --for"):
        site.order("enforce", confirm=True)
    with pytest.raises(ValueError, match="exclude each other"):
        site.order("enforce", confirm=True, **{"for": "15m"})


def test_a_safety_net_that_fell_is_told_once_and_enforce_goes_on(site: Commanding) -> None:
    site.order("enforce", **{"for": "15m"})
    site.engine.safety.tripped = "9 of 10 registered phones are gone since something was cut"
    site.engine.policy.mode = Mode.OBSERVE
    site.posture.tick()
    site.posture.tick()
    assert len(site.told) == 2
    assert site.told[1]["mode"]["mode"] == "observe"
    assert "9 of 10 registered phones" in site.told[1]["mode"]["why"]
    assert "safety net" in site.sensor.said[-1]
    assert site.posture.until is None
    said = site.order("enforce")
    assert (said["mode"], said["safety_net"]) == ("enforce", "")
    assert_valid(site.told)
