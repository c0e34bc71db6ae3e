from __future__ import annotations

import re
from pathlib import Path

import pytest

from sipsensor.signatures.schema import (
    ID_RANGES,
    KINDS,
    OPTIONAL_RULE_KEYS,
    REFERENCE_KINDS,
    RULE_KEYS,
    Leaf,
    Node,
    SignatureError,
    leaves_of,
)


def test_number_ranges_do_not_meet() -> None:
    numbers = [number for numbers, _, _ in ID_RANGES for number in (numbers[0], numbers[-1])]
    assert numbers == sorted(set(numbers))


def test_leaves_of_a_tree_from_left_to_right() -> None:
    first, second, third = Leaf("present", "a"), Leaf("present", "b"), Leaf("present", "c")
    assert leaves_of(Node("all", (first, Node("not", (Node("any", (second, third)),))))) == [first, second, third]


def test_values_by_kind() -> None:
    assert Leaf("equal", "f", "x").texts == ("x",)
    assert Leaf("any-of", "f", ("x", "y")).texts == ("x", "y")
    assert Leaf("present", "f").texts == ()
    assert Leaf("equal", "f", "x").text == "x"
    assert Leaf("length", "f", (1, 2)).bounds == (1, 2)


def test_an_error_has_a_line_for_each_problem() -> None:
    with pytest.raises(SignatureError, match=r"^one\ntwo$") as caught:
        raise SignatureError(["one", "two"])
    assert caught.value.problems == ("one", "two")


def test_the_kinds_that_were_promised() -> None:
    promised = "present absent equal prefix suffix contains any-of regex length count integer order equal-fields sipvicious-tag"
    assert set(promised.split()) <= KINDS


def test_the_documentation_knows_every_key_and_kind(repository: Path) -> None:
    page = (repository / "docs" / "signatures.md").read_text()
    cells = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in page.splitlines() if line.startswith("| `")]
    documented = {name for cell in cells for name in cell}
    keys = {name.partition(".")[0] for name in documented} & (RULE_KEYS | OPTIONAL_RULE_KEYS)
    assert keys == RULE_KEYS | OPTIONAL_RULE_KEYS
    assert documented - {"samples.match", "samples.pass"} - keys == KINDS
    assert all(f"`{kind}`" in page for kind in REFERENCE_KINDS)
