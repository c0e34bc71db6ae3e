"""The configuration reference, made from the settings themselves: ``python -m sipsensor.config.reference >
docs/reference/configuration.md``.

A test compares the file with what this module renders, so the two cannot drift apart.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from sipsensor.config.load import defaults, detector_settings
from sipsensor.config.settings import RuleSettings, Settings
from sipsensor.model import Limit

HEAD = """# Configuration reference

One TOML file, given with `--config`. Every key has a default, so an empty file is a valid one; an unknown key is an error.
`sipsensor check --config FILE` says what is wrong with a file, and what it would do.

Do not edit this page: `python -m sipsensor.config.reference > docs/reference/configuration.md` makes it from the program.
"""


class Key(NamedTuple):
    """One key of the file. ``section`` is empty for keys above all sections; ``default`` is TOML."""

    section: str
    name: str
    default: str
    unit: str
    doc: str


def toml(value: object) -> str:
    """A setting's value as it is written in the file."""
    if isinstance(value, Limit):
        return f"{{ count = {value.count}, seconds = {value.seconds} }}"
    if isinstance(value, Enum):
        return toml(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple | list | frozenset):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def keys() -> Iterator[Key]:
    """Every key of the file in order, sections of detectors included."""
    settings = defaults()
    for item in fields(Settings):
        value = getattr(settings, item.name)
        if item.name == "detectors":
            for name in detector_settings():
                yield from _section(f"detectors.{name}", value[name])
        elif item.name == "rules":
            yield from _section('rules."<slug>"', RuleSettings())
        elif is_dataclass(value):
            yield from _section(item.name, value)
        else:
            yield Key("", item.name, toml(value), _unit(item.metadata, value), item.metadata["doc"])


def _section(section: str, settings: Any) -> Iterator[Key]:  # noqa: ANN401
    for item in fields(settings):
        value = getattr(settings, item.name)
        default = "not set" if value is None else toml(value)
        yield Key(section, item.name, default, _unit(item.metadata, value), item.metadata["doc"])


def _unit(metadata: Any, value: object) -> str:  # noqa: ANN401
    unit = str(metadata.get("unit", ""))
    if unit:
        return unit
    if isinstance(value, Limit):
        return "events, seconds"
    return "switch" if isinstance(value, bool) else ""


def _section_doc(section: str) -> str:
    name, _, detector = section.partition(".")
    if name == "detectors":
        return _first_line(detector_settings()[detector])
    return str(next(item.metadata["doc"] for item in fields(Settings) if item.name == name))


def _first_line(kind: type[Any]) -> str:
    text = (kind.__doc__ or "").strip().splitlines()
    return text[0] if text else ""


def render() -> str:
    """The whole page as Markdown."""
    lines = [HEAD]
    open_section = None
    for key in keys():
        if key.section != open_section:
            open_section = key.section
            lines.append(
                f"\n## `[{key.section}]`\n\n{_section_doc(key.section)}\n"
                if key.section
                else "\n## Above all sections\n"
            )
            lines.append("| key | default | unit | what it does |\n| --- | --- | --- | --- |")
        unit, doc = (text.replace("|", "\\|") for text in (key.unit, key.doc))
        lines.append(f"| `{key.name}` | `{key.default}` | {unit} | {doc} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page to standard output, or to the file that is named."""
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(render(), encoding="utf-8")
    else:
        sys.stdout.write(render())


if __name__ == "__main__":
    main()
