"""Compiles signatures to the fast path's matcher, and confirms the regular expressions that it can only suspect.

The matcher answers a rule without a regular expression for certain. A rule with one is spread out into conjunctions, each a
rule of the matcher of its own: every other comparison of a conjunction is then already decided in C, and only its regular
expressions are left to google-re2.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sipsensor.detect.scanner import HEADER_ORDER, Scanner
from sipsensor.fastpath import examine, matcher, names
from sipsensor.model import AppProtocol, Direction, Reason, Rule
from sipsensor.protocols.iax2.words import subclass_number
from sipsensor.signatures.literals import required_literals
from sipsensor.signatures.match import ALL_HEADERS, compile_pattern
from sipsensor.signatures.schema import NUMBER_KINDS, TAG_FORMS, Leaf, Node, Signature, SignatureError, Tree, leaves_of

_MAX_CONJUNCTIONS = 64
_ANY_FRAME = -1

# A tree without regular expressions is one atom, whatever its size; a regular expression is a leaf that is wanted, or wanted not to match.
_Atom: TypeAlias = "Tree | _Expression"
_Conjunction: TypeAlias = "tuple[_Atom, ...]"


@dataclass(frozen=True, slots=True)
class _Expression:
    leaf: Leaf
    wanted: bool


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A regular expression ready to run on the values of one field."""

    field: int
    raw: bool
    wanted: bool
    search: Callable[[bytes], object]

    def holds(self, examined: examine.Examined) -> bool:
        """Whether some value of the field matches; for an unwanted pattern, whether none does."""
        return any(self.search(value) for value in examined.values(self.field, self.raw)) == self.wanted


class SignatureSet:
    """All signatures in use, compiled.

    ``rules``, ``directions``, ``protocols``, ``fields`` and ``signatures`` are by the matcher's rule index; one signature may own
    several. ``all`` holds each signature once.
    """

    def __init__(
        self,
        signatures: Sequence[Signature],
        owners: Sequence[int],
        patterns: Sequence[tuple[_Pattern, ...]],
        built: matcher.Matcher,
    ) -> None:
        self.all = tuple(signatures)
        self.matcher = built
        self.signatures = tuple(signatures[owner] for owner in owners)
        made = [as_rule(signature) for signature in signatures]
        self.rules: Sequence[Rule] = tuple(made[owner] for owner in owners)
        self.directions: Sequence[Direction | None] = tuple(signatures[owner].direction for owner in owners)
        self.protocols: Sequence[AppProtocol] = tuple(signatures[owner].protocol for owner in owners)
        self.fields: Sequence[Sequence[str]] = tuple(tuple(_fields_shown(signatures[owner])) for owner in owners)
        self._patterns = tuple(patterns)

    def confirm(self, index: int, examined: examine.Examined) -> bool:
        """Is a candidate of the matcher a match? ``index`` is one of ``examined.candidates``."""
        return all(pattern.holds(examined) for pattern in self._patterns[index])

    def fired(self, examined: examine.Examined) -> list[Signature]:
        """The signatures that match a message, whatever its direction, each once and by number."""
        indexes = itertools.chain(
            examined.hits, (index for index in examined.candidates if self.confirm(index, examined))
        )
        return sorted(
            {self.signatures[index].id: self.signatures[index] for index in indexes}.values(), key=lambda one: one.id
        )


def as_rule(signature: Signature) -> Rule:
    """The signature as the engine's rules are: its drops have the reason SIGNATURE, and a datagram can be forged."""
    return Rule(
        id=signature.id,
        slug=signature.slug,
        name=signature.name,
        family=signature.family,
        severity=signature.severity,
        confidence=signature.confidence,
        action=signature.action,
        reason=Reason.SIGNATURE,
        rev=signature.rev,
        detector=Scanner.name,
        spoofable=True,
    )


def compile_signatures(signatures: Sequence[Signature]) -> SignatureSet:
    """Raises ``SignatureError`` when a rule is too wide for the matcher, naming file and rule."""
    leaves: dict[tuple[Any, ...], int] = {}
    trees: list[object] = []
    owners: list[int] = []
    patterns: list[tuple[_Pattern, ...]] = []
    problems = []
    for owner, signature in enumerate(signatures):
        guards = _guards(signature)
        conjunctions = _spread(signature.match, wanted=True)
        try:
            _check_width(conjunctions)
            _check_fits(guards, conjunctions)
            compiled = [_conjunction((*guards, *conjunction), leaves) for conjunction in conjunctions]
        except ValueError as error:
            problems.append(f"{signature.file}: rule {signature.id} {signature.slug}: match: {error}")
            continue
        trees += compiled
        owners += [owner] * len(conjunctions)
        patterns += [tuple(_pattern(atom) for atom in one if isinstance(atom, _Expression)) for one in conjunctions]
    if problems:
        raise SignatureError(problems)
    try:
        built = matcher.Matcher(tuple(leaves), tuple(trees))
    except ValueError as error:
        raise SignatureError([f"signatures: all rules together: {error}; use fewer"]) from None
    return SignatureSet(signatures, owners, patterns, built)


def _check_fits(guards: Sequence[Tree], conjunctions: Sequence[_Conjunction]) -> None:
    """Raises ValueError when the matcher cannot hold this rule alone."""
    alone: dict[tuple[Any, ...], int] = {}
    compiled = [_conjunction((*guards, *conjunction), alone) for conjunction in conjunctions]
    matcher.Matcher(tuple(alone), tuple(compiled))


