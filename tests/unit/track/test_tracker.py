from dataclasses import replace
from typing import Any

import pytest

from sipsensor.fastpath.ranges import Networks
from sipsensor.model import WHAT_MALFORMED, WHAT_STATUS, AppProtocol, Direction, Observation, Outcome, Standing, kind_of
from sipsensor.protocols.sip import parse
from sipsensor.track.challenges import Challenges
from sipsensor.track.direction import Directions
from sipsensor.track.tracker import Tracker
from sipsensor.track.transactions import Transactions
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response
from tests.support.scanning import PLAIN
from tests.support.site import Guest, Site, site


def tracker() -> Tracker:
    return Tracker(Directions(Networks([PBX])), Transactions())


def track(one: Tracker, payload: bytes, src: str = STRANGER, dst: str = PBX) -> Observation:
    examined = PLAIN.examine_raw(datagram(payload, src, dst), LINK_RAW, 0)
    view = parse(examined)
    assert view is not None
    return one.track(view, examined)


def test_the_kind_is_protocol_direction_standing_and_method_or_status_class() -> None:
    one = tracker()
    for payload, src, dst, direction, what in (
        (message("INVITE"), STRANGER, PBX, Direction.INBOUND, 0),
        (message("FUZZ"), STRANGER, PBX, Direction.INBOUND, 14),
        (response(486, "Busy"), PBX, STRANGER, Direction.OUTBOUND, WHAT_STATUS + 4),
        (b"OPTIONS", STRANGER, PBX, Direction.INBOUND, WHAT_MALFORMED),
    ):
        observation = track(one, payload, src, dst)
        assert observation.kind == kind_of(AppProtocol.SIP, direction, Standing.STRANGER, what)
        assert (observation.direction, observation.standing, observation.outcome) == (
            direction,
            Standing.STRANGER,
            Outcome.PENDING,
        )


def test_retransmissions_of_inbound_requests_are_counted() -> None:
    one = tracker()
    assert [track(one, message()).repeats for _ in range(3)] == [0, 1, 2]


def test_what_goes_out_and_what_answers_count_nothing() -> None:
    one = tracker()
    for _ in range(2):
        assert track(one, message(), PBX, STRANGER).repeats == 0
        assert track(one, response()).repeats == 0
    assert one.transactions.seen.fill == 0


def test_tick_is_harmless() -> None:
    one = tracker()
    track(one, message())
    one.tick(10**18)
    assert track(one, message()).repeats == 1


# --- trust is hard to get (DESIGN 6) ---------------------------------------------------------------------------------------------

PHONE = Guest()
OTHER = Guest("202", src="203.0.113.77")
BINDS = (("Contact", "<sip:x@203.0.113.9>"), ("Expires", "3600"))
TRUSTED, PROVEN, STRANGER_ = Standing.TRUSTED, Standing.PROVEN, Standing.STRANGER


def challenged(one: Site, guest: Guest = PHONE, method: str = "REGISTER", **request: object) -> str:
    """The nonce that he got."""
    guest = replace(guest, call=guest.call or "one-exchange")
    _, number = one.ask(guest, method, **request)  # type: ignore[arg-type]
    one.answer(guest, number, 401, method, nonce=f"n{number}")
    return f"n{number}"


def accepted(one: Site, nonce: str, guest: Guest = PHONE, method: str = "REGISTER", **request: object) -> None:
    """His credentials on that nonce, and the PBX says yes."""
    guest = replace(guest, call=guest.call or "one-exchange")
    _, number = one.ask(guest, method, nonce=nonce, **request)  # type: ignore[arg-type]
    one.answer(guest, number, 200, method, extra=BINDS)


def test_own_nonce_credentials_and_a_2xx_of_a_register_make_trusted_until_it_expires() -> None:
    one = site()
    made = one.register(PHONE, expires=120)
    assert one.standing() is TRUSTED
    assert made.answer is not None
    (grant,) = made.answer.grants
    assert (grant.standing, grant.address[-4:], grant.port) == (TRUSTED, bytes((203, 0, 113, 9)), 5060)
    assert grant.until == one.ts + 120 * 10**9
    assert one.standing(port=5061) is STRANGER_
    assert one.standing(src=OTHER.src) is STRANGER_
    one.now += 120
    assert one.standing() is STRANGER_


