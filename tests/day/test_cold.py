"""Everything at once: power and PBX come back together, for a sensor that knows the phones and for one that knows nobody."""

from __future__ import annotations

from random import Random

import pytest

from sipsensor.app import REPLAY_SEED, build_engine
from sipsensor.config.load import defaults
from sipsensor.model import Mode
from tests.day.phone import KINDS, Phone
from tests.day.registrar import ASTERISK, FREESWITCH, KAMAILIO, Flavour, Registrar
from tests.day.wire import Clock, Process

OFFICE = "203.0.113.99"


def boots(phone: Phone, after: float, registered: dict[str, float]) -> Process:
    """Switched on, and at it until it is registered: again after a while when nobody answers."""
    yield after
    phone.boots()
    while phone.account not in registered:
        if (yield from phone.registers()) == 200:
            registered[phone.account] = phone.clock.seconds
        yield phone.random.uniform(5, 30)


def restarts(registrar: Registrar, seconds: float) -> Process:
    registrar.down = True
    yield seconds
    registrar.down, registrar.epoch, registrar.slow = False, 1, 0.3
    yield 60
    registrar.slow = 0


@pytest.mark.parametrize("flavour", [ASTERISK, KAMAILIO, FREESWITCH], ids=lambda flavour: flavour.server[:8])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_an_office_and_its_pbx_come_back_together(flavour: Flavour, *, known: bool) -> None:
    clock, random = Clock(), Random(3)
    registrar = Registrar(clock, random, "192.0.2.10", flavour)
    phones = [
        Phone(clock, random, registrar, str(500 + place), (OFFICE, 40000 + place), KINDS[place % len(KINDS)])
        for place in range(60)
    ]
    before, after = dict[str, float](), dict[str, float]()
    for phone in phones:
        if known:
            clock.spawn(boots(phone, random.uniform(0, 60), before))
        clock.spawn(boots(phone, 200 + random.uniform(0, 5), after))
    clock.spawn(_later(restarts(registrar, 40), 199))
    engine = build_engine(defaults(), mode=Mode.ENFORCE, protected=["192.0.2.10"], seed=REPLAY_SEED)
    dropped = []
    for sent, packet in clock.run(600):
        decision = engine.process(packet)
        sent.dropped = bool(decision.effect)
        if decision.effect:
            dropped.append(f"{clock.seconds:.1f} {sent.who} {decision.reason} {decision.rule}")
    assert not dropped
    assert not list(engine.ledger.cuts(clock.now))
    assert len(after) == len(phones)
    assert max(after.values()) < 239 + 60


def _later(process: Process, seconds: float) -> Process:
    yield seconds
    yield from process
