"""Calls of IAX2 as tracking sees them: whole exchanges with an Asterisk, and what strangers can do to them."""

from __future__ import annotations

import pytest

from sipsensor.fastpath.ranges import Networks
from sipsensor.model import Decision, Observation, Outcome, Standing
from sipsensor.track.calls import TOKEN_SECONDS, Calls
from sipsensor.track.challenges import Proof
from sipsensor.track.direction import Directions
from sipsensor.track.standing import Standings
from sipsensor.track.tracker import Tracker
from tests.support.engines import engine
from tests.support.iax2 import element, full, mini, registers, trunk
from tests.support.packets import PBX
from tests.support.switch import FIRST_NUMBER, Peer, Switch

PEER = Peer()
OTHER = Peer("301", "198.51.100.77")


def switch(**options: bool) -> Switch:
    return Switch(engine(), **options)  # type: ignore[arg-type]


def seen(decision: Decision) -> Observation:
    assert decision.observation is not None
    return decision.observation


def test_a_registration_makes_its_sender_proven_and_then_trusted() -> None:
    one = switch()
    talk = one.registers(PEER)
    assert talk.accepted
    asked, again, credentials = (seen(decision) for decision in talk.his)
    assert (asked.standing, again.standing, credentials.standing) == (
        Standing.STRANGER,
        Standing.STRANGER,
        Standing.PROVEN,
    )
    assert (credentials.proof, credentials.outcome, credentials.has_credentials) == (
        Proof.OWN,
        Outcome.CHALLENGED_ANSWERED,
        True,
    )
    assert asked.name_key == credentials.name_key == credentials.account_key != 0
    taken = seen(talk.answers[-1])
    assert (taken.outcome, taken.account_key, taken.harmless) == (Outcome.ACCEPTED, credentials.account_key, True)
    assert taken.grant is not None
    assert one.standing(PEER) is Standing.TRUSTED
    one.now += 61
    assert one.standing(PEER) is Standing.STRANGER


def test_a_call_makes_trusted_too_and_its_media_is_known() -> None:
    one = switch()
    assert one.calls(PEER).accepted
    assert one.standing(PEER) is Standing.TRUSTED
    assert seen(one.hears(PEER, mini(1))).in_call
    assert not seen(one.hears(PEER, mini(2))).in_call
    assert not seen(one.hears(OTHER, mini(1))).in_call
    assert one.calls(PEER).accepted
    assert seen(one.hears(PEER, trunk([(1, b"x"), (2, b"y")]))).in_call
    assert not seen(one.hears(PEER, trunk([(1, b"x"), (3, b"y")]))).in_call
    assert not seen(one.hears(PEER, trunk([]))).in_call


def test_a_wrong_secret_is_refused_and_makes_nobody_trusted() -> None:
    one = switch()
    for talk in (one.registers(PEER, right=False), one.calls(PEER, right=False)):
        answer = seen(talk.answers[-1])
        assert (answer.outcome, answer.harmless) == (Outcome.REFUSED, False)
        assert answer.request is not None
        assert answer.request.proof == Proof.OWN
    assert one.standing(PEER) is Standing.PROVEN


@pytest.mark.parametrize("code", [3, 17, 34])
def test_a_number_that_cannot_be_reached_is_no_refusal_of_who_calls(code: int) -> None:
    one = switch()
    one.hears(PEER, full("NEW", [element("username", "301")], source=9))
    answer = seen(one.says(PEER, full("REJECT", [element("cause-code", bytes([code]))], source=5, destination=9)))
    assert (answer.outcome, answer.harmless) == (Outcome.PENDING, True)


def test_without_a_token_credentials_prove_nobody() -> None:
    """Numbers of calls are 15 bits: who forges every one of them in a peer's name meets the right one."""
    one = switch(tokens=False)
    talk = one.registers(PEER)
    assert talk.last.proof == Proof.NONE
    assert talk.accepted
    assert one.standing(PEER) is Standing.STRANGER


def test_a_token_is_good_for_whom_it_went_to_and_for_a_while() -> None:
    for patience, peer, proven in ((1, PEER, True), (TOKEN_SECONDS + 1, PEER, False), (1, OTHER, False)):
        one = switch()
        one.hears(PEER, registers("301", source=9))
        one.says(PEER, full("CALLTOKEN", [element("call-token", "1?ab")], source=1, destination=9))
        one.now += patience
        one.hears(
            peer, full("REGREQ", [element("username", "301"), element("call-token", "1?ab")], source=9, timestamp=6)
        )
        assert (one.standing(peer) is Standing.PROVEN) is proven


def test_credentials_with_another_number_than_the_pbxs_prove_nobody() -> None:
    one = switch()
    one.hears(PEER, registers("301", source=9))
    one.says(PEER, full("CALLTOKEN", [element("call-token", "1?ab")], source=1, destination=9))
    one.hears(PEER, full("REGREQ", [element("username", "301"), element("call-token", "1?ab")], source=9, timestamp=6))
    one.says(PEER, full("REGAUTH", [element("challenge", "77")], source=50, destination=9))
    for number, proof in ((51, Proof.NONE), (50, Proof.OWN)):
        frame = full(
            "REGREQ",
            [element("username", "301"), element("md5-result", "0")],
            source=9,
            destination=number,
            timestamp=number,
        )
        assert seen(one.hears(PEER, frame)).proof == proof


