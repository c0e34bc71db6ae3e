from collections.abc import Sequence

import pytest

from sipsensor.fastpath import names
from sipsensor.fastpath.examined import Examined
from sipsensor.model import NANOSECONDS, Outcome
from sipsensor.track.transactions import ANSWER_SECONDS, TRANSACTION_SECONDS, Request, Transactions, outcome
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response
from tests.support.scanning import PLAIN

INVITE, REGISTER, OPTIONS = (names.METHODS.index(name) for name in (b"INVITE", b"REGISTER", b"OPTIONS"))


def request_of(**facts: int) -> Request:
    one = Request()
    for name, value in facts.items():
        setattr(one, name, value)
    return one


def facts_of(one: Request) -> dict[str, int]:
    return {name: getattr(one, name) for name in NAMES}


FACTS = {
    "account": 1, "name": 2, "pair": 3, "port": 4, "source": 5, "sender": 6, "call": 7, "what": REGISTER, "proof": 3, "binds": 1,
}  # fmt: skip
PHONE = request_of(**FACTS)
ASKED = request_of(**FACTS | {"account": 0, "proof": 0})
"""The same without credentials."""
ACCEPTED, REFUSED, PENDING = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.PENDING


def asked(payload: bytes | None = None, seconds: float = 0, src: str = STRANGER) -> Examined:
    return PLAIN.examine_raw(datagram(payload or message("REGISTER"), src), LINK_RAW, int(seconds * NANOSECONDS))


def answered(code: int, seconds: float = 0, dst: str = STRANGER, extra: Sequence[tuple[str, str]] = ()) -> Examined:
    text = response(code, "x", change={"CSeq": "314159 REGISTER"}, extra=extra)
    return PLAIN.examine_raw(datagram(text, PBX, dst), LINK_RAW, int(seconds * NANOSECONDS))


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
    assert outcome(PHONE, code) is expected
    assert outcome(ASKED, code) is expected
    assert outcome(PHONE._replace(what=INVITE), code) is ACCEPTED


@pytest.mark.parametrize("code", [401, 407])
@pytest.mark.parametrize("what", [INVITE, REGISTER, OPTIONS])
def test_a_challenge_refuses_only_credentials_on_a_nonce_that_is_good(code: int, what: int) -> None:
    assert outcome(ASKED._replace(what=what), code) is PENDING
    assert outcome(PHONE._replace(what=what), code) is REFUSED
    assert outcome(PHONE._replace(what=what), code, stale=True) is PENDING


@pytest.mark.parametrize("known", [0, 1, 2])
def test_403_refuses_except_a_number_that_a_trusted_caller_may_not_call(known: int) -> None:
    assert outcome(PHONE._replace(known=known), 403) is REFUSED
    assert outcome(ASKED._replace(known=known), 403) is REFUSED
    expected = ACCEPTED if known == 2 else REFUSED
    assert outcome(PHONE._replace(known=known, what=INVITE), 403) is expected


def test_404_refuses_names_but_no_number_that_an_account_calls() -> None:
    assert outcome(PHONE, 404) is REFUSED
    assert outcome(ASKED, 404) is REFUSED
    assert outcome(ASKED._replace(what=INVITE), 404) is REFUSED
    assert outcome(ASKED._replace(what=OPTIONS), 404) is REFUSED
    assert outcome(PHONE._replace(what=INVITE), 404) is ACCEPTED
    # A phone that asks, with credentials as the PBX wants, about somebody who is not there (RFC 3261 21.4.5) has not guessed.
    assert outcome(PHONE._replace(what=OPTIONS), 404) is PENDING


@pytest.mark.parametrize("code", [400, 405, 406, 408, 410, 413, 420, 423, 480, 481, 486, 487, 488, 489, 491])
def test_what_a_callee_or_the_network_did_is_no_refusal(code: int) -> None:
    assert outcome(PHONE, code) is PENDING
    assert outcome(PHONE._replace(what=INVITE), code) is ACCEPTED
    assert outcome(ASKED._replace(what=INVITE), code) is ACCEPTED


@pytest.mark.parametrize("code", [500, 501, 503, 504, 513, 580, 600, 603, 604, 606])
def test_the_faults_of_the_pbx_tell_nothing(code: int) -> None:
    for what in (INVITE, REGISTER, OPTIONS):
        assert outcome(PHONE._replace(what=what), code) is PENDING
        assert outcome(ASKED._replace(what=what), code) is PENDING


# --- pairing -----------------------------------------------------------------------------------------------------------------


def test_an_answer_ends_its_request_once() -> None:
    one = waiting()
    assert one.ended(answered(200)) == (PHONE, ACCEPTED, True)
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
    one = waiting(PHONE._replace(what=INVITE))
    assert one.ended(answered(100)) is None
    found = one.ended(answered(180))
    assert found is not None
    assert found[1:] == (ACCEPTED, True)
    assert found[0].taken == 0
    assert one.ended(answered(183)) is None
    last = one.ended(answered(486))
    assert last is not None
    assert last[0].taken == 1
    assert last[1] is ACCEPTED


@pytest.mark.parametrize("name", ["WWW-Authenticate", "Proxy-Authenticate"])
@pytest.mark.parametrize("written", ["stale=TRUE", 'stale="true"', "Stale = true"])
def test_an_old_nonce_says_nothing_against_him(name: str, written: str) -> None:
    code = 401 if name.startswith("W") else 407
    found = waiting().ended(answered(code, extra=[(name, f'Digest realm="x", nonce="n", {written}')]))
    assert found == (PHONE, PENDING, True)


def test_a_challenge_that_is_not_stale_does() -> None:
    found = waiting().ended(answered(401, extra=[("WWW-Authenticate", 'Digest realm="x", nonce="n", stale=false')]))
    assert found == (PHONE, REFUSED, False)


def test_a_challenge_of_one_without_credentials_leaves_it_open() -> None:
    assert waiting(ASKED).ended(answered(401)) == (ASKED, PENDING, False)


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
