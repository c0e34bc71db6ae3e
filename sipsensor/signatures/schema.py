"""What a signature consists of: its types, the closed lists of keys, and the ranges of the numbers.

``docs/signatures.md`` says the same to people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sipsensor.model import Action, AppProtocol, Confidence, Direction, Family

FIRST_LOCAL_ID = 9000
"""Rules of the operator's own have this number or a greater one; shipped ones a smaller."""

USER_AGENT_IDS = range(1000, 2000)

ID_RANGES: tuple[tuple[range, Family | None, str], ...] = (
    (USER_AGENT_IDS, Family.SCANNER, "tools by User-Agent"),
    (range(2000, 3000), Family.SCANNER, "tools by structure"),
    (range(3000, 4000), Family.FRAUD, "fraud"),
    (range(6000, 7000), Family.IAX2, "IAX2 tools"),
    (range(7000, 8000), Family.EVASION, "evasion"),
    (range(FIRST_LOCAL_ID, 1_000_000), None, "local"),
)
"""The numbers signatures may have, with the family each range belongs to. 4000 and 5000 are the detectors' own."""

RULE_KEYS = frozenset(
    [
        "id", "slug", "rev", "name", "protocol", "direction", "match", "confidence", "severity", "action", "references", "false_positives",
        "samples", "since", "modified",
    ]
)  # fmt: skip
OPTIONAL_RULE_KEYS = frozenset(["methods", "when"])
REFERENCE_KINDS = ("source", "capture", "report", "advisory", "rfc", "list")
"""``source``: read in the tool's own source. ``list`` is the weakest: somebody blocks it, and its wire behaviour was not checked."""

MAX_DEPTH = 4
"""How deep all, any and not may be nested."""
MAX_PATTERN = 512
"""Characters of a regular expression, and bytes of a literal."""
MIN_LITERAL = 3
"""Bytes that a regular expression must contain as they are, for the automaton to look for."""

TEXT_KINDS = frozenset(["equal", "prefix", "suffix", "contains", "any-of", "regex"])
NUMBER_KINDS = frozenset(["length", "digits", "count", "integer"])
OTHER_KINDS = frozenset(["present", "absent", "order", "equal-fields", "sipvicious-tag", "anomaly"])
KINDS = TEXT_KINDS | NUMBER_KINDS | OTHER_KINDS

TAG_FORMS = ("address", "user", "credentials")
"""What a SIPVicious tag hides; the index is the matcher's form number."""
ANCHORS = ("equal", "prefix", "suffix", "contains")
"""How the values of any-of are compared."""
ORDERS = ("full", "relative")

MAX_NUMBER = (1 << 31) - 1
"""The greatest bound of the number kinds, and as an upper one "none"."""

Value: TypeAlias = str | tuple[str, ...] | tuple[int, int] | None


class SignatureError(Exception):
    """A signature, or a file of them, that cannot be used.

    ``problems`` holds one line each, with file and rule; as text they stand below each other.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison. The meaning of ``value`` depends on ``kind``: text, texts, or a pair of bounds, both inclusive."""

    kind: str
    field: str = ""
    value: Value = None
    raw: bool = False
    """Compare the bytes as sent, rather than with folds, white space, quoted pairs and percent escapes resolved."""
    cased: bool = False
    how: str = ""
    """any-of: how each value is compared; order: full or relative."""

    @property
    def text(self) -> str:
        """The value of a kind that has one text."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of a kind that compares with one or more."""
        if isinstance(self.value, tuple):
            return tuple(text for text in self.value if isinstance(text, str))
        return () if self.value is None else (self.value,)

    @property
    def bounds(self) -> tuple[int, int]:
        """The bounds of a number kind, both inclusive."""
        low, high = (number for number in self.value or () if isinstance(number, int))
        return low, high


@dataclass(frozen=True, slots=True)
class Node:
    """``all``, ``any`` or ``not`` over parts."""

    kind: str
    parts: tuple[Tree, ...]


Tree: TypeAlias = Leaf | Node


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a rule is from: ``kind`` is one of ``REFERENCE_KINDS``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One message that a rule must (``samples.match``) or must not (``samples.pass``) fire on, as the bytes of a datagram."""

    name: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """One validated rule of a signature file. ``direction`` None stands for both."""

    id: int
    slug: str
    rev: int
    name: str
    protocol: AppProtocol
    direction: Direction | None
    match: Tree
    confidence: Confidence
    severity: int
    action: Action
    references: tuple[Reference, ...]
    false_positives: str
    positive: tuple[Sample, ...]
    negative: tuple[Sample, ...]
    since: str
    modified: str
    methods: tuple[str, ...] = ()
    when: str = ""
    file: str = ""

    @property
    def family(self) -> Family:
        """The first word of the slug."""
        return Family(self.slug.partition(".")[0])


def leaves_of(tree: Tree) -> list[Leaf]:
    """All comparisons of a tree, from left to right."""
    if isinstance(tree, Leaf):
        return [tree]
    return [leaf for part in tree.parts for leaf in leaves_of(part)]
