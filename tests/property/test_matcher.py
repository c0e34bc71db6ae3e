"""The matcher in C against a plain reading of the same rules over the same fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.matcher import VIEW_NORM, VIEW_RAW, Matcher
from sipsensor.fastpath.names import FIELDS, HEADERS
from sipsensor.signatures.samples import messages_of

HEADER_NAMES = ("user-agent", "subject", "organization", "server")
# Few letters, so that literals do occur in values, overlap, and are prefixes and suffixes of each other.
TEXT = st.text("abAB ", max_size=8)
VALUE = TEXT.map(lambda text: " ".join(text.split())).filter(bool) | st.integers(0, 40).map(str)
LITERAL = st.text("abAB ", min_size=1, max_size=4).map(str.encode)


@dataclass
class Message:
    """What a message says, and its bytes."""

    lines: list[tuple[str, str]]
    display: str
    user: str
    tag: str

    @property
    def payload(self) -> bytes:
        written = "".join(f"{name}: {value}\r\n" for name, value in self.lines)
        return f'OPTIONS sip:x@y SIP/2.0\r\nFrom: "{self.display}" <sip:{self.user}@h>;tag={self.tag}\r\n{written}\r\n'.encode()

    @property
    def order(self) -> list[int]:
        return [HEADERS["from"], *(HEADERS[name] for name, _ in self.lines)]

    def values(self, field: int) -> list[bytes]:
        """All values of a field."""
        derived = {FIELDS["from.display"]: self.display, FIELDS["from.user"]: self.user, FIELDS["from.tag"]: self.tag}
        if field in derived:
            return [derived[field].encode()]
        return [value.encode() for name, value in self.lines if FIELDS[name] == field]


WORD = st.text("abAB", min_size=1, max_size=6)
MESSAGES = st.builds(Message, st.lists(st.tuples(st.sampled_from(HEADER_NAMES), VALUE), max_size=6), WORD, WORD, WORD)

TEXT_FIELDS = st.sampled_from([FIELDS[name] for name in (*HEADER_NAMES, "from.display", "from.user", "from.tag")])
HEADER_FIELDS = st.sampled_from([FIELDS[name] for name in HEADER_NAMES])
VIEWS = st.sampled_from([VIEW_NORM, VIEW_RAW])
BOUNDS = st.tuples(st.integers(0, 8), st.integers(0, 40)).map(sorted)
ANCHORED = st.lists(st.tuples(LITERAL, st.booleans(), st.booleans()), min_size=1, max_size=3).map(tuple)

LEAVES = st.one_of(
    st.tuples(st.just("literal"), TEXT_FIELDS, VIEWS, st.booleans(), ANCHORED),
    st.tuples(
        st.just("regex"), TEXT_FIELDS, VIEWS, st.booleans(), st.lists(LITERAL, min_size=1, max_size=2).map(tuple)
    ),
    st.tuples(st.just("present"), TEXT_FIELDS),
    st.builds(
        lambda kind, field, bounds: (kind, field, *bounds),
        st.sampled_from(["length", "integer", "digits"]),
        TEXT_FIELDS,
        BOUNDS,
    ),
    st.builds(lambda field, bounds: ("count", field, *bounds), HEADER_FIELDS | st.just(0), BOUNDS),
    st.builds(
        lambda full, names: ("order", full, tuple(HEADERS[name] for name in names)),
        st.booleans(),
        st.lists(st.sampled_from(["from", *HEADER_NAMES]), min_size=1, max_size=4, unique=True),
    ),
    st.builds(
        lambda other: ("same", FIELDS["from.user"], FIELDS[other]), st.sampled_from(["from.display", "from.tag"])
    ),
)


def trees(count: int) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.integers(0, count - 1),
        lambda part: (
            st.tuples(st.sampled_from(["all", "any"]), st.lists(part, min_size=1, max_size=3).map(tuple))
            | st.tuples(st.just("not"), part)
        ),
        max_leaves=6,
    )


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[tuple[Any, ...]], list[Any]]:
    leaves = draw(st.lists(LEAVES, min_size=1, max_size=8))
    return leaves, draw(st.lists(trees(len(leaves)), min_size=1, max_size=6))


# --- the plain reading: False, True, or None for "a regex would have to be asked" ------------------------------------------------------


def plain_leaf(leaf: tuple[Any, ...], message: Message) -> bool | None:
    kind, *parts = leaf
    if kind == "order":
        return plain_order(parts[0], parts[1], message.order)
    if kind == "count":
        found = len(message.values(parts[0])) if parts[0] else len(message.order)
        return bool(parts[1] <= found <= parts[2])
    values = message.values(parts[0])
    if kind == "present":
        return bool(values)
    if kind == "same":
        return values[0].lower() == message.values(parts[1])[0].lower()
    if kind in ("literal", "regex"):
        return plain_text(kind, parts, values)
    if kind == "length":
        return any(parts[1] <= len(value) <= parts[2] for value in values)
    numbers = [value for value in values if value.isdigit()]
    return any(parts[1] <= (len(value) if kind == "digits" else int(value)) <= parts[2] for value in numbers)


def plain_text(kind: str, parts: Sequence[Any], values: list[bytes]) -> bool | None:
    _, _, cased, literals = parts
    for value in values if cased else [value.lower() for value in values]:
        for entry in literals:
            literal, at_start, at_end = entry if kind == "literal" else (entry, False, False)
            literal = literal if cased else literal.lower()
            places = [i for i in range(len(value) + 1) if value.startswith(literal, i)]
            if any((i == 0 or not at_start) and (i + len(literal) == len(value) or not at_end) for i in places):
                return True if kind == "literal" else None
    return False


def plain_order(full: object, wanted: tuple[int, ...], order: list[int]) -> bool:
    if full:
        return list(wanted) == order
    places = [order.index(number) if number in order else -1 for number in wanted]
    return -1 not in places and places == sorted(set(places))


def plain_tree(tree: Any, truth: list[bool | None]) -> bool | None:  # noqa: ANN401
    if isinstance(tree, int):
        return truth[int(tree)]
    if tree[0] == "not":
        inner = plain_tree(tree[1], truth)
        return None if inner is None else not inner
    parts = [plain_tree(part, truth) for part in tree[1]]
    deciding: bool = tree[0] == "any"
    if deciding in parts:
        return deciding
    return None if None in parts else not deciding


@given(plans(), MESSAGES)
def test_the_matcher_agrees_with_a_plain_reading(
    plan: tuple[list[tuple[Any, ...]], list[Any]], message: Message
) -> None:
    leaves, rules = plan
    (examined,) = messages_of(Examiner(Matcher(leaves, rules), seed=bytes(16)), message.payload)
    truth = [plain_leaf(leaf, message) for leaf in leaves]
    answers = [plain_tree(tree, truth) for tree in rules]
    assert examined.hits == tuple(number for number, answer in enumerate(answers) if answer is True)
    assert examined.candidates == tuple(number for number, answer in enumerate(answers) if answer is None)


@given(st.text("0123456789abcdef", min_size=1, max_size=40), st.integers(0, 2**32 - 1), st.text("abc123:", max_size=6))
def test_tags_of_sipvicious_are_read_as_its_source_writes_them(data: str, random: int, user: str) -> None:
    tag = (data.encode() + b"\x01" + str(random).encode()).hex()
    field = FIELDS["from.tag"]
    matcher = Matcher([("tag", field, form) for form in range(3)], [0, 1, 2])
    text = f"REGISTER sip:h SIP/2.0\r\nFrom: <sip:{user}@h>;tag={tag}\r\n\r\n"
    (examined,) = messages_of(Examiner(matcher, seed=bytes(16)), text.encode())
    name = user.partition(":")[0]
    expected = [5 <= len(data) <= 36, bool(name) and data == name, data.startswith(f"{name}:") and bool(name)]
    assert [form in examined.hits for form in range(3)] == expected


@given(st.binary(min_size=1, max_size=40))
def test_other_tags_are_none(data: bytes) -> None:
    tag = data.hex()
    head, mark, digits = data.partition(b"\x01")
    if head and mark and digits.isdigit() and 0 not in head:
        return
    matcher = Matcher([("tag", FIELDS["from.tag"], form) for form in range(3)], [("any", (0, 1, 2))])
    text = f"REGISTER sip:h SIP/2.0\r\nFrom: <sip:{head.hex()}@h>;tag={tag}\r\n\r\n"
    assert messages_of(Examiner(matcher, seed=bytes(16)), text.encode())[0].hits == ()
