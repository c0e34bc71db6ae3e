"""How much of budgets is used."""

from __future__ import annotations

from sipsensor.live import levels
from sipsensor.live.targets import Keys
from tests.support.packets import STRANGER, wide
from tests.support.scanning import PLAIN
from tests.support.site import Guest, site


def test_every_budget_of_a_source_is_told_under_its_name_in_the_configuration() -> None:
    here = site()
    keys = Keys(PLAIN)
    for number in range(5):
        here.register(Guest(f"20{number}"), right=False)
    ports = [keys.port(wide(STRANGER), 5060)]
    used = {
        one.budget: one for one in levels.of_address(here.engine.detectors, keys.of(wide(STRANGER)), ports, 0, here.ts)
    }
    assert used["guessing.source"].used == 5
    assert used["guessing.source_names"].used == 5
    assert used["guessing.network"].used == 5
    assert used["enumeration.sender"].used == 5
    assert used["flood.source"].used == 10
    assert used["flood.register_source"].limit == 20
    assert used["handshakes.sender"].used == 0
    for each in used.values():
        detector, _, key = each.budget.partition(".")
        settings = next(one.settings for one in here.engine.detectors if one.name == detector)  # type: ignore[attr-defined]
        assert getattr(settings, key).count == each.limit
    other = levels.of_address(here.engine.detectors, keys.of(wide("198.51.100.7")), [], 0, here.ts)
    assert {one.used for one in other if one.budget != "guessing.network"} == {0.0}


def test_those_of_an_account() -> None:
    here = site()
    here.register(Guest("201"), right=False)
    here.register(Guest("201", src="198.51.100.7"), right=False)
    used = {
        one.budget: one.as_object()
        for one in levels.of_account(here.engine.detectors, Keys(PLAIN).account("201"), here.ts)
    }
    assert used["guessing.account_everywhere"] == {
        "budget": "guessing.account_everywhere",
        "used": 2.0,
        "limit": 100,
        "seconds": 3600,
    }
