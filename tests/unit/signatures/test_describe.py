from __future__ import annotations

import json

import pytest

from sipsensor.signatures import load
from sipsensor.signatures.describe import as_object, lines_of, sentence, tree_object
from sipsensor.signatures.match import read_tree
from sipsensor.signatures.problems import Problems
from sipsensor.signatures.schema import MAX_NUMBER, Leaf, Node, Sample
from tests.unit.signatures.building import signature


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        (Leaf("present", "via"), "via is present"),
        (Leaf("absent", "via"), "via is absent"),
        (Leaf("equal", "server", "x", cased=True), 'server is "x", case matters'),
        (Leaf("prefix", "server", "x", raw=True), 'server starts with "x", as sent'),
        (Leaf("any-of", "server", ("x", "y"), how="suffix"), 'server ends with "x" or "y"'),
        (Leaf("regex", "server", "abc"), 'server matches "abc"'),
        (Leaf("length", "server", (3, 3)), "server is 3 bytes long"),
        (Leaf("digits", "call-id", (1, 25)), "call-id is 1 to 25 decimal digits and nothing else"),
        (Leaf("integer", "expires", (60, MAX_NUMBER)), "expires is 60 or more"),
        (Leaf("count", "via", (2, 3)), "via occurs 2 to 3 times"),
        (Leaf("count", "*", (50, MAX_NUMBER)), "50 or more header lines"),
        (Leaf("order", "", ("via", "to"), how="full"), "the header fields are exactly via, to"),
        (Leaf("order", "", ("via", "to"), how="relative"), "header fields in this order: via, to"),
        (Leaf("equal-fields", "from.uri", "to.uri"), "from.uri equals to.uri"),
        (Leaf("sipvicious-tag", "from.tag", "user"), "from.tag hides the From user, as SIPVicious does"),
        (Leaf("anomaly", "", "fold"), "the scan noted: fold"),
    ],
)
def test_sentences(leaf: Leaf, words: str) -> None:
    assert sentence(leaf) == words


def test_trees_are_indented() -> None:
    tree = Node("all", (Leaf("present", "via"), Node("not", (Node("any", (Leaf("present", "to"),)),))))
    assert lines_of(tree) == ["all of:", "  via is present", "  not: any of:", "    to is present"]


def test_objects_read_back_as_they_were() -> None:
    for one in load():
        problems = Problems("here")
        assert read_tree(tree_object(one.match), problems) == one.match
        assert problems.lines == []


def test_an_object_is_json_with_the_keys_of_the_schema() -> None:
    samples = (Sample("text", b"a\r\n\tb\r\n"), Sample("bytes", b"a\nb\x00"))
    made = json.loads(json.dumps(as_object(signature(Leaf("present", "via"), positive=samples))))
    assert made["samples"]["match"] == [{"name": "text", "text": "a\n\tb\n"}, {"name": "bytes", "hex": "610a6200"}]
    assert (made["id"], made["direction"], made["protocol"], made["match"]) == (
        9001,
        "inbound",
        "sip",
        {"kind": "present", "field": "via"},
    )
