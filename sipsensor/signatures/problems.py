"""Collects what is wrong with a signature file, one line each, so that an author sees all of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_NAMES: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}


class Problems:
    """A place in a file (``where``) and the list that all places of that file share."""

    def __init__(self, where: str, lines: list[str] | None = None) -> None:
        self.where = where
        self.lines: list[str] = [] if lines is None else lines

    def at(self, where: str) -> Problems:
        """The same list with another place in front of each line."""
        return Problems(where, self.lines)

    def add(self, key: str, what: str) -> None:
        """Note that ``key`` is wrong; ``what`` says how, and what to write instead."""
        self.lines.append(f"{self.where}: {key}: {what}" if key else f"{self.where}: {what}")

    def take(self, table: Mapping[str, Any], key: str, kind: type[T], path: str = "") -> T | None:
        """The value of ``key``, or None with a problem noted when it is missing or of another type."""
        name = path or key
        if key not in table:
            self.add(name, f"missing; write {_NAMES[kind]}")
            return None
        value = table[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.add(name, f"{shown(value)} is not {_NAMES[kind]}; write {_NAMES[kind]}")
            return None
        return value

    def choose(self, table: Mapping[str, Any], key: str, choices: Iterable[str], path: str = "") -> str | None:
        """A text that is one of ``choices``."""
        value = self.take(table, key, str, path)
        if value is not None and value not in choices:
            self.add(path or key, f"{shown(value)} is unknown; one of {', '.join(sorted(choices))}")
            return None
        return value

    def unknown(self, table: Mapping[str, Any], known: Iterable[str], path: str = "") -> None:
        """Note every key that nobody reads."""
        for key in table:
            if key not in known:
                self.add(f"{path}{key}", f"unknown key; known are {', '.join(sorted(known))}")


def shown(value: object) -> str:
    """A value from a file, short and in one line."""
    text = repr(value) if not isinstance(value, str) else '"' + value.encode("unicode_escape").decode() + '"'
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004
