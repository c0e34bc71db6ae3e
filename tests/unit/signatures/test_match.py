from __future__ import annotations

import tomllib
from typing import Any

import pytest

from sipsensor.signatures.match import compile_pattern, read_tree
from sipsensor.signatures.problems import Problems
from sipsensor.signatures.schema import MAX_NUMBER, Leaf, Node


def read(text: str) -> tuple[Any, list[str]]:
    problems = Problems("here")
    return read_tree(tomllib.loads(f"match = {text}")["match"], problems), problems.lines


@pytest.mark.parametrize(
    ("text", "leaf"),
    [
        ('{ kind = "present", field = "subject" }', Leaf("present", "subject")),
        ('{ kind = "absent", field = "from.tag" }', Leaf("absent", "from.tag")),
        ('{ kind = "equal", field = "user-agent", value = "x y" }', Leaf("equal", "user-agent", "x y")),
        ('{ kind = "prefix", field = "user-agent", value = "x ", view = "norm" }', Leaf("prefix", "user-agent", "x ")),
        (
            '{ kind = "suffix", field = "from.display", value = " x", cased = true }',
            Leaf("suffix", "from.display", " x", cased=True),
        ),
        (
            '{ kind = "contains", field = "body", value = "a  b", view = "raw" }',
            Leaf("contains", "body", "a  b", raw=True),
        ),
        (
            '{ kind = "any-of", field = "server", value = ["a", "b"] }',
            Leaf("any-of", "server", ("a", "b"), how="equal"),
        ),
        (
            '{ kind = "any-of", field = "server", value = ["a"], how = "contains" }',
            Leaf("any-of", "server", ("a",), how="contains"),
        ),
        ('{ kind = "regex", field = "via.branch", value = "^abc[0-9]+$" }', Leaf("regex", "via.branch", "^abc[0-9]+$")),
        ('{ kind = "length", field = "call-id", value = 27 }', Leaf("length", "call-id", (27, 27))),
        ('{ kind = "digits", field = "call-id", value = { min = 1, max = 25 } }', Leaf("digits", "call-id", (1, 25))),
        ('{ kind = "count", field = "*", value = { min = 50 } }', Leaf("count", "*", (50, MAX_NUMBER))),
        ('{ kind = "count", field = "via", value = { max = 3 } }', Leaf("count", "via", (0, 3))),
        ('{ kind = "integer", field = "max-forwards", value = 70 }', Leaf("integer", "max-forwards", (70, 70))),
        ('{ kind = "order", value = ["via", "from"] }', Leaf("order", "", ("via", "from"), how="full")),
        (
            '{ kind = "order", value = ["via", "from"], how = "relative" }',
            Leaf("order", "", ("via", "from"), how="relative"),
        ),
        ('{ kind = "equal-fields", field = "from.uri", value = "to.uri" }', Leaf("equal-fields", "from.uri", "to.uri")),
        (
            '{ kind = "sipvicious-tag", field = "from.tag", value = "address" }',
            Leaf("sipvicious-tag", "from.tag", "address"),
        ),
        ('{ kind = "anomaly", value = "bare-lf" }', Leaf("anomaly", "", "bare-lf")),
    ],
)
def test_every_kind(text: str, leaf: Leaf) -> None:
    assert read(text) == (leaf, [])


def test_combinations() -> None:
    tree, lines = read(
        '{ all = [{ kind = "present", field = "via" }, { not = { any = [{ kind = "present", field = "to" }] } }] }'
    )
    assert lines == []
    assert tree == Node("all", (Leaf("present", "via"), Node("not", (Node("any", (Leaf("present", "to"),)),))))


