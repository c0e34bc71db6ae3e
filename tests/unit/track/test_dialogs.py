from sipsensor.fastpath.examined import Examined
from sipsensor.model import NANOSECONDS
from sipsensor.track.dialogs import DIALOG_SECONDS, Dialogs
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response
from tests.support.scanning import PLAIN

OTHER = "203.0.113.77"
TAGGED: dict[str, str | None] = {"To": "<sip:bob@example.com>;tag=pbx"}


def answer(change: dict[str, str | None] | None = None, to: str = STRANGER) -> Examined:
    return PLAIN.examine_raw(datagram(response(200, change={**TAGGED, **(change or {})}), PBX, to), LINK_RAW, 0)


def ack(change: dict[str, str | None] | None = None, src: str = STRANGER, seconds: int = 0) -> Examined:
    text = message("ACK", change={**TAGGED, **(change or {})})
    return PLAIN.examine_raw(datagram(text, src), LINK_RAW, seconds * NANOSECONDS)


def proves(one: Dialogs, examined: Examined) -> bool:
    return one.proves(examined, examined.address_key(False))


def answered(examined: Examined | None = None) -> Dialogs:
    one = Dialogs(capacity=64)
    examined = examined or answer()
    one.answered(examined, examined.address_key(True))
    return one


def test_who_comes_with_the_tag_that_went_to_him_is_proven() -> None:
    one = answered()
    assert proves(one, ack())
    assert proves(one, ack(seconds=DIALOG_SECONDS - 1))
    assert not proves(one, ack(seconds=DIALOG_SECONDS))


def test_another_address_tag_or_call_proves_nothing() -> None:
    one = answered()
    assert not proves(one, ack(src=OTHER))
    assert not proves(one, ack({"To": "<sip:bob@example.com>;tag=guessed"}))
    assert not proves(one, ack({"To": "<sip:bob@example.com>"}))
    assert not proves(one, ack({"Call-ID": "another"}))
    assert not proves(one, ack({"Call-ID": None}))


def test_an_answer_without_a_tag_or_a_call_is_not_kept() -> None:
    assert answered(answer({"To": "<sip:bob@example.com>"})).table.fill == 0
    assert answered(answer({"Call-ID": None})).table.fill == 0


def test_it_is_bounded() -> None:
    one = Dialogs(capacity=64)
    for number in range(1000):
        examined = answer({"Call-ID": f"c{number}"})
        one.answered(examined, 1)
    (table,) = one.tables()
    assert (table.name, table.entries, table.capacity) == ("dialogs", 64, 64)