def test_a_renewal_is_no_second_grant() -> None:
    one = site()
    one.register(PHONE)
    again = one.register(PHONE)
    assert again.answer is not None
    assert again.answer.grants == ()


def test_a_challenged_invite_that_was_accepted_makes_trusted() -> None:
    one = site()
    accepted(one, challenged(one, method="INVITE"), method="INVITE")
    assert one.standing() is TRUSTED


@pytest.mark.parametrize(
    "other",
    [
        {"method": "REGISTER"},  # a nonce of another request's
        {"uri": "sip:another@pbx"},  # a number that needs no credentials
        {"guest": replace(PHONE, call="another")},
    ],
)
def test_an_invite_that_was_never_challenged_trusts_nobody(other: dict[str, Any]) -> None:
    """The PBX takes it without a look at its credentials: they may be for anybody."""
    one = site()
    nonce = challenged(one, **{"method": "INVITE", **other})
    accepted(one, nonce, method="INVITE")
    assert one.standing() is STRANGER_


def test_two_requests_under_one_transaction_make_nobody_trusted() -> None:
    """Only one of them is answered, and nobody knows which: his own account, or the one that he is after."""
    one = site()
    own, other = replace(PHONE, account="202", call="c"), replace(PHONE, account="201", call="c")
    nonce = challenged(one, own)
    _, number = one.ask(own, nonce=nonce, response="a" * 32)
    one.ask(other, nonce=nonce, number=number)
    one.answer(own, number, 200, extra=BINDS)
    assert one.standing() is STRANGER_


def test_a_nonce_that_somebody_outside_made_proves_nobody() -> None:
    """The PBX asks him, or hands on what a callee says: he may have given the same nonce to others."""
    one = site()
    theirs = response(401, "x", extra=[("WWW-Authenticate", 'Digest realm="x", nonce="evil"')])
    one.outside(theirs, OTHER.src)
    guest = replace(PHONE, call="one-exchange")
    _, number = one.ask(guest)
    one.answer(guest, number, 401, nonce="evil")
    accepted(one, "evil")
    assert one.standing() is STRANGER_


def test_nor_after_thousands_that_answer_nothing() -> None:
    """A callee's challenge waits in the PBX for what others say; meanwhile invented ones fill the table of those that came."""
    one = site()
    one.engine.tracker = Tracker(one.engine.tracker.directions, challenges=Challenges(capacity=64))
    asked = {"Via": "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKpbx", "CSeq": "9 INVITE"}
    one.inside(message("INVITE", "sip:callee@there", change=asked), OTHER.src)

    def answers(nonce: str, change: dict[str, str | None]) -> None:
        challenge = ("WWW-Authenticate", f'Digest realm="x", nonce="{nonce}"')
        one.outside(response(401, "x", change=change, extra=[challenge]), OTHER.src)

    answers("evil", {**asked})
    for number in range(1000):
        answers(f"invented-{number}", {**asked, "Via": f"SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{number}"})
    guest = replace(PHONE, call="one-exchange")
    _, number = one.ask(guest)
    one.answer(guest, number, 401, nonce="evil")
    accepted(one, "evil")
    assert one.standing() is STRANGER_


@pytest.mark.parametrize("method", ["OPTIONS", "SUBSCRIBE", "PUBLISH", "MESSAGE", "REFER", "NOTIFY", "BYE", "INFO"])
def test_credentials_on_another_method_trust_nobody(method: str) -> None:
    one = site()
    accepted(one, challenged(one, method=method), method=method)
    assert one.standing() is not TRUSTED


def test_an_invite_in_a_dialog_trusts_nobody() -> None:
    one = site()
    accepted(one, challenged(one, method="INVITE", tag="x"), method="INVITE", tag="x")
    assert one.standing() is not TRUSTED


@pytest.mark.parametrize(
    "extra",
    [
        (),
        (("Contact", "*"), ("Expires", "0")),
        (("Contact", "<sip:x@203.0.113.9>;expires=0"),),
        (("Contact", "<sip:x@203.0.113.9>"), ("Expires", "0")),
    ],
    ids=["query", "star", "parameter", "header"],
)
def test_a_query_and_a_removal_trust_nobody(extra: tuple[tuple[str, str], ...]) -> None:
    one = site()
    accepted(one, challenged(one, extra=extra), extra=extra)
    assert one.standing() is STRANGER_


