from dataclasses import fields
from pathlib import Path

from sipsensor.config.detectors import ABOUT, render
from sipsensor.config.load import detector_settings
from sipsensor.detect import DETECTORS


def test_the_page_in_docs_is_what_the_program_says(repository: Path) -> None:
    page = repository / "docs" / "detectors.md"
    assert page.read_text(encoding="utf-8") == render(), "run: make reference"


def test_every_detector_and_setting_has_its_words() -> None:
    assert list(ABOUT) == [kind.name for kind in DETECTORS]
    for name, settings in detector_settings().items():
        assert set(ABOUT[name].sources) == {item.name for item in fields(settings)} - {"action"}, name


def test_no_words_are_left_of_a_rule_that_went() -> None:
    for kind in DETECTORS:
        if ABOUT[kind.name].drops:
            assert set(ABOUT[kind.name].drops) == {rule.id for rule in vars(kind)["rules"]}
