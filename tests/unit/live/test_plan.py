from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sipsensor.config.errors import ConfigError
from sipsensor.config.load import defaults
from sipsensor.config.settings import Fallback, Placement, Settings
from sipsensor.live import plan
from sipsensor.live.page import Lane
from sipsensor.live.plan import accepts_unjudged, accepts_unserved, kernel_plan
from sipsensor.model import Mode


def settings(mode: Mode = Mode.ENFORCE, **sections: dict[str, Any]) -> Settings:
    made = replace(defaults(), mode=mode)
    return replace(made, **{name: replace(getattr(made, name), **values) for name, values in sections.items()})


@pytest.fixture(autouse=True)
def routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        plan, "inside_names", lambda named, protected: tuple(named) or tuple(f"to-{net}" for net in protected)
    )


def test_a_host_by_default() -> None:
    made = kernel_plan(settings())
    assert (made.placement, made.queue, made.ports, made.protected, made.inside) == ("host", 5060, (4569, 5060), (), ())
    assert (made.bypass, made.rate, made.overflow, made.mark) == ((True, True), 50000, "drop", 0x30000000)


def test_a_gateway_finds_its_inside() -> None:
    network = {"placement": Placement.GATEWAY, "protected": ("192.0.2.1",), "public": ("203.0.113.5",)}
    made = kernel_plan(settings(network=network))
    assert (made.placement, made.protected, made.inside) == ("gateway", ("192.0.2.1", "203.0.113.5"), ("to-192.0.2.1",))


def test_public_addresses_alone_do_not_take_the_place_of_every_address() -> None:
    assert kernel_plan(settings(network={"public": ("203.0.113.5",)})).protected == ()


def test_what_cannot_be_judged_is_treated_as_the_settings_say() -> None:
    made = kernel_plan(
        settings(failure={"on_death": (Fallback.DROP, Fallback.ACCEPT), "on_full": (Fallback.ACCEPT, Fallback.DROP)})
    )
    assert (made.bypass, made.overflow) == ((False, True), "accept")


def test_in_observe_mode_nothing_is_ever_dropped() -> None:
    closed = settings(failure={"on_death": (Fallback.DROP, Fallback.DROP)})
    assert kernel_plan(closed).bypass == (False, False)
    made = kernel_plan(replace(closed, mode=Mode.OBSERVE))
    assert (made.bypass, made.overflow) == ((True, True), "accept")


def test_the_allowlist_is_trusted() -> None:
    assert kernel_plan(settings(trust={"allowlist": ("198.51.100.0/24",)})).trusted == ("198.51.100.0/24",)


@pytest.mark.parametrize("name", ['a"b', "lan*", "a\\b"])
def test_an_interface_that_no_rule_can_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no rule can name this interface") as caught:
        kernel_plan(settings(network={"placement": Placement.GATEWAY, "inside": (name,)}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", Mode)
def test_what_passes_unjudged_is_as_it_was_set_and_in_observe_mode_everything(mode: Mode) -> None:
    failure = {
        "on_full": (Fallback.DROP, Fallback.ACCEPT),
        "on_death": (Fallback.ACCEPT, Fallback.DROP),
    }
    made, observes = settings(mode, failure=failure), mode is Mode.OBSERVE
    assert [accepts_unjudged(made, lane) for lane in Lane] == [observes, True]
    assert [accepts_unserved(made, lane) for lane in Lane] == [True, observes]


def test_each_limit_has_its_setting() -> None:
    made = kernel_plan(settings())
    assert (made.source_rate, made.trusted_rate, made.trunk_rate, made.proxies) == (500, 30, 1000, ())
    text = {"source_rate": 1, "trusted_rate": 0, "trunk_rate": 3}
    made = kernel_plan(settings(queue=text, network={"proxies": ("192.0.2.9",)}))
    assert (made.source_rate, made.trusted_rate, made.trunk_rate, made.proxies) == (1, 0, 3, ("192.0.2.9",))
