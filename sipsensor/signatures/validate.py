"""Turns one ``[[rule]]`` table into a ``Signature``, noting everything that is wrong with it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from sipsensor.fastpath import names
from sipsensor.model import Action, AppProtocol, Confidence, Direction, Family
from sipsensor.protocols.iax2.words import SUBCLASSES
from sipsensor.signatures.match import read_tree
from sipsensor.signatures.problems import Problems, shown
from sipsensor.signatures.samples import read_samples
from sipsensor.signatures.schema import (
    FIRST_LOCAL_ID,
    ID_RANGES,
    OPTIONAL_RULE_KEYS,
    REFERENCE_KINDS,
    RULE_KEYS,
    USER_AGENT_IDS,
    Leaf,
    Reference,
    Signature,
    Tree,
    leaves_of,
)

_SLUG = re.compile(r"[a-z0-9]+(?:\.[a-z0-9]+(?:-[a-z0-9]+)*){2}")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND, "both": None}
_PROTOCOLS = {"sip": AppProtocol.SIP, "iax2": AppProtocol.IAX2}
_SAMPLES_OF_HIGH = 2
_SEVERITIES = range(1, 6)
_METHODS = {
    AppProtocol.SIP: frozenset(method.decode() for method in names.METHODS),
    AppProtocol.IAX2: frozenset(SUBCLASSES[1:]),
}


def place_of(table: Mapping[str, Any], file: str, number: int) -> str:
    """How messages call a rule: file, id and slug as far as they are there, else its place in the file."""
    known = [str(table[key]) for key in ("id", "slug") if isinstance(table.get(key), (int, str))]
    return f"{file}: rule {' '.join(known) or f'number {number}'}"


def read_rule(table: Mapping[str, Any], problems: Problems, *, file: str, local: bool) -> Signature | None:
    """The signature of a rule's table; None when a problem was noted.

    ``local`` rules have numbers from ``FIRST_LOCAL_ID``, shipped ones smaller numbers.
    """
    before = len(problems.lines)
    problems.unknown(table, RULE_KEYS | OPTIONAL_RULE_KEYS)
    slug = _slug(table, problems)
    confidence = problems.choose(table, "confidence", list(Confidence))
    protocol = problems.choose(table, "protocol", _PROTOCOLS)
    of = _PROTOCOLS.get(protocol or "", AppProtocol.SIP)
    direction = problems.choose(table, "direction", _DIRECTIONS)
    action = problems.choose(table, "action", list(Action))
    if "match" not in table:
        problems.add("match", "missing; write a table")
    match = read_tree(table["match"], problems) if "match" in table else None
    positive, negative = read_samples(table, problems, _SAMPLES_OF_HIGH if confidence == Confidence.HIGH else 1)
    signature = Signature(
        id=_id(table, problems, slug, local=local),
        slug=slug or "",
        rev=_bounded(table, "rev", problems, range(1, 10_000)),
        name=_line(table, "name", problems),
        protocol=of,
        direction=_DIRECTIONS.get(direction or ""),
        match=match or Leaf("present"),
        confidence=Confidence(confidence or Confidence.LOW),
        severity=_bounded(table, "severity", problems, _SEVERITIES),
        action=Action(action or Action.OFF),
        references=_references(table, problems),
        false_positives=_line(table, "false_positives", problems),
        positive=positive,
        negative=negative,
        since=_since(table, problems),
        modified=_modified(table, problems),
        methods=_methods(table, problems, of),
        when=_when(table, problems, of),
        file=file,
    )
    if len(problems.lines) == before:
        _check_consistency(signature, problems)
    return signature if len(problems.lines) == before else None


def _slug(table: Mapping[str, Any], problems: Problems) -> str | None:
    slug = problems.take(table, "slug", str)
    if slug is None:
        return None
    if not _SLUG.fullmatch(slug):
        problems.add("slug", f"{shown(slug)} is not family.subject.detail in lower-case letters, digits and hyphens")
        return None
    family = slug.partition(".")[0]
    if family not in list(Family):
        problems.add("slug", f"{shown(family)} is no family; one of {', '.join(sorted(Family))}")
        return None
    return slug


def _id(table: Mapping[str, Any], problems: Problems, slug: str | None, *, local: bool) -> int:
    number = problems.take(table, "id", int)
    if number is None:
        return 0
    found = next(((family, what) for numbers, family, what in ID_RANGES if number in numbers), None)
    if found is None:
        ranges = ", ".join(f"{what} {numbers[0]}-{numbers[-1]}" for numbers, _, what in ID_RANGES)
        problems.add("id", f"{number} is in no range of signatures: {ranges}")
        return 0
    if local != (number >= FIRST_LOCAL_ID):
        problems.add(
            "id",
            f"{number}: " + (f"local rules start at {FIRST_LOCAL_ID}" if local else "this range is the operator's own"),
        )
        return 0
    family, what = found
    if slug is not None and family is not None and slug.partition(".")[0] != family:
        problems.add("slug", f"{shown(slug)} does not start with {family}, the family of the numbers of {what}")
    return number


def _bounded(table: Mapping[str, Any], key: str, problems: Problems, numbers: range) -> int:
    value = problems.take(table, key, int)
    if value is not None and value not in numbers:
        problems.add(key, f"{value} is not from {numbers[0]} to {numbers[-1]}")
    return value or 0


def _line(table: Mapping[str, Any], key: str, problems: Problems) -> str:
    text = problems.take(table, key, str)
    if text is not None and (not text.strip() or not text.isprintable()):
        problems.add(key, "is not one line of printable text")
    return text or ""


def _since(table: Mapping[str, Any], problems: Problems) -> str:
    since = problems.take(table, "since", str)
    if since is not None and not _VERSION.fullmatch(since):
        problems.add("since", f"{shown(since)} is not the version that brought the rule, like 0.1.0")
    return since or ""


def _modified(table: Mapping[str, Any], problems: Problems) -> str:
    """A date of TOML, without quotes."""
    value = table.get("modified")
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        problems.add("modified", "needs the date of the last change, like 2026-11-22, without quotes")
        return ""
    return value.isoformat()


def _references(table: Mapping[str, Any], problems: Problems) -> tuple[Reference, ...]:
    entries = problems.take(table, "references", list)
    if entries is None:
        return ()
    references = []
    for number, entry in enumerate(entries):
        path = f"references[{number}]"
        if not isinstance(entry, dict):
            problems.add(path, 'is not a table; write { kind = "source", text = "..." }')
            continue
        problems.unknown(entry, ["kind", "text"], f"{path}.")
        kind = problems.choose(entry, "kind", REFERENCE_KINDS, f"{path}.kind")
        text = problems.take(entry, "text", str, f"{path}.text")
        if kind and text and text.isprintable():
            references.append(Reference(kind, text))
        elif kind and text is not None:
            problems.add(f"{path}.text", "is not one line of printable text")
    if not entries:
        problems.add("references", "is empty; say where the rule is from")
    return tuple(references)


def _methods(table: Mapping[str, Any], problems: Problems, protocol: AppProtocol) -> tuple[str, ...]:
    """Methods of SIP; subclasses of IAX2."""
    if "methods" not in table:
        return ()
    methods = problems.take(table, "methods", list) or []
    unknown = [method for method in methods if method not in _METHODS[protocol]]
    if not methods or unknown:
        problems.add("methods", f"needs a list of method names; unknown: {', '.join(map(shown, unknown)) or 'none'}")
        return ()
    return tuple(methods)


def _when(table: Mapping[str, Any], problems: Problems, protocol: AppProtocol) -> str:
    if "when" not in table:
        return ""
    if protocol is not AppProtocol.SIP:
        problems.add("when", "frames are neither requests nor responses; name their subclasses in methods")
        return ""
    when = problems.choose(table, "when", ["request", "response"])
    if when == "response" and "methods" in table:
        problems.add("methods", "requests alone have a method; leave one of methods and when out")
    return when or ""


def _check_consistency(signature: Signature, problems: Problems) -> None:
    """What no single key shows: a drop needs high confidence, and a name that is easily changed needs proof that it means harm."""
    if signature.action == Action.DROP and signature.confidence != Confidence.HIGH:
        problems.add("action", f"drop needs confidence high, not {signature.confidence}; one packet must be enough")
    if _needs_no_look(signature.match):
        problems.add("match", "is true for messages that contain nothing of it; begin with what must be there")
    by_user_agent = all(leaf.field == "user-agent" for leaf in leaves_of(signature.match))
    if signature.id in USER_AGENT_IDS and not by_user_agent:
        problems.add("id", f"{signature.id} is for rules that read nothing but user-agent")
    if by_user_agent and signature.confidence == Confidence.HIGH:
        kinds = [reference.kind for reference in signature.references]
        if "source" not in kinds and len(kinds) < 2:  # noqa: PLR2004
            problems.add(
                "references", "a high rule on User-Agent alone needs one of kind source, or two independent ones"
            )


def _needs_no_look(tree: Tree) -> bool:
    """Whether the tree is true for a message in which none of its fields occurs."""
    if isinstance(tree, Leaf):
        return tree.kind == "absent" or (tree.kind == "count" and isinstance(tree.value, tuple) and tree.value[0] == 0)
    parts = [_needs_no_look(part) for part in tree.parts]
    return not parts[0] if tree.kind == "not" else all(parts) if tree.kind == "all" else any(parts)
