from __future__ import annotations

import pytest

from sipsensor.fastpath import names
from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.model import NANOSECONDS
from sipsensor.track.challenges import Challenges, Proof
from tests.support.packets import PBX, STRANGER, message, packet, response

OTHER = "203.0.113.77"
EXAMINER = Examiner(Matcher(), (5060,), bytes(16))


def challenge(*nonces: str, to: str = STRANGER, ts: int = 0) -> Examined:
    extra = [("WWW-Authenticate", f'Digest realm="pbx", nonce="{nonce}", algorithm=MD5') for nonce in nonces]
    return EXAMINER.examine(packet(response(401, "Unauthorized", extra=extra), ts, src=PBX, dst=to))


def credentials(*nonces: str, of: str = STRANGER, ts: int = 0, name: str = "Authorization") -> Examined:
    extra = [(name, f'Digest username="201", realm="pbx", nonce="{nonce}", response="0"') for nonce in nonces]
    return EXAMINER.examine(packet(message("REGISTER", extra=extra), ts, src=of))


def sent(challenges: Challenges, examined: Examined) -> None:
    challenges.sent(examined, examined.address_key(True), 0)


def proof(challenges: Challenges, examined: Examined) -> int:
    return challenges.proof(examined, examined.address_key(False), examined.sole(names.FIELDS["auth.nonce"]))


@pytest.fixture
def challenges() -> Challenges:
    return Challenges(capacity=64, seconds=60)


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization"])
def test_a_nonce_that_went_to_him_alone_is_his_own(challenges: Challenges, name: str) -> None:
    sent(challenges, challenge("n1"))
    sent(challenges, challenge("n1"))
    assert proof(challenges, credentials("n1", name=name)) == Proof.OWN
    assert proof(challenges, credentials("n1", of=OTHER, name=name)) == Proof.OTHERS
    assert proof(challenges, credentials("n2", name=name)) == Proof.NONE
    assert proof(challenges, credentials()) == Proof.NONE


def test_a_nonce_that_went_to_two_proves_neither(challenges: Challenges) -> None:
    sent(challenges, challenge("n1"))
    sent(challenges, challenge("n1", to=OTHER))
    sent(challenges, challenge("n1"))
    assert proof(challenges, credentials("n1")) == Proof.SHARED
    assert proof(challenges, credentials("n1", of=OTHER)) == Proof.SHARED


def test_of_several_credentials_the_weakest_counts(challenges: Challenges) -> None:
    sent(challenges, challenge("n1", "n2"))
    assert proof(challenges, credentials("n1", "n2")) == Proof.OWN
    sent(challenges, challenge("n3", to=OTHER))
    assert proof(challenges, credentials("n1", "n3")) == Proof.OTHERS
    assert proof(challenges, credentials("n1", "n9")) == Proof.NONE


def test_a_nonce_that_a_foreign_pbx_made_proves_nobody_before_and_after_ours_hands_it_on(
    challenges: Challenges,
) -> None:
    before, after = challenge("n1"), challenge("n2")
    challenges.came(before, False)
    sent(challenges, before)
    sent(challenges, after)
    challenges.came(after, False)
    for nonce in ("n1", "n2"):
        assert proof(challenges, credentials(nonce)) == Proof.SHARED
        assert proof(challenges, credentials(nonce, of=OTHER)) == Proof.SHARED
    challenges.came(challenge("n3"), False)
    assert proof(challenges, credentials("n3")) == Proof.NONE


def test_challenges_that_answer_nothing_push_out_none_that_does(challenges: Challenges) -> None:
    evil = challenge("evil")
    challenges.came(evil, asked=True)
    for number in range(1000):
        challenges.came(challenge(f"f{number}"), False)
    sent(challenges, evil)
    assert proof(challenges, credentials("evil")) == Proof.SHARED


def test_the_port_is_no_matter(challenges: Challenges) -> None:
    sent(challenges, challenge("n1"))
    behind_nat = EXAMINER.examine(packet(credentials("n1").payload, src=STRANGER))
    assert proof(challenges, behind_nat) == Proof.OWN


def test_a_nonce_is_forgotten_after_its_time(challenges: Challenges) -> None:
    sent(challenges, challenge("n1"))
    assert proof(challenges, credentials("n1", ts=59 * NANOSECONDS)) == Proof.OWN
    assert proof(challenges, credentials("n1", ts=60 * NANOSECONDS)) == Proof.NONE


def test_a_flood_of_challenges_is_bounded(challenges: Challenges) -> None:
    for number in range(1000):
        sent(challenges, challenge(f"n{number}"))
    assert challenges.table.fill <= challenges.table.capacity == 64
    assert proof(challenges, credentials("n999")) == Proof.OWN
