from collections.abc import Sequence

import pytest

from sipsensor.fastpath import names
from sipsensor.fastpath.examined import Examined
from sipsensor.model import NANOSECONDS, Outcome
from sipsensor.track.transactions import ANSWER_SECONDS, TRANSACTION_SECONDS, Request, Transactions, outcome
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response
from tests.support.scanning import PLAIN

INVITE, REGISTER, OPTIONS = (names.METHODS.index(name) for name in (b"INVITE", b"REGISTER", b"OPTIONS"))
FACTS = {
    "account": 1, "name": 2, "pair": 3, "port": 4, "source": 5, "sender": 6, "call": 7, "what": REGISTER, "proof": 3,
    "known": 0, "name_known": 0, "binds": 1, "taken": 0, "exchange": 8, "earned": 0, "call_known": 0,
}  # fmt: skip


def phone(**change: int) -> Request:
    """A phone's REGISTER with its credentials, or something else."""
    one = Request()
    for name, value in {**FACTS, **change}.items():
        setattr(one, name, value)
    return one


def asker(**change: int) -> Request:
    """The same without credentials."""
    return phone(**{"account": 0, "proof": 0, **change})


def facts_of(one: Request) -> dict[str, int]:
    return {name: getattr(one, name) for name in FACTS}


PHONE, ASKED = phone(), asker()
ACCEPTED, REFUSED, PENDING = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.PENDING


def asked(payload: bytes | None = None, seconds: float = 0, src: str = STRANGER) -> Examined:
    return PLAIN.examine_raw(datagram(payload or message("REGISTER"), src), LINK_RAW, int(seconds * NANOSECONDS))


def answered(code: int, seconds: float = 0, dst: str = STRANGER, extra: Sequence[tuple[str, str]] = ()) -> Examined:
    text = response(code, "x", change={"CSeq": "314159 REGISTER"}, extra=extra)
    return PLAIN.examine_raw(datagram(text, PBX, dst), LINK_RAW, int(seconds * NANOSECONDS))


def ended(one: Transactions, answer: Examined) -> tuple[dict[str, int], int, bool]:
    found = one.ended(answer)
    assert found is not None
    return facts_of(found[0]), found[1], found[2]


def waiting(request: Request = PHONE) -> Transactions:
    one = Transactions()
    one.began(asked(), request)
    return one


def test_retransmissions_are_counted_within_64_t1() -> None:
    one = Transactions()
    assert TRANSACTION_SECONDS == 32
    times = (0, 0.5, 1.5, 3.5, 32)
    assert [one.repeats(77, int(second * NANOSECONDS)) for second in times] == [0, 1, 2, 3, 4]
    assert one.repeats(77, int(32.1 * NANOSECONDS)) == 0
    assert one.repeats(78, 0) == 0


def test_what_names_no_transaction_never_repeats() -> None:
    one = Transactions()
    assert [one.repeats(0, 0) for _ in range(3)] == [0, 0, 0]


def test_one_pushed_out_counts_as_new_and_all_is_bounded() -> None:
    one = Transactions(capacity=8)
    one.repeats(1, 0)
    for key in range(2, 102):
        one.repeats(key, 0)
    assert one.repeats(1, 0) == 0
    seen = one.tables()[0]
    assert (seen.name, seen.entries, seen.capacity, seen.evictions) == ("transactions", 8, 8, 102 - 8)
    assert [table.name for table in one.tables()] == ["transactions", "requests", "own_registrations", "own_requests"]


# --- outcomes (threats.md 2.1) ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 202, 204, 299, 301, 302, 305, 380])
def test_it_was_accepted(code: int) -> None:
    expected = ACCEPTED if code < 300 else PENDING
    assert outcome(PHONE, code) == expected
    assert outcome(ASKED, code) == expected
    assert outcome(phone(what=INVITE), code) == ACCEPTED


@pytest.mark.parametrize("code", [401, 407])
@pytest.mark.parametrize("what", [INVITE, REGISTER, OPTIONS])
def test_a_challenge_refuses_only_credentials_on_a_nonce_that_is_good(code: int, what: int) -> None:
    assert outcome(asker(what=what), code) == PENDING
    assert outcome(phone(what=what), code) == REFUSED
    assert outcome(phone(what=what), code, stale=True) == PENDING


@pytest.mark.parametrize("known", [0, 1, 2])
def test_403_refuses_except_a_number_that_a_trusted_caller_may_not_call(known: int) -> None:
    assert outcome(phone(known=known), 403) == REFUSED
    assert outcome(asker(known=known), 403) == REFUSED
    expected = ACCEPTED if known == 2 else REFUSED
    assert outcome(phone(known=known, what=INVITE), 403) == expected


