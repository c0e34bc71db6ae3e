"""Reads a rule's ``match``: a table that is a leaf (kind, field, value, view) or one of all, any, not over others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import re2

from sipsensor.fastpath import names
from sipsensor.signatures.literals import has_inline_flags, required_literals
from sipsensor.signatures.problems import Problems, shown
from sipsensor.signatures.schema import (
    ANCHORS,
    KINDS,
    MAX_DEPTH,
    MAX_NUMBER,
    MAX_PATTERN,
    MIN_LITERAL,
    NUMBER_KINDS,
    ORDERS,
    TAG_FORMS,
    TEXT_KINDS,
    Leaf,
    Node,
    Tree,
    Value,
)

ALL_HEADERS = "*"
"""The field of a count that means every header line."""

_COMBINATIONS = ("all", "any", "not")
_LEAF_KEYS = frozenset(["kind", "field", "value", "view", "cased", "how"])
_VIEWS = ("norm", "raw")


def read_tree(table: object, problems: Problems, path: str = "match", depth: int = 0) -> Tree | None:
    """The tree of a ``match`` table; None when a problem was noted."""
    if not isinstance(table, dict) or not table:
        problems.add(path, f"{shown(table)} is not a table; write {{ kind = ..., field = ..., value = ... }}")
        return None
    combination = next((name for name in _COMBINATIONS if name in table), None)
    if combination is None:
        return _read_leaf(table, problems, path)
    if depth == MAX_DEPTH:
        problems.add(path, f"all, any and not are nested more than {MAX_DEPTH} deep; split the rule")
        return None
    before = len(problems.lines)
    problems.unknown(table, [combination], f"{path}.")
    node = _read_node(combination, table[combination], problems, f"{path}.{combination}", depth)
    return node if len(problems.lines) == before else None


def _read_node(kind: str, inside: object, problems: Problems, path: str, depth: int) -> Tree | None:
    if kind == "not":
        part = read_tree(inside, problems, path, depth + 1)
        return None if part is None else Node("not", (part,))
    if not isinstance(inside, list) or not inside:
        problems.add(path, "needs a list of at least one comparison")
        return None
    parts = [read_tree(part, problems, f"{path}[{number}]", depth + 1) for number, part in enumerate(inside)]
    return Node(kind, tuple(part for part in parts if part is not None)) if None not in parts else None


def _read_leaf(table: Mapping[str, Any], problems: Problems, path: str) -> Leaf | None:
    """A leaf, checked whole: what does not apply to its kind is refused, so that nobody believes it has an effect."""
    before = len(problems.lines)
    problems.unknown(table, _LEAF_KEYS, f"{path}.")
    kind = problems.choose(table, "kind", KINDS, f"{path}.kind")
    if kind is None:
        return None
    field = _field(kind, table, problems, path)
    how = _how(kind, table, problems, path)
    raw = kind in TEXT_KINDS and _view(table, problems, path)
    cased = kind in TEXT_KINDS and "cased" in table and bool(problems.take(table, "cased", bool, f"{path}.cased"))
    for key in ("view", "cased"):
        if key in table and kind not in TEXT_KINDS:
            problems.add(f"{path}.{key}", f"has no effect on {kind}; leave it out")
    reader = _READERS.get(kind, _read_nothing)
    value = reader(table, problems, f"{path}.value")
    if len(problems.lines) > before:
        return None
    leaf = Leaf(kind, field, value, raw, cased, how)
    _check_reachable(leaf, problems, f"{path}.value")
    return leaf if len(problems.lines) == before else None


def _field(kind: str, table: Mapping[str, Any], problems: Problems, path: str) -> str:
    """The field's name in its canonical spelling; kinds without a field give an empty one."""
    where = f"{path}.field"
    if kind in ("order", "anomaly"):
        if "field" in table:
            problems.add(where, f"has no effect on {kind}; leave it out")
        return ""
    field = problems.take(table, "field", str, where)
    if field is None or (field == ALL_HEADERS and kind == "count"):
        return field or ""
    known = names.HEADERS if kind == "count" else names.FIELDS
    if field not in known:
        hint = "a header field's name, or * for all" if kind == "count" else "see the fields in docs/signatures.md"
        problems.add(where, f"{shown(field)} is no field that {kind} can read; {hint}")
    elif kind == "sipvicious-tag" and not field.endswith(".tag"):
        problems.add(where, f"{shown(field)} is no tag; from.tag or to.tag")
    return field


def _how(kind: str, table: Mapping[str, Any], problems: Problems, path: str) -> str:
    choices = {"any-of": ANCHORS, "order": ORDERS}.get(kind)
    if choices is None:
        if "how" in table:
            problems.add(f"{path}.how", f"has no effect on {kind}; leave it out")
        return ""
    if "how" not in table:
        return choices[0]
    return problems.choose(table, "how", choices, f"{path}.how") or ""


def _view(table: Mapping[str, Any], problems: Problems, path: str) -> bool:
    return "view" in table and problems.choose(table, "view", _VIEWS, f"{path}.view") == "raw"


def _read_nothing(table: Mapping[str, Any], problems: Problems, path: str) -> Value:
    if "value" in table:
        problems.add(path, f"has no effect on {table['kind']}; leave it out")
    return None


def _read_text(table: Mapping[str, Any], problems: Problems, path: str) -> Value:
    text = problems.take(table, "value", str, path)
    if text is not None:
        _check_literal(text, problems, path)
    return text


