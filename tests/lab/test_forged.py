"""Floods in the name of a trunk, of a registered phone (its exact address and port) and of an innocent stranger: whatever is sent, all
three work while it goes on, and none of them is ever cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.lab.forging import KINDS, SETTINGS, Scene, all_work_during, answer, nobody_is_cut, scene_at
from tests.lab.guarded import guarded
from tests.lab.network import PBX
from tests.lab.softphone import Challenge, Forger

_numbers = itertools.count(9_000_000)


@pytest.fixture(scope="module")
def scene(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:  # noqa: ARG001
    """One for all kinds: each finds the budgets as the others left them."""
    with guarded(tmp_path_factory.mktemp("forged"), more=SETTINGS) as site, scene_at(site) as made:
        yield made


@pytest.fixture
def fresh_start() -> None:
    """The sensor of the module goes on from test to test."""


@pytest.mark.parametrize(
    ("count", "rate"), [(2000, 2500), pytest.param(100_000, 1500, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
@pytest.mark.parametrize("kind", KINDS)
def test_everybody_works_during_it_and_nobody_is_cut(scene: Scene, kind: str, count: int, rate: int) -> None:
    all_work_during(scene, kind, count, rate)


def test_answers_in_the_name_of_the_pbx(scene: Scene) -> None:
    with Forger(scene.site.network.outside) as forger:
        for number in range(1000):
            made = answer((401, 200)[number % 2])(scene.phone.end, next(_numbers), Challenge("lab", "invented"))
            forger.send(("10.71.2.9", 5060), made, PBX[4])
    scene.works()
    assert scene.site.running.metric('sipsensor_drops_total{reason="SPOOFED"}') >= 1000
    nobody_is_cut(scene)
