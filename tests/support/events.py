"""The published schema of events, and what a test asks of a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "event.schema.json"


def validator() -> Draft202012Validator:
    """Checks one event."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def assert_valid(events: Iterable[dict[str, Any]]) -> None:
    """Every event has the published shape."""
    checker = validator()
    for event in events:
        faults = [
            f"{'/'.join(map(str, inner.absolute_path))}: {inner.message}"
            for fault in checker.iter_errors(event)
            for inner in (fault.context or [fault])
        ]
        assert not faults, f"{json.dumps(event)}\n" + "\n".join(faults)
