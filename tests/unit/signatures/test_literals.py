from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipsensor.signatures.literals import has_inline_flags, required_literals


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("abc", ("abc",)),
        ("^z9hG4bK-[0-9]{1,10}$", ("z9hG4bK-",)),
        (r"a\.b\-c", ("a.b-c",)),
        ("abc|defg", ("abc", "defg")),
        ("abc|abc", ("abc",)),
        ("ab?cde", ("cde",)),
        ("abcd*e", ("abc",)),
        ("abc+d", ("abc",)),
        ("abc{2}d", ("ab",)),
        ("abc{0,2}?def", ("def",)),
        ("ab(cdefg|h)ij", ("ab",)),
        ("ab[cdefg|]hij", ("hij",)),
        ("[]abc]def", ("def",)),
        ("[^]abc]def", ("def",)),
        ("[[:alpha:]xyz]def", ("def",)),
        ("(a(b|c)|d)|efg", ()),
        (r"\d+abc\x41def", ("abc",)),
        (r"\x{41}abc\p{Lu}defg", ("defg",)),
        (r"\Qabcdef\Eghi", ("ghi",)),
        (r"\101abc", ("abc",)),
        ("x{(}abc)?y", ("x",)),
        ("a{b", ("a",)),
        ("(abc)?", ()),
        ("", ()),
        (".*", ()),
        ("äbc", ("bc",)),
    ],
)
def test_literals(pattern: str, literals: tuple[str, ...]) -> None:
    assert required_literals(pattern) == literals


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [
        ("(?i)a", True),
        ("a(?P<n>b)", True),
        ("(a(?s:b))", True),
        ("(?:a)", False),
        (r"\(?i", False),
        ("[(?i]", False),
        ("(a)?", False),
    ],
)
def test_inline_flags(pattern: str, flags: object) -> None:
    assert has_inline_flags(pattern) is flags


PIECES = st.sampled_from(
    [
        r"a",
        r"b",
        r"cc",
        r"\.",
        r"-",
        r"[ab]",
        r"[^c]",
        r".",
        r"(?:a|bb)",
        r"(?:ab)",
        r"^",
        r"$",
        r"c?",
        r"b*",
        r"a+",
        r"b{2}",
        r"c{0,1}",
        r"(?:c|)+",
        r"|",
    ]
)


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join), st.data())
def test_every_match_contains_a_literal(pattern: str, data: st.DataObject) -> None:
    literals = required_literals(pattern)
    # The end of the text alone, as in google-re2, and not in front of a last line end.
    compiled = re.compile(pattern.replace("$", r"\Z"), re.DOTALL)
    text = data.draw(st.text("abc.-", max_size=12) | st.from_regex(compiled))
    if literals and compiled.search(text):
        assert any(literal in text for literal in literals)
