"""What every detector of the house keeps to."""

import dataclasses
from typing import Any

import pytest

from sipsensor.detect import DETECTORS
from sipsensor.detect.base import Services
from sipsensor.detect.kinds import kinds_of
from sipsensor.model import KINDS, Action, Family, Reason, Rule, When
from sipsensor.signatures import compile_signatures, load

SERVICES = Services(compile_signatures(load()))
KINDS_OF_DETECTORS: tuple[Any, ...] = DETECTORS


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_detector_is_made_of_its_settings_and_services(kind: Any) -> None:  # noqa: ANN401
    settings = kind.settings_type()
    detector = kind(settings, SERVICES)
    assert dataclasses.is_dataclass(settings)
    assert settings.action is None  # type: ignore[union-attr]
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.action = Action.OFF  # type: ignore[union-attr]
    assert all(field.metadata.get("doc") and field.metadata.get("unit") for field in dataclasses.fields(settings))
    assert detector.rules
    assert detector.observe.__doc__
    detector.tick(10**18)
    names = [table.name for table in detector.tables()]
    assert len(set(names)) == len(names)
    assert all(name.startswith(detector.name) for name in names)


@pytest.mark.parametrize("kind", DETECTORS)
def test_its_interests_are_kinds(kind: Any) -> None:  # noqa: ANN401
    detector = kind(kind.settings_type(), SERVICES)
    assert detector.interests
    for interest in detector.interests:
        assert interest.when in When
        assert all(0 <= number < KINDS for number in kinds_of(interest))


def test_rules_have_ids_and_slugs_of_their_own_within_the_ranges_of_the_house() -> None:
    rules: list[Rule] = [rule for kind in KINDS_OF_DETECTORS for rule in kind(kind.settings_type(), SERVICES).rules]
    assert len({rule.id for rule in rules}) == len({rule.slug for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.slug.split(".")[0] == rule.family
        assert len(rule.slug.split(".")) == 3
        assert 1 <= rule.severity <= 5
        assert rule.reason not in (Reason.NONE, Reason.ALLOWLISTED, Reason.INCOMPLETE, Reason.NOT_OURS)
        first, last = {
            Family.MALFORMED: (4000, 4999),
            Family.FLOOD: (5000, 5999),
            Family.GUESSING: (5000, 5999),
            Family.ENUMERATION: (5000, 5999),
            Family.REFLECTION: (5000, 5999),
            Family.IAX2: (5000, 6999),
            Family.EVASION: (7000, 7999),
        }.get(rule.family, (1000, 3999))
        assert first <= rule.id <= last, rule


def test_names_are_the_keys_of_the_settings() -> None:
    assert [kind.name for kind in DETECTORS] == [
        "scanner",
        "malformed",
        "guessing",
        "enumeration",
        "handshakes",
        "flood",
        "frames",
    ]