def _read_texts(table: Mapping[str, Any], problems: Problems, path: str) -> Value:
    texts = problems.take(table, "value", list, path)
    if texts is None or not texts or not all(isinstance(text, str) for text in texts):
        problems.add(path, "needs a list of texts")
        return None
    for text in texts:
        _check_literal(text, problems, path)
    if len(set(texts)) != len(texts):
        problems.add(path, "lists a text twice; leave one out")
    return tuple(texts)


def _check_literal(text: str, problems: Problems, path: str) -> None:
    if not text:
        problems.add(path, "is empty; ask for length 0, or for present or absent")
    elif len(text.encode()) > MAX_PATTERN:
        problems.add(path, f"is longer than {MAX_PATTERN} bytes; match its characteristic part")


def _read_pattern(table: Mapping[str, Any], problems: Problems, path: str) -> Value:
    """A regular expression as bytes meet it.

    Unsafe is what google-re2 refuses, what is too long, and what has no literal to look for first.
    """
    pattern = problems.take(table, "value", str, path)
    if pattern is None:
        return None
    if len(pattern) > MAX_PATTERN:
        problems.add(path, f"unsafe pattern: longer than {MAX_PATTERN} characters; shorten it")
    elif not pattern.isascii():
        problems.add(path, "unsafe pattern: not ASCII; write other bytes as \\x and two hex digits")
    elif not _compiles(pattern, problems, path):
        pass
    elif has_inline_flags(pattern):
        problems.add(
            path, "unsafe pattern: a group sets flags or a name; use (?:...), and cased for the case of letters"
        )
    else:
        literals = required_literals(pattern)
        if not literals or min(map(len, literals)) < MIN_LITERAL:
            problems.add(
                path,
                f"unsafe pattern: not every alternative contains {MIN_LITERAL} plain characters outside groups, classes and repetitions; "
                "put some in the open",
            )
    return pattern


def _compiles(pattern: str, problems: Problems, path: str) -> bool:
    try:
        compile_pattern(pattern, cased=True)
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        problems.add(path, f"unsafe pattern: google-re2 refuses it ({text}); simplify it")
        return False
    return True


def compile_pattern(pattern: str, *, cased: bool) -> Any:  # noqa: ANN401
    """google-re2 over bytes, silent about errors on standard error. Raises ``re2.error``."""
    options = re2.Options()
    options.case_sensitive = cased
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(pattern.encode(), options)


def _read_bounds(table: Mapping[str, Any], problems: Problems, path: str) -> Value:
    """A whole number, or a table with min, max or both; inclusive."""
    value = table.get("value")
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER:
        return (value, value)
    if not isinstance(value, dict) or not value:
        problems.add(path, "needs a whole number, or a table with min, max or both")
        return None
    problems.unknown(value, ["min", "max"], f"{path}.")
    low = problems.take(value, "min", int, f"{path}.min") if "min" in value else 0
    high = problems.take(value, "max", int, f"{path}.max") if "max" in value else MAX_NUMBER
    if low is None or high is None:
        return None
    if not 0 <= low <= high <= MAX_NUMBER:
        problems.add(path, f"min {low} to max {high} holds no number; 0 <= min <= max <= {MAX_NUMBER}")
    return (low, high)


def _read_order(table: Mapping[str, Any], problems: Problems, path: str) -> Value:
    fields = problems.take(table, "value", list, path)
    if fields is None:
        return None
    unknown = [field for field in fields if field not in names.HEADERS]
    if unknown or len(fields) < 2:  # noqa: PLR2004
        problems.add(
            path,
            f"needs at least two names of header fields in lower case; unknown: {', '.join(map(shown, unknown)) or 'none'}",
        )
        return None
    return tuple(fields)


def _read_other_field(table: Mapping[str, Any], problems: Problems, path: str) -> Value:
    other = problems.take(table, "value", str, path)
    if other is not None and (other not in names.FIELDS or other == table.get("field")):
        problems.add(path, f"{shown(other)} is no other field; see the fields in docs/signatures.md")
    return other


_READERS: dict[str, Callable[[Mapping[str, Any], Problems, str], Value]] = {
    **dict.fromkeys(["equal", "prefix", "suffix", "contains"], _read_text),
    **dict.fromkeys(NUMBER_KINDS, _read_bounds),
    "any-of": _read_texts,
    "regex": _read_pattern,
    "order": _read_order,
    "equal-fields": _read_other_field,
    "sipvicious-tag": lambda table, problems, path: problems.choose(table, "value", TAG_FORMS, path),
    "anomaly": lambda table, problems, path: problems.choose(table, "value", names.ANOMALIES, path),
}


def _check_reachable(leaf: Leaf, problems: Problems, path: str) -> None:
    """A text with doubled or outer white space never occurs in a normalised field: refuse it rather than never fire."""
    if leaf.raw or leaf.kind not in TEXT_KINDS or leaf.kind == "regex":
        return
    anchor = leaf.how or leaf.kind
    for text in leaf.value if isinstance(leaf.value, tuple) else (leaf.value,):
        inner = (
            f".{text}."
            if anchor == "contains"
            else f"{text}."
            if anchor == "prefix"
            else f".{text}"
            if anchor == "suffix"
            else str(text)
        )
        if inner != " ".join(inner.split()):
            problems.add(
                path,
                f"{shown(text)} cannot occur in the norm view, where white space is one space and none outside; use view raw",
            )