def test_a_removal_ends_trust_at_once() -> None:
    one = site()
    one.register(PHONE)
    accepted(one, challenged(one), extra=(("Contact", "*"), ("Expires", "0")))
    assert one.standing() is STRANGER_
    assert one.engine.tracker.standings.withdrawn == 1


def test_anothers_nonce_trusts_nobody() -> None:
    one = site()
    accepted(one, challenged(one, OTHER))
    assert one.standing() is STRANGER_


def test_a_nonce_that_went_to_two_trusts_neither() -> None:
    one = site()
    for guest in (PHONE, OTHER):
        _, number = one.ask(guest)
        one.answer(guest, number, 401, nonce="shared")
    accepted(one, "shared")
    accepted(one, "shared", OTHER)
    assert (one.standing(), one.standing(OTHER.src)) == (STRANGER_, STRANGER_)


def test_a_nonce_that_nobody_sent_trusts_nobody() -> None:
    one = site()
    accepted(one, "made-up")
    assert one.standing() is STRANGER_


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
def test_a_2xx_without_a_challenge_trusts_nobody(method: str) -> None:
    one = site()
    _, number = one.ask(PHONE, method)
    one.answer(PHONE, number, 200, method, extra=BINDS)
    assert one.standing() is STRANGER_


def test_an_answer_that_goes_elsewhere_trusts_nobody() -> None:
    """Via maddr and received can send the PBX's answer to another address: its destination must be the sender."""
    one = site()
    nonce = challenged(one)
    _, number = one.ask(PHONE, nonce=nonce)
    one.answer(PHONE, number, 200, extra=BINDS, to=(OTHER.src, 5060))
    one.answer(PHONE, number, 200, extra=BINDS, to=(PHONE.src, 5061))
    assert one.standing() is STRANGER_
    assert one.standing(OTHER.src) is STRANGER_


def test_a_challenge_that_went_elsewhere_trusts_nobody() -> None:
    one = site()
    _, number = one.ask(PHONE)
    one.answer(PHONE, number, 401, nonce="stray", to=(OTHER.src, 5060))
    accepted(one, "stray")
    assert one.standing() is STRANGER_


def test_what_a_stranger_sends_in_the_name_of_the_pbx_is_no_answer() -> None:
    one = site()
    nonce = challenged(one)
    _, number = one.ask(PHONE, nonce=nonce)
    forged = response(200, change=PHONE.head("REGISTER", number, tag="pbx"), extra=BINDS)
    one.outside(forged)
    assert one.standing() is STRANGER_


def test_a_final_refusal_trusts_nobody() -> None:
    one = site()
    for code in (401, 403, 404, 500, 302):
        _, number = one.ask(PHONE, nonce=challenged(one))
        one.answer(PHONE, number, code, nonce="x" if code == 401 else "")
    assert one.standing() is STRANGER_


def test_what_we_dropped_cannot_be_accepted() -> None:
    one = site()
    nonce = challenged(one)
    one.engine.ledger.ban(f"{PHONE.src}/32", 10**19)
    decision, number = one.ask(PHONE, nonce=nonce)
    assert decision.verdict
    one.answer(PHONE, number, 200, extra=BINDS)
    assert one.standing() is STRANGER_


def test_trust_is_for_the_account_that_was_accepted() -> None:
    one = site()
    one.register(PHONE)
    decision, _ = one.ask(PHONE, "INVITE")
    assert decision.observation is not None
    assert (decision.observation.standing, decision.observation.relieved) == (TRUSTED, True)
    decision, _ = one.ask(Guest("999"), "INVITE")
    assert decision.observation is not None
    assert (decision.observation.known, decision.observation.relieved) == (False, False)


def test_the_name_in_the_aor_is_relieved_as_well_as_that_of_the_credentials() -> None:
    one = site()
    guest = Guest("auth-201", name="201")
    one.register(guest)
    decision, _ = one.ask(Guest("201"), "INVITE")
    assert decision.observation is not None
    assert decision.observation.relieved
    assert one.standing() is TRUSTED


def test_an_ack_with_the_tag_of_a_2xx_proves() -> None:
    one = site()
    _, number = one.ask(PHONE, "INVITE")
    one.answer(PHONE, number, 200, "INVITE")
    one.outside(message("ACK", change={**PHONE.head("INVITE", number, tag="pbx"), "CSeq": f"{number} ACK"}))
    assert one.standing() is PROVEN