@pytest.mark.parametrize("destination", [0, 51])
def test_nobody_else_can_begin_a_call_again_that_is_under_way(destination: int) -> None:
    one = switch()
    one.hears(PEER, registers("301", source=9))
    one.says(PEER, full("CALLTOKEN", [element("call-token", "1?ab")], source=1, destination=9))
    one.hears(PEER, full("REGREQ", [element("username", "301"), element("call-token", "1?ab")], source=9, timestamp=6))
    one.says(PEER, full("REGAUTH", [element("challenge", "77")], source=50, destination=9))
    one.hears(
        PEER,
        full("REGREQ", [element("username", "x"), element("call-token", "2?cd")], source=9, destination=destination),
    )
    credentials = [element("username", "301"), element("md5-result", "0")]
    answer = full("REGREQ", credentials, source=9, destination=50, timestamp=9)
    assert seen(one.hears(PEER, answer)).proof == Proof.OWN


def test_two_tries_that_wait_at_once_are_good_for_nobody() -> None:
    one = switch()
    one.hears(PEER, registers("301", source=9))
    one.says(PEER, full("CALLTOKEN", [element("call-token", "1?ab")], source=1, destination=9))
    one.hears(PEER, full("REGREQ", [element("username", "301"), element("call-token", "1?ab")], source=9, timestamp=6))
    one.says(PEER, full("REGAUTH", [element("challenge", "77")], source=50, destination=9))
    for timestamp in (9, 10):
        credentials = [element("username", "301"), element("md5-result", "0")]
        one.hears(PEER, full("REGREQ", credentials, source=9, destination=50, timestamp=timestamp))
    answer = seen(one.says(PEER, full("REGACK", [], source=50, destination=9)))
    assert answer.request is not None
    assert (answer.request.proof, answer.grant) == (Proof.NONE, None)
    assert one.standing(PEER) is Standing.PROVEN


def test_a_frame_that_comes_again_is_a_repetition() -> None:
    one = switch()
    found = [seen(one.hears(PEER, registers("301", source=9, repeated=bool(turn)))).repeats for turn in range(3)]
    assert found == [0, 1, 2]
    assert seen(one.hears(PEER, registers("301", source=9, timestamp=4))).repeats == 0


def test_a_removed_registration_ends_trust() -> None:
    one = switch()
    assert one.registers(PEER).accepted
    assert one.registers(PEER, opening="REGREL").accepted
    assert one.standing(PEER) is Standing.STRANGER


def test_answers_to_what_the_pbx_begins_are_of_a_call() -> None:
    one = switch()
    one.says(PEER, full("POKE", [element("call-token")], source=70))
    assert not seen(one.hears(PEER, full("PONG", source=3, destination=71))).in_call
    assert not seen(one.hears(OTHER, full("PONG", source=3, destination=70))).in_call
    assert seen(one.hears(PEER, full("PONG", source=3, destination=70))).in_call
    assert seen(one.hears(PEER, full("ACK", source=3, destination=70))).in_call


def test_a_call_is_known_a_little_longer_than_it_lasts() -> None:
    one = switch()
    assert one.calls(PEER).accepted
    one.says(PEER, full("HANGUP", source=FIRST_NUMBER, destination=1))
    assert seen(one.hears(PEER, full("ACK", source=1, destination=FIRST_NUMBER))).in_call
    one.now += 61
    assert not seen(one.hears(PEER, mini(1))).in_call


def test_a_call_in_which_somebody_speaks_does_not_run_out() -> None:
    one = switch()
    assert one.calls(PEER).accepted
    for _ in range(10):
        one.now += 1700
        assert seen(one.hears(PEER, mini(1))).in_call
    one.now += 3700
    assert not seen(one.hears(PEER, mini(1))).in_call


def test_a_broken_frame_of_a_call_is_told_from_others() -> None:
    one = switch()
    assert one.calls(PEER).accepted
    assert seen(one.hears(PEER, full("PING", source=1) + b"x")).in_call
    assert not seen(one.hears(PEER, full("PING", source=2) + b"x")).in_call


def test_a_broken_frame_of_a_call_that_began_before_the_sensor_is_told_from_others() -> None:
    one = switch()
    broken = full("PING", source=1) + b"x"
    assert not seen(one.hears(PEER, broken)).in_call
    one.says(PEER, mini(7))
    assert seen(one.hears(PEER, broken)).in_call
    assert not seen(one.hears(OTHER, broken)).in_call


def test_those_that_anybody_begins_push_out_no_call_that_was_taken() -> None:
    standings = Standings()
    one = switch()
    one.engine.tracker = Tracker(Directions(Networks([PBX])), standings=standings, calls=Calls(standings, capacity=64))
    assert one.calls(PEER).accepted
    for number in range(2_000):
        one.hears(Peer(src=f"198.51.{number >> 8}.{number & 255}"), registers("x", source=5))
    assert seen(one.hears(PEER, mini(1))).in_call
    assert all(table.entries <= table.capacity for table in one.engine.tracker.calls.tables())


def test_what_was_dropped_is_no_repetition_of_anything() -> None:
    one = switch()
    first = seen(one.hears(PEER, registers("301", source=9)))
    one.engine.tracker.dropped(first)
    assert seen(one.hears(PEER, registers("301", source=9))).repeats == 0
    one.engine.tracker.dropped(seen(one.hears(PEER, registers("301", source=9, timestamp=9))))
    assert seen(one.says(PEER, full("REGREJ", [], source=5, destination=9))).request is None