def _check_width(conjunctions: Sequence[_Conjunction]) -> None:
    if len(conjunctions) > _MAX_CONJUNCTIONS:
        raise ValueError(
            f"its regular expressions stand in {len(conjunctions)} combinations of alternatives, more than {_MAX_CONJUNCTIONS}; split it"
        )


def _guards(signature: Signature) -> list[Tree]:
    """``methods`` and ``when`` as comparisons, so that the matcher decides them, too."""
    guards: list[Tree] = []
    if signature.protocol is AppProtocol.IAX2:
        return [Node("any", tuple(Leaf("frame", value=name) for name in signature.methods or ("",)))]
    if signature.methods:
        guards.append(Leaf("any-of", "method", signature.methods, how="equal"))
    elif signature.when:
        guards.append(Leaf("present", "method" if signature.when == "request" else "code"))
    return guards


def _spread(tree: Tree, *, wanted: bool) -> list[_Conjunction]:
    """The tree as alternatives of conjunctions, in which regular expressions stand alone and everything else stays whole."""
    if not any(leaf.kind == "regex" for leaf in leaves_of(tree)):
        return [(tree if wanted else Node("not", (tree,)),)]
    if isinstance(tree, Leaf):
        return [(_Expression(tree, wanted),)]
    if tree.kind == "not":
        return _spread(tree.parts[0], wanted=not wanted)
    parts = [_spread(part, wanted=wanted) for part in tree.parts]
    if (tree.kind == "any") == wanted:
        return list(itertools.chain.from_iterable(parts))
    total = 1
    for part in parts:
        total *= len(part)
    if total > _MAX_CONJUNCTIONS:
        return [()] * total if total < 1 << 16 else [()] * (1 << 16)  # too wide either way; the caller says so
    return [tuple(itertools.chain.from_iterable(choice)) for choice in itertools.product(*parts)]


def _conjunction(atoms: Sequence[_Atom], leaves: dict[tuple[Any, ...], int]) -> object:
    parts = tuple(_tree(atom, leaves) for atom in atoms)
    return parts[0] if len(parts) == 1 else ("all", parts)


def _tree(atom: _Atom, leaves: dict[tuple[Any, ...], int]) -> object:
    """The matcher's tree for an atom; equal leaves of all rules are one."""
    if isinstance(atom, _Expression):
        index = leaves.setdefault(_leaf(atom.leaf), len(leaves))
        return index if atom.wanted else ("not", index)
    if isinstance(atom, Leaf):
        index = leaves.setdefault(_leaf(atom), len(leaves))
        return ("not", index) if atom.kind == "absent" else index
    parts = tuple(_tree(part, leaves) for part in atom.parts)
    return ("not", parts[0]) if atom.kind == "not" else (atom.kind, parts)


def _leaf(leaf: Leaf) -> tuple[Any, ...]:
    """The matcher's tuple for a comparison (``fastpath/matcher.pyi``)."""
    if leaf.kind in _WITHOUT_FIELD:
        return _WITHOUT_FIELD[leaf.kind](leaf)
    field = 0 if leaf.field == ALL_HEADERS else names.FIELDS[leaf.field]
    if leaf.kind in ("present", "absent"):
        return ("present", field)
    if leaf.kind == "equal-fields":
        return ("same", field, names.FIELDS[leaf.text])
    if leaf.kind == "sipvicious-tag":
        return ("tag", field, TAG_FORMS.index(leaf.text))
    if leaf.kind in NUMBER_KINDS:
        return (leaf.kind, field, *leaf.bounds)
    view = matcher.VIEW_RAW if leaf.raw else matcher.VIEW_NORM
    if leaf.kind == "regex":
        return ("regex", field, view, leaf.cased, tuple(text.encode() for text in required_literals(leaf.text)))
    return ("literal", field, view, leaf.cased, _literals(leaf))


_WITHOUT_FIELD: dict[str, Callable[[Leaf], tuple[Any, ...]]] = {
    "order": lambda leaf: ("order", leaf.how == "full", tuple(names.HEADERS[name] for name in leaf.texts)),
    "frame": lambda leaf: ("frame", subclass_number(leaf.text) if leaf.text else _ANY_FRAME),
    "anomaly": lambda leaf: ("anomaly", names.ANOMALIES[leaf.text]),
}


def _literals(leaf: Leaf) -> tuple[tuple[bytes, bool, bool], ...]:
    anchor = leaf.how or leaf.kind
    at_start, at_end = anchor in ("equal", "prefix"), anchor in ("equal", "suffix")
    return tuple((text.encode(), at_start, at_end) for text in leaf.texts)


def _pattern(expression: _Expression) -> _Pattern:
    leaf = expression.leaf
    compiled = compile_pattern(leaf.text, cased=leaf.cased)
    return _Pattern(names.FIELDS[leaf.field], leaf.raw, expression.wanted, compiled.search)


def _fields_shown(signature: Signature) -> list[str]:
    """The fields an alert quotes as its evidence: those the rule reads, in its order, without repetition."""
    names_read = [
        HEADER_ORDER if leaf.kind == "order" else leaf.field
        for leaf in leaves_of(signature.match)
        if leaf.kind != "absent"
    ]
    return [name for name in dict.fromkeys(names_read) if name and name != ALL_HEADERS]
