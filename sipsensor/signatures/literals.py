"""The literals that a regular expression cannot match without: what the automaton looks for before google-re2 is asked.

A small reader of the pattern's surface and no parser of its meaning: it only believes runs of plain characters outside groups, classes and
repetitions, so that what it returns is always necessary. A pattern it finds nothing in may be rewritten with its literal part in the open.
"""

from __future__ import annotations

import re

_META = frozenset("\\^$.|?*+()[]{}")
_COUNTED = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")


def required_literals(pattern: str) -> tuple[str, ...]:
    """One literal for each alternative of ``pattern``, the longest one: any match contains at least one of them.

    Empty when some alternative has none. The caller has made sure that the pattern compiles.
    """
    found = [max(_runs(branch), key=len, default="") for branch in _alternatives(pattern)]
    return tuple(dict.fromkeys(found)) if all(found) else ()


def has_inline_flags(pattern: str) -> bool:
    """Does a group set flags or a name, as ``(?i)`` does? Such a flag would say another thing to the automaton than to google-re2."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "(" and pattern[at + 1 : at + 2] == "?" and pattern[at + 2 : at + 3] != ":":
            return True
        at = at + 1 if pattern[at] == "(" else _after(pattern, at)
    return False


def _alternatives(pattern: str) -> list[str]:
    """The pattern split at each ``|`` that stands in no group and no class."""
    branches, start, at = [], 0, 0
    while at < len(pattern):
        if pattern[at] == "|":
            branches.append(pattern[start:at])
            start = at + 1
        at = _after(pattern, at)
    return [*branches, pattern[start:]]


def _after(pattern: str, at: int) -> int:
    """The position after the element that starts at ``at``: an escape, a class, a group or one character."""
    if pattern[at] == "\\":
        return _after_escape(pattern, at)
    if pattern[at] == "[":
        return _after_class(pattern, at)
    if pattern[at] == "(":
        at += 1
        while at < len(pattern) and pattern[at] != ")":
            at = _after(pattern, at)
        return at + 1
    return at + 1


def _after_escape(pattern: str, at: int) -> int:
    r"""``\p{Name}``, ``\x{10FFFF}`` and ``\Q...\E`` reach beyond the letter."""
    letter = pattern[at + 1 : at + 2]
    if letter == "Q":
        end = pattern.find("\\E", at)
        return len(pattern) if end < 0 else end + 2
    if letter in ("p", "P", "x") and pattern[at + 2 : at + 3] == "{":
        return pattern.find("}", at) + 1
    if letter == "x":
        return at + 4
    if letter.isdigit():  # octal; a back reference does not compile
        at += 1
        while at < len(pattern) and pattern[at].isdigit():
            at += 1
        return at
    return at + 2


def _after_class(pattern: str, at: int) -> int:
    at += 1
    if pattern[at : at + 1] == "^":
        at += 1
    first = True
    while at < len(pattern) and (pattern[at] != "]" or first):
        first = False
        if pattern[at : at + 2] == "[:":
            at = pattern.find(":]", at) + 2
        elif pattern[at] == "\\":
            at = _after_escape(pattern, at)
        else:
            at += 1
    return at + 1


def _runs(branch: str) -> list[str]:
    """The runs of plain characters that every match of this branch contains."""
    runs, run, at = [], "", 0
    while at < len(branch):
        end = _after(branch, at)
        plain = _plain(branch[at:end])
        at = _after_repetition(branch, end)
        repeat = branch[end:at]
        if repeat and repeat[0] != "+":  # it may stand there no times
            plain = ""
        run += plain
        if not plain or repeat:
            runs.append(run)
            run = ""
    return [text for text in [*runs, run] if text]


def _plain(element: str) -> str:
    """The character that an element stands for, or nothing.

    ASCII alone, because only there do the automaton and google-re2 fold case alike.
    """
    if len(element) == 1 and element not in _META and element.isascii():
        return element
    if len(element) == 2 and element[0] == "\\" and element[1].isascii() and not element[1].isalnum():  # noqa: PLR2004
        return element[1]
    return ""


def _after_repetition(branch: str, at: int) -> int:
    counted = _COUNTED.match(branch, at)
    if counted:
        at = counted.end()
    while branch[at : at + 1] in ("*", "+", "?"):
        at += 1
    return at
