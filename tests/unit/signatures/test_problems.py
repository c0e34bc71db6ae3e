from __future__ import annotations

from sipsensor.signatures.problems import Problems, shown


def test_lines_name_the_place_and_the_key() -> None:
    problems = Problems("file")
    problems.add("key", "is wrong")
    problems.at("file: rule 1").add("", "is worse")
    assert problems.lines == ["file: key: is wrong", "file: rule 1: is worse"]


def test_take_checks_the_type() -> None:
    problems = Problems("file")
    table = {"number": 3, "flag": True, "text": "x"}
    assert problems.take(table, "number", int) == 3
    assert problems.take(table, "flag", bool) is True
    assert problems.lines == []
    assert problems.take(table, "flag", int) is None
    assert problems.take(table, "number", str, "a.number") is None
    assert problems.take(table, "none", list) is None
    assert problems.lines == [
        "file: flag: True is not a whole number; write a whole number",
        "file: a.number: 3 is not text; write text",
        "file: none: missing; write a list",
    ]


def test_choose_and_unknown() -> None:
    problems = Problems("file")
    assert problems.choose({"k": "b"}, "k", ["a", "b"]) == "b"
    assert problems.choose({"k": "c"}, "k", ["b", "a"]) is None
    problems.unknown({"x": 1, "y": 2}, ["y"], "here.")
    assert problems.lines == ['file: k: "c" is unknown; one of a, b', "file: here.x: unknown key; known are y"]


def test_values_are_shown_in_one_short_line() -> None:
    assert shown("a\nb\x1b") == '"a\\nb\\x1b"'
    assert shown(["x"] * 100).endswith("...")
    assert len(shown("x" * 1000)) == 60