def test_an_ack_that_guesses_a_tag_and_a_cancel_prove_nothing() -> None:
    one = site()
    _, number = one.ask(PHONE, "INVITE")
    one.answer(PHONE, number, 200, "INVITE")
    one.outside(message("ACK", change={**PHONE.head("INVITE", number, tag="guess"), "CSeq": f"{number} ACK"}))
    one.outside(message("CANCEL", change={**PHONE.head("INVITE", number, tag="pbx"), "CSeq": f"{number} CANCEL"}))
    assert one.standing() is STRANGER_


# --- trunks are learned from the PBX's own registration -------------------------------------------------------------------------

TRUNK = "198.51.100.44"


def own_registration(one: Site, *, answerer: str = TRUNK, code: int = 200, expires: int = 600) -> None:
    head = Guest("pbx-account", src=PBX).head("REGISTER", 1)
    one.inside(message("REGISTER", "sip:provider", change=head, extra=BINDS), TRUNK)
    extra = [("Contact", f"<sip:x@{PBX}>;expires={expires}")]
    one.outside(response(code, change=head, extra=extra), answerer)


def test_the_provider_where_the_pbx_registered_is_trusted_for_all() -> None:
    one = site()
    own_registration(one)
    assert one.standing(TRUNK) is TRUSTED
    decision, _ = one.ask(Guest("+4989123", src=TRUNK), "INVITE")
    assert decision.observation is not None
    assert decision.observation.relieved
    one.now += 600
    assert one.standing(TRUNK) is STRANGER_


def test_an_answer_of_somebody_else_or_without_a_question_or_that_refuses_trusts_nobody() -> None:
    one = site()
    own_registration(one, answerer="198.51.100.45")
    assert (one.standing(TRUNK), one.standing("198.51.100.45")) == (STRANGER_, STRANGER_)
    own_registration(one, code=401)
    own_registration(one, expires=0)
    assert one.standing(TRUNK) is STRANGER_
    other = site()
    other.outside(response(200, change=Guest("x", src=PBX).head("REGISTER", 1)), TRUNK)
    assert other.standing(TRUNK) is STRANGER_


# --- facts of a request -----------------------------------------------------------------------------------------------------------


def test_the_same_transaction_with_other_credentials_is_another_try() -> None:
    one = site()
    nonce = challenged(one)
    found = []
    for guess in ("a", "a", "b"):
        decision, _ = one.ask(PHONE, nonce=nonce, number=500, response=guess)
        assert decision.observation is not None
        found.append(decision.observation.repeats)
    assert found == [0, 1, 0]


def test_ipv6_strangers_are_counted_per_64_and_ipv4_ones_per_port() -> None:
    one = tracker()
    pbx6 = "2001:db8::10"
    senders = [track(one, message(), src, pbx6) for src in ("2001:db8:9::1", "2001:db8:9::2", "2001:db8:9:1::1")]
    first, second, third = (observation.sender_key for observation in senders)
    assert first == second != third
    assert senders[0].port_key != senders[1].port_key
    four = track(one, message())
    assert four.sender_key == four.port_key != four.source_key


def test_several_credentials_in_one_request_are_all_tries() -> None:
    one = tracker()
    extra = [("Authorization", f'Digest username="{name}", nonce="n", response="0"') for name in ("201", "202")]
    observation = track(one, message("REGISTER", extra=extra))
    assert observation.has_credentials
    assert len({observation.account_key, *(other for other, _ in observation.also)}) == 2


def test_an_ack_tries_nothing() -> None:
    one = tracker()
    extra = [("Authorization", 'Digest username="201", nonce="n", response="0"')]
    assert not track(one, message("ACK", extra=extra)).has_credentials
    assert track(one, message("BYE", extra=extra)).has_credentials


def test_a_pbx_that_leaves_a_known_phone_waiting_stalls() -> None:
    one = site()
    one.register(PHONE)
    one.now += 10
    one.ask(PHONE, "INVITE")
    one.now += 3
    decision, _ = one.ask(PHONE, "INVITE")
    assert decision.observation is not None
    assert decision.observation.stalled


def test_its_tables_have_names_of_their_own() -> None:
    names = [table.name for table in tracker().tables()]
    assert len(set(names)) == len(names) == 19