def test_404_refuses_names_but_no_number_that_an_account_calls() -> None:
    assert outcome(PHONE, 404) == REFUSED
    assert outcome(ASKED, 404) == REFUSED
    assert outcome(asker(what=INVITE), 404) == REFUSED
    assert outcome(asker(what=OPTIONS), 404) == REFUSED
    assert outcome(phone(what=INVITE), 404) == ACCEPTED
    # A phone that asks, with credentials as the PBX wants, about somebody who is not there (RFC 3261 21.4.5) has not guessed.
    assert outcome(phone(what=OPTIONS), 404) == PENDING


@pytest.mark.parametrize("code", [400, 405, 406, 408, 410, 413, 420, 423, 480, 481, 486, 487, 488, 489, 491])
def test_what_a_callee_or_the_network_did_is_no_refusal(code: int) -> None:
    assert outcome(PHONE, code) == PENDING
    assert outcome(phone(what=INVITE), code) == ACCEPTED
    assert outcome(asker(what=INVITE), code) == ACCEPTED


@pytest.mark.parametrize("code", [500, 501, 503, 504, 513, 580, 600, 603, 604, 606])
def test_the_faults_of_the_pbx_tell_nothing(code: int) -> None:
    for what in (INVITE, REGISTER, OPTIONS):
        assert outcome(phone(what=what), code) == PENDING
        assert outcome(asker(what=what), code) == PENDING


# --- pairing -----------------------------------------------------------------------------------------------------------------


def test_an_answer_ends_its_request_once() -> None:
    one = waiting()
    assert ended(one, answered(200)) == (FACTS, ACCEPTED, True)
    assert one.ended(answered(200)) is None


def test_another_transaction_or_address_ends_nothing() -> None:
    one = waiting()
    other = response(200, "x", change={"CSeq": "7 REGISTER"})
    assert one.ended(PLAIN.examine_raw(datagram(other, PBX, STRANGER), LINK_RAW, 0)) is None
    assert one.ended(answered(200, dst="203.0.113.10")) is None
    assert one.ended(answered(200)) is not None


def test_a_request_waits_for_minutes() -> None:
    assert waiting().ended(answered(200, ANSWER_SECONDS - 1)) is not None
    assert waiting().ended(answered(200, ANSWER_SECONDS)) is None


def test_trying_tells_nothing_and_ringing_says_that_the_call_was_taken() -> None:
    one = waiting(phone(what=INVITE))
    assert one.ended(answered(100)) is None
    found = one.ended(answered(180))
    assert found is not None
    assert found[1:] == (ACCEPTED, True)
    assert found[0].taken == 0
    assert one.ended(answered(183)) is None
    last = one.ended(answered(486))
    assert last is not None
    assert last[0].taken == 1
    assert last[1] == ACCEPTED


@pytest.mark.parametrize("name", ["WWW-Authenticate", "Proxy-Authenticate"])
@pytest.mark.parametrize("written", ["stale=TRUE", 'stale="true"', "Stale = true"])
def test_an_old_nonce_says_nothing_against_him(name: str, written: str) -> None:
    code = 401 if name.startswith("W") else 407
    found = ended(waiting(), answered(code, extra=[(name, f'Digest realm="x", nonce="n", {written}')]))
    assert found == (FACTS, PENDING, True)


def test_a_challenge_that_is_not_stale_does() -> None:
    found = ended(waiting(), answered(401, extra=[("WWW-Authenticate", 'Digest realm="x", nonce="n", stale=false')]))
    assert found == (FACTS, REFUSED, False)


def test_a_challenge_of_one_without_credentials_leaves_it_open() -> None:
    assert ended(waiting(ASKED), answered(401)) == (facts_of(ASKED), PENDING, False)


def test_what_we_drop_is_no_evidence() -> None:
    one = waiting()
    one.repeats(99, 0)
    one.forget(asked(), 99)
    assert one.repeats(99, 0) == 0
    assert one.ended(answered(200)) is None


def test_only_the_one_whom_the_pbx_asked_answers_it() -> None:
    one = Transactions()
    out = PLAIN.examine_raw(datagram(message("REGISTER"), PBX, STRANGER), LINK_RAW, 0)
    one.asked(out, 4711)
    text = response(200, "x", change={"CSeq": "314159 REGISTER"})
    came = PLAIN.examine_raw(datagram(text, STRANGER, PBX), LINK_RAW, 0)
    assert one.was_asked(came, 4711) == (came.transaction_key == out.transaction_key)
    assert not one.was_asked(came, 4712)
