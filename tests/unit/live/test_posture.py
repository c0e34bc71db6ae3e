"""The mode at run time."""

from __future__ import annotations

import pytest

from sipsensor.model import NANOSECONDS, Mode
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


FELL = "9 of 10 registered phones are gone since something was cut"


def again(site: Commanding, configured: Mode = Mode.ENFORCE, fell: tuple[int, str] | None = None) -> Commanding:
    """The sensor was killed, and the next one begins; without a page it is a service that is started anew."""
    made = Commanding()
    made.sensor.page = site.sensor.page
    made.now, made.monotonic = site.now, site.monotonic
    made.engine.policy.mode = configured
    made.posture.resume(fell)
    return made


def fallen(site: Commanding) -> None:
    site.engine.safety.tripped = FELL
    site.engine.policy.mode = Mode.OBSERVE
    site.posture.keep()


@pytest.fixture
def enforcing() -> Commanding:
    made = Commanding()
    made.posture.resume(None)
    assert made.told == []
    return made


def test_a_sensor_that_is_started_again_begins_as_the_one_before(enforcing: Commanding) -> None:
    one = again(enforcing)
    assert one.engine.policy.mode is Mode.ENFORCE
    assert one.told == []
    one.order("observe")
    other = again(one)
    assert other.engine.policy.mode is Mode.OBSERVE
    assert not other.outside(ATTACK).effect
    assert [event["mode"]["why"] for event in other.told] == ["the sensor was started again and goes on"]
    assert other.sensor.said == ["observe from now on: the sensor was started again and goes on"]
    assert_valid(other.told)


def test_a_fall_of_the_safety_net_outlives_the_sensor_until_somebody_orders(enforcing: Commanding) -> None:
    fallen(enforcing)
    one = again(enforcing)
    assert (one.engine.policy.mode, one.engine.safety.tripped) == (Mode.OBSERVE, FELL)
    one.posture.tick()
    assert len(one.told) == 1
    one.order("enforce")
    other = again(one)
    assert (other.engine.policy.mode, other.engine.safety.tripped) == (Mode.ENFORCE, "")


def test_enforce_for_a_time_goes_on_for_what_is_left(site: Commanding) -> None:
    site.posture.resume(None)
    site.order("enforce", **{"for": "15m"})
    site.monotonic += 600
    one = again(site, Mode.OBSERVE)
    assert one.outside(ATTACK).effect
    assert one.posture.until == pytest.approx(one.now + 300)
    assert one.told[0]["mode"]["why"] == "the sensor was started again and goes on for 300 s more"
    one.monotonic += 300
    one.posture.tick()
    assert not one.outside(ATTACK).effect
    assert again(one, Mode.OBSERVE).engine.policy.mode is Mode.OBSERVE


def test_what_should_have_reverted_while_nobody_served_reverts_before_the_first_packet(site: Commanding) -> None:
    site.posture.resume(None)
    site.order("enforce", **{"for": "15m"})
    site.monotonic += 1000
    one = again(site, Mode.OBSERVE)
    assert not one.outside(ATTACK).effect
    assert [event["mode"]["why"] for event in one.told] == ["nobody confirmed enforce in time"]


def test_what_was_confirmed_stays_over_a_restart(site: Commanding) -> None:
    site.posture.resume(None)
    site.order("enforce", **{"for": "15m"})
    site.order("enforce", confirm=True)
    site.monotonic += 1000
    one = again(site, Mode.OBSERVE)
    one.posture.tick()
    assert (one.engine.policy.mode, one.posture.until) == (Mode.ENFORCE, None)


@pytest.mark.parametrize(
    ("ago", "configured", "mode"),
    [
        (1, Mode.ENFORCE, Mode.OBSERVE),
        (899, Mode.ENFORCE, Mode.OBSERVE),
        (-3600, Mode.ENFORCE, Mode.OBSERVE),
        (900, Mode.ENFORCE, Mode.ENFORCE),
        (1, Mode.OBSERVE, Mode.OBSERVE),
    ],
)
def test_a_service_that_is_started_anew_observes_while_a_fall_is_recent(ago: int, configured: Mode, mode: Mode) -> None:
    fresh = Commanding()
    one = again(fresh, configured, (fresh.ts - ago * NANOSECONDS, FELL))
    assert one.engine.policy.mode is mode
    assert one.engine.safety.tripped == (FELL if mode is not configured else "")
    assert [event["mode"]["mode"] for event in one.told] == (["observe"] if mode is not configured else [])
    if mode is not configured:
        assert f"the safety net fell back shortly before the start: {FELL}" in one.sensor.said[0]
        assert one.order("enforce")["safety_net"] == ""
