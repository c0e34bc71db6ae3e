"""The one exception of configuration: all that is wrong, a line each."""

from __future__ import annotations

from collections.abc import Sequence


class ConfigError(Exception):
    """The configuration cannot be used. ``lines`` has one text per fault: ``FILE: key.path: what is wrong; remedy``."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)
