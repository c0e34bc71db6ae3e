import pytest

from sipsensor.detect.handshakes import UNFINISHED, Handshakes, HandshakesSettings
from sipsensor.model import Limit, Reason, Verdict
from tests.support.site import Guest, Site, site

ATTACKER = "203.0.113.66"


def handshakes(count: int = 10) -> Site:
    return site(Handshakes(HandshakesSettings(sender=Limit(count, 60))))


def begin(one: Site, count: int, guest: Guest | None = None, code: int = 401, method: str = "REGISTER") -> int:
    """How many requests reach the PBX and are left unfinished."""
    guest = guest or Guest(src=ATTACKER)
    reached = 0
    for _ in range(count):
        decision, number = one.ask(guest, method)
        if decision.verdict is Verdict.ACCEPT:
            reached += 1
            if code:
                one.answer(guest, number, code, method, nonce=f"n{number}" if code in {401, 407} else "")
    return reached


@pytest.mark.parametrize("code", [401, 407, 0])
@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"])
def test_who_never_finishes_is_held_at_the_limit(code: int, method: str) -> None:
    one = handshakes()
    assert begin(one, 100, code=code, method=method) == 10
    decision, _ = one.ask(Guest(src=ATTACKER), method)
    assert decision.reason is Reason.LIMIT
    (alert,) = decision.alerts
    assert (alert.rule, alert.scope, alert.evidence) == (UNFINISHED, None, {"limit": 10, "seconds": 60})
    assert not one.engine.ledger.table.fill


def test_who_finishes_pays_nothing() -> None:
    one = handshakes(2)
    for number in range(50):
        assert one.register(Guest(str(number), src="198.51.100.9"), right=number % 2 == 0).reached


@pytest.mark.parametrize("code", [200, 404, 403, 486, 503])
def test_what_the_pbx_deals_with_is_finished(code: int) -> None:
    assert begin(handshakes(2), 50, code=code, method="OPTIONS") == 50


def test_credentials_on_anothers_nonce_finish_nothing() -> None:
    one = handshakes()
    for _ in range(9):
        begin(one, 1)
        one.ask(Guest(src=ATTACKER), nonce="elsewhere")
    assert begin(one, 50) == 1


def test_credentials_without_a_beginning_buy_nothing() -> None:
    """A refund never makes a budget larger than it is."""
    one = handshakes()
    guest = Guest(src=ATTACKER)
    _, number = one.ask(guest)
    one.answer(guest, number, 401, nonce="n")
    for _ in range(100):
        one.ask(guest, nonce="n")
    assert begin(one, 100) == 10


def test_each_sender_has_a_limit_of_his_own() -> None:
    one = handshakes()
    begin(one, 100)
    assert begin(one, 100, Guest(src=ATTACKER, port=5061)) == 10
    assert begin(one, 100, Guest(src="203.0.113.67")) == 10


def test_a_known_account_is_not_charged() -> None:
    one = handshakes()
    phone = Guest("555", src="198.51.100.9")
    assert one.register(phone).reached
    assert begin(one, 100, phone) == 100


def test_retransmissions_let_an_office_boot() -> None:
    one = handshakes(5)
    guests = [Guest(str(number), src="198.51.100.9") for number in range(10)]
    numbers = [next(one.numbers) for _ in guests]
    assert [one.ask(g, number=n)[0].verdict for g, n in zip(guests, numbers, strict=True)].count(Verdict.DROP) == 5
    one.now += 60
    verdicts = [one.ask(g, number=n)[0].verdict for g, n in zip(guests[5:], numbers[5:], strict=True)]
    assert verdicts == [Verdict.ACCEPT] * 5


def test_acks_and_byes_are_no_handshakes() -> None:
    one = handshakes(1)
    for method in ("ACK", "BYE", "CANCEL", "PRACK", "INFO"):
        assert [one.ask(Guest(), method)[0].verdict for _ in range(5)] == [Verdict.ACCEPT] * 5


def test_its_state_is_bounded() -> None:
    detector = Handshakes(HandshakesSettings(entries=64))
    one = site(detector)
    for number in range(500):
        begin(one, 1, Guest(src=f"198.51.{number // 200}.{number % 200 + 1}"))
    (table,) = detector.tables()
    assert (table.name, table.entries, table.capacity) == ("handshakes", 64, 64)
