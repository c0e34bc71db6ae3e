"""Cuts, standing, orders and the mode as numbers."""

from __future__ import annotations

from sipsensor.live.lasting import Lasting
from sipsensor.live.memory import Facts
from sipsensor.model import Mode, Scope, Standing
from tests.support.commanding import Commanding
from tests.support.site import Guest


def samples(lasting: Lasting) -> dict[str, float]:
    return {
        " ".join((series.name, *values)): number for series in lasting.series() for values, number in series.samples
    }


def test_what_lasts_is_counted() -> None:
    site = Commanding()
    lasting = Lasting(site.engine, lambda: site.sensor.outlets.evidence, clock=lambda: site.ts)
    before = samples(lasting)
    assert before["cuts_in_force account"] == before["cuts guessing"] == before["standing trusted"] == 0
    site.attack("201")
    site.register(Guest("202", "198.51.100.7"))
    site.order("ban", address="198.51.100.64/28")
    site.order("trust", address="198.51.100.80")
    site.engine.safety.tripped = "they are gone"
    site.engine.policy.mode = Mode.OBSERVE
    site.now += 60
    lasting._facts = lambda: Facts(blocked=3, trusted=4, enforcement_errors=5, store_errors=6)
    after = samples(lasting)
    assert {name: number for name, number in after.items() if number != before[name]} == {
        "cuts_in_force account": 1,
        "cuts guessing": 1,
        "grants": 1,
        "standing trusted": 1,
        "orders ban": 1,
        "orders trust": 1,
        "mode observe": 1,
        "mode enforce": 0,
        "safety_net_tripped": 1,
        "kernel_set_entries blocked": 3,
        "kernel_set_entries trusted": 4,
        "enforcement_errors": 5,
        "store_errors": 6,
        "evidence_bytes": site.sensor.outlets.evidence.bytes,
    }
    assert lasting.standing() == {Standing.PROVEN: 0, Standing.TRUSTED: 1}


def test_the_ledger_is_not_walked_more_than_it_may_cost() -> None:
    site = Commanding()
    lasting = Lasting(site.engine, clock=lambda: site.ts)
    assert lasting.cuts()[Scope.ACCOUNT] == 0
    lasting._due = site.ts + 10**9
    site.attack("201")
    site.now -= 30
    assert lasting.cuts()[Scope.ACCOUNT] == 0
    site.now += 3600
    site.attack("201")
    assert lasting.cuts()[Scope.ACCOUNT] == 1
    site.now += 30 * 86400
    assert lasting.cuts()[Scope.ACCOUNT] == 0


def test_a_cut_that_the_pbx_ends_is_counted() -> None:
    site = Commanding()
    guest = Guest("201")
    site.register(guest)
    site.attack("201")
    assert Lasting(site.engine, clock=lambda: site.ts).cuts()[Scope.ACCOUNT] == 1
    for _ in range(10):
        site.now += 30
        if site.register(guest).code == 200:
            break
    assert site.engine.counters.uncuts == 1
    assert Lasting(site.engine, clock=lambda: site.ts).cuts()[Scope.ACCOUNT] == 0