def test_depth_is_bounded() -> None:
    leaf = '{ kind = "present", field = "via" }'
    four = f"{{ all = [{{ any = [{{ all = [{{ not = {leaf} }}] }}] }}] }}"
    assert read(four)[1] == []
    assert read(f"{{ not = {four} }}") == (
        None,
        ["here: match.not.all[0].any[0].all[0]: all, any and not are nested more than 4 deep; split the rule"],
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", "match: {} is not a table; write { kind = ..., field = ..., value = ... }"),
        ("{ all = [] }", "match.all: needs a list of at least one comparison"),
        ("{ any = 3 }", "match.any: needs a list of at least one comparison"),
        ("{ all = [3] }", "match.all[0]: 3 is not a table; write { kind = ..., field = ..., value = ... }"),
        ('{ all = [{ kind = "present", field = "via" }], any = [] }', "match.any: unknown key; known are all"),
        ('{ field = "via" }', "match.kind: missing; write text"),
        ('{ kind = "present" }', "match.field: missing; write text"),
        (
            '{ kind = "present", field = "user_agent" }',
            'match.field: "user_agent" is no field that present can read; see the fields in docs/',
        ),
        (
            '{ kind = "count", field = "from.tag", value = 1 }',
            'match.field: "from.tag" is no field that count can read; a header field\'s',
        ),
        ('{ kind = "present", field = "via", value = 1 }', "match.value: has no effect on present; leave it out"),
        ('{ kind = "present", field = "via", colour = 1 }', "match.colour: unknown key; known are cased, field, "),
        ('{ kind = "present", field = "via", view = "raw" }', "match.view: has no effect on present; leave it out"),
        (
            '{ kind = "length", field = "via", value = 1, cased = true }',
            "match.cased: has no effect on length; leave it out",
        ),
        ('{ kind = "equal", field = "via" }', "match.value: missing; write text"),
        ('{ kind = "equal", field = "via", value = 3 }', "match.value: 3 is not text; write text"),
        (
            '{ kind = "equal", field = "via", value = "" }',
            "match.value: is empty; ask for length 0, or for present or absent",
        ),
        (
            '{ kind = "equal", field = "via", value = "' + "x" * 513 + '" }',
            "match.value: is longer than 512 bytes; match its",
        ),
        (
            '{ kind = "equal", field = "via", value = "x", how = "prefix" }',
            "match.how: has no effect on equal; leave it out",
        ),
        (
            '{ kind = "equal", field = "via", value = "x", view = "decoded" }',
            'match.view: "decoded" is unknown; one of norm, raw',
        ),
        (
            '{ kind = "equal", field = "via", value = "x", cased = 1 }',
            "match.cased: 1 is not true or false; write true or false",
        ),
        (
            '{ kind = "equal", field = "server", value = "a  b" }',
            'match.value: "a  b" cannot occur in the norm view, where white space is',
        ),
        ('{ kind = "equal", field = "server", value = " a" }', 'match.value: " a" cannot occur in the norm view'),
        ('{ kind = "prefix", field = "server", value = " a" }', 'match.value: " a" cannot occur in the norm view'),
        ('{ kind = "suffix", field = "server", value = "a " }', 'match.value: "a " cannot occur in the norm view'),
        (
            '{ kind = "contains", field = "server", value = "a\\tb" }',
            'match.value: "a\\tb" cannot occur in the norm view',
        ),
        ('{ kind = "any-of", field = "via", value = "x" }', 'match.value: "x" is not a list; write a list'),
        ('{ kind = "any-of", field = "via", value = [] }', "match.value: needs a list of texts"),
        ('{ kind = "any-of", field = "via", value = ["x", 3] }', "match.value: needs a list of texts"),
        ('{ kind = "any-of", field = "via", value = ["x", "x"] }', "match.value: lists a text twice; leave one out"),
        (
            '{ kind = "any-of", field = "via", value = ["x"], how = "like" }',
            'match.how: "like" is unknown; one of contains, equal, ',
        ),
        (
            '{ kind = "length", field = "via", value = "x" }',
            "match.value: needs a whole number, or a table with min, max or both",
        ),
        (
            '{ kind = "length", field = "via", value = -1 }',
            "match.value: needs a whole number, or a table with min, max or both",
        ),
        (
            '{ kind = "length", field = "via", value = true }',
            "match.value: needs a whole number, or a table with min, max or both",
        ),
        ('{ kind = "length", field = "via", value = { low = 1 } }', "match.value.low: unknown key; known are max, min"),
        (
            '{ kind = "length", field = "via", value = { min = "1" } }',
            'match.value.min: "1" is not a whole number; write a whole number',
        ),
        (
            '{ kind = "length", field = "via", value = { min = 3, max = 2 } }',
            "match.value: min 3 to max 2 holds no number; 0 <= min <= max",
        ),
        (
            '{ kind = "order", value = ["via"] }',
            "match.value: needs at least two names of header fields in lower case; unknown: none",
        ),
        (
            '{ kind = "order", value = ["via", "From"] }',
            'match.value: needs at least two names of header fields in lower case; unknown: "From"',
        ),
        (
            '{ kind = "order", field = "via", value = ["via", "to"] }',
            "match.field: has no effect on order; leave it out",
        ),
        (
            '{ kind = "equal-fields", field = "via", value = "via" }',
            'match.value: "via" is no other field; see the fields in docs/',
        ),
        (
            '{ kind = "equal-fields", field = "via", value = "x" }',
            'match.value: "x" is no other field; see the fields in docs/',
        ),
        (
            '{ kind = "sipvicious-tag", field = "via", value = "user" }',
            'match.field: "via" is no tag; from.tag or to.tag',
        ),
        (
            '{ kind = "sipvicious-tag", field = "from.tag", value = "x" }',
            'match.value: "x" is unknown; one of address, credentials, user',
        ),
        ('{ kind = "anomaly", value = "odd" }', 'match.value: "odd" is unknown; one of ambiguous-line-ends, '),
    ],
)
def test_what_is_wrong_is_named(text: str, line: str) -> None:
    tree, lines = read(text)
    assert tree is None
    assert any(found.startswith(f"here: {line}") for found in lines), lines


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(abc", "google-re2 refuses it (missing ): (abc)"),
        ("abc(?=d)", "google-re2 refuses it ("),
        (r"(abc)\\1", "google-re2 refuses it ("),
        ("abc{1001}", "google-re2 refuses it ("),
        ("^[0-9]{1,25}$", "not every alternative contains 3 plain characters"),
        ("abc|de", "not every alternative contains 3 plain characters"),
        ("ab[c]", "not every alternative contains 3 plain characters"),
        ("(?i)abc", "a group sets flags or a name; use (?:...), and cased for the case of letters"),
        ("abc(?P<x>d)", "a group sets flags or a name"),
        ("abcä", "not ASCII; write other bytes as"),
        ("abc" + "x?" * 255, "longer than 512 characters; shorten it"),
    ],
)
def test_unsafe_patterns_are_refused(pattern: str, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    tree, lines = read(f'{{ kind = "regex", field = "via", value = "{pattern}" }}')
    assert tree is None
    assert lines[0].startswith(f"here: match.value: unsafe pattern: {why}"), lines
    assert capfd.readouterr().err == ""


def test_patterns_run_on_bytes_with_and_without_case() -> None:
    assert compile_pattern("abc[0-9]+", cased=False).search(b"\xff\x00xABC12")
    assert not compile_pattern("abc[0-9]+", cased=True).search(b"ABC12")
    assert compile_pattern(r"abc\xff", cased=True).search(b"abc\xff")
