"""Sixty phones behind one address, one of them with a wrong password that it tries for an hour: the others lose nothing."""

from __future__ import annotations

from random import Random

import pytest

from sipsensor.app import REPLAY_SEED, build_engine
from sipsensor.config.load import defaults
from sipsensor.model import Mode
from tests.day.phone import KINDS, Phone
from tests.day.registrar import ASTERISK, CHAN_SIP, FREESWITCH, KAMAILIO, Flavour, Registrar
from tests.day.wire import Clock, Process

OFFICE = "203.0.113.99"
HOUR = 3600
CORRECTED = HOUR + 90


def again(phone: Phone, every: float) -> Process:
    """Registers, and tries again at its own pace whatever comes of it."""
    yield phone.random.uniform(0, 30)
    phone.boots()
    while True:
        yield from phone.registers()
        yield every if not (phone.right and phone.let_in) else phone.random.uniform(150, 250)


def corrected(phone: Phone, clock: Clock) -> Process:
    """Its password is put right, and it is told so: it registers at once, and every five seconds until it is in."""
    yield CORRECTED
    phone.right, phone.corrected = True, clock.seconds
    while not phone.let_in:
        yield from phone.registers()
        yield 5


@pytest.mark.parametrize("flavour", [ASTERISK, KAMAILIO, FREESWITCH, CHAN_SIP], ids=lambda flavour: flavour.server[:8])
@pytest.mark.parametrize("every", [5, 30, 120])
def test_the_others_lose_nothing_and_the_corrected_password_is_in_within_a_minute(
    flavour: Flavour, every: float
) -> None:
    clock, random = Clock(), Random(7)
    registrar = Registrar(clock, random, "192.0.2.10", flavour)
    phones = [
        Phone(
            clock, random, registrar, str(500 + place), (OFFICE, 40000 + place), KINDS[place % len(KINDS)], expires=300
        )
        for place in range(60)
    ]
    wrong = phones[13]
    for phone in phones:
        clock.spawn(again(phone, every))
    clock.spawn(forgets(wrong), 120)
    clock.spawn(corrected(wrong, clock))
    engine = build_engine(defaults(), mode=Mode.ENFORCE, protected=["192.0.2.10"], seed=REPLAY_SEED)
    guesses, lost = 0, list[str]()
    for sent, packet in clock.run(CORRECTED + 120):
        decision = engine.process(packet)
        sent.dropped = bool(decision.effect)
        if decision.effect and sent.who != wrong.who:
            lost.append(
                f"{clock.seconds:.1f} {sent.who} {decision.reason} {decision.rule.slug if decision.rule else None}"
            )
        guesses += sent.bad and not sent.dropped and not wrong.right
    assert not lost
    assert wrong.let_in
    # Who says to nobody that a nonce was old takes a probe for it, and the right one with the next.
    assert wrong.waited <= (60 if flavour.stale else 115)
    assert {cut.account != 0 for _, cut in engine.ledger.cuts(clock.now)} <= {True}
    if every < 120:
        assert 0 < guesses < HOUR / every


def forgets(phone: Phone) -> Process:
    """Somebody changes its password on the PBX."""
    phone.right = phone.let_in = False
    yield 0
