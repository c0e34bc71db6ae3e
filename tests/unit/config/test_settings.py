from dataclasses import Field, fields, is_dataclass
from typing import Any

import pytest

from sipsensor.config.settings import Fallback, Settings
from sipsensor.detect import DETECTORS
from sipsensor.model import Verdict


def every_field(kind: type[Any], prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for item in fields(kind):
        found.append((f"{prefix}{item.name}", item))
        made = item.default_factory() if callable(item.default_factory) else None
        if is_dataclass(made):
            found += every_field(type(made), f"{prefix}{item.name}.")
    return found


FIELDS = every_field(Settings) + [
    (f"detectors.{kind.name}.{name}", item) for kind in DETECTORS for name, item in every_field(kind.settings_type)
]


@pytest.mark.parametrize(("key", "item"), FIELDS, ids=[key for key, _ in FIELDS])
def test_every_key_has_a_doc_line_a_unit_and_a_default(key: str, item: Field[Any]) -> None:
    assert item.metadata["doc"].strip(), key
    assert "unit" in item.metadata, key
    assert "\n" not in item.metadata["doc"]
    assert item.default is not None or callable(item.default_factory) or key.endswith("action")


def test_defaults_are_those_of_the_design() -> None:
    settings = Settings()
    assert settings.mode == "observe"
    assert (settings.network.placement, settings.network.sip_ports) == ("host", (5060,))
    assert (settings.queue.first, settings.queue.length, settings.queue.rules) == (5060, 8192, "auto")
    failure = settings.failure
    assert (failure.on_error, failure.on_full) == (("drop", "accept"),) * 2
    assert failure.on_death == ("accept", "accept")
    assert settings.metrics.listen == "127.0.0.1:9437"
    assert settings.events.file == "/var/log/sipsensor/events.jsonl"


def test_a_fallback_is_a_verdict() -> None:
    assert Fallback.DROP.verdict is Verdict.DROP
    assert Fallback.ACCEPT.verdict is Verdict.ACCEPT


def test_sections_of_other_rooms_cannot_be_filled_by_accident() -> None:
    settings = Settings()
    with pytest.raises(TypeError):
        settings.rules["x"] = None  # type: ignore[index]
