import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.matcher import VIEW_NORM, Matcher
from sipsensor.fastpath.names import FIELDS, HEADERS
from tests.support.packets import LINK_RAW, datagram, message
from tests.support.scanning import matching

UA, SUBJECT = FIELDS["user-agent"], FIELDS["subject"]
A = ("literal", UA, VIEW_NORM, False, ((b"a", False, False),))
B = ("literal", UA, VIEW_NORM, False, ((b"b", False, False),))
MAYBE = ("regex", UA, VIEW_NORM, False, (b"m", b"n"))
PRESENT = ("present", SUBJECT)


def judge(rule: Any, value: str, leaves: Sequence[Any] = (A, B, MAYBE, PRESENT)) -> str:  # noqa: ANN401
    examined = matching(leaves, [rule]).examine_raw(datagram(message(change={"User-Agent": value})), LINK_RAW, 0)
    return "yes" if examined.hits == (0,) else "maybe" if examined.candidates == (0,) else "no"


@pytest.mark.parametrize(
    ("rule", "answers"),
    [
        (0, {"a": "yes", "b": "no", "": "no"}),
        (("not", 0), {"a": "no", "b": "yes", "": "yes"}),
        (("all", (0, 1)), {"ab": "yes", "a": "no", "b": "no"}),
        (("any", (0, 1)), {"ab": "yes", "a": "yes", "x": "no"}),
        (2, {"m": "maybe", "n": "maybe", "x": "no"}),
        (("not", 2), {"m": "maybe", "x": "yes"}),
        (("all", (0, 2)), {"am": "maybe", "a": "no", "m": "no"}),
        (("any", (0, 2)), {"am": "yes", "a": "yes", "m": "maybe", "x": "no"}),
        (("all", (0, ("not", 2))), {"a": "yes", "am": "maybe", "m": "no"}),
        (("all", (0, ("not", 1))), {"a": "yes", "ab": "no"}),
        (("any", (("all", (0, 1)), ("all", (2, ("not", 0))))), {"ab": "yes", "m": "maybe", "am": "no", "abm": "yes"}),
        (("not", ("any", (0, 3))), {"a": "no", "x": "yes"}),
        (("not", ("not", 0)), {"a": "yes", "x": "no"}),
        (("all", (("not", 3), ("any", (0, 1)))), {"a": "yes", "x": "no"}),
        (("all", (0,)), {"a": "yes", "x": "no"}),
    ],
)
def test_trees_over_certain_and_possible_leaves(rule: Any, answers: dict[str, str]) -> None:  # noqa: ANN401
    assert {value: judge(rule, value) for value in answers} == answers


def evaluate(tree: Any, leaves: Sequence[bool]) -> bool:  # noqa: ANN401
    if isinstance(tree, int):
        return leaves[tree]
    if tree[0] == "not":
        return not evaluate(tree[1], leaves)
    found = [evaluate(child, leaves) for child in tree[1]]
    return all(found) if tree[0] == "all" else any(found)


def test_every_small_tree_says_what_logic_says() -> None:
    small: list[Any] = [0, 1, ("not", 0), ("not", 1)]
    trees = small + [(kind, pair) for kind in ("all", "any") for pair in itertools.product(small, repeat=2)]
    trees += [("not", tree) for tree in trees[4:]]
    trees += [("any", (tree, ("all", (0, ("not", tree))))) for tree in trees]
    examiner = matching([A, B], trees)
    for value, leaves in (("ab", (True, True)), ("a", (True, False)), ("b", (False, True)), ("x", (False, False))):
        examined = examiner.examine_raw(datagram(message(change={"User-Agent": value})), LINK_RAW, 0)
        assert examined.hits == tuple(number for number, tree in enumerate(trees) if evaluate(tree, leaves)), value


def test_a_rule_matches_once_however_often_its_literals_stand_there() -> None:
    examined = matching([A]).examine_raw(
        datagram(message(change={"User-Agent": "aaa"}, extra=[("User-Agent", "a")])), LINK_RAW, 0
    )
    assert (examined.hits, examined.candidates) == ((0,), ())


def test_what_matched_one_message_does_not_show_in_the_next() -> None:
    examiner = matching([A, MAYBE])
    found = [
        examiner.examine_raw(datagram(message(change={"User-Agent": value})), LINK_RAW, 0)
        for value in ("am", "x", "a", "m")
    ]
    assert [(one.hits, one.candidates) for one in found] == [((0,), (1,)), ((), ()), ((0,), ()), ((), (1,))]


def test_both_readings_of_an_ambiguous_head_are_matched_and_certainty_wins() -> None:
    joined = ("literal", UA, VIEW_NORM, False, ((b"one x: m", True, True),))
    split = ("literal", UA, VIEW_NORM, False, ((b"one", True, True),))
    rules = [0, 1, ("any", (0, 2)), ("not", 0)]
    examiner = matching([joined, split, MAYBE], rules)
    text = message(change={"User-Agent": "one\rX: m"})
    examined = examiner.examine_raw(datagram(text), LINK_RAW, 0)
    assert (examined.hits, examined.candidates) == ((0, 1, 2, 3), ())


def test_rules_without_a_literal_are_always_judged() -> None:
    examiner = matching([PRESENT, ("length", UA, 0, 3)], [0, ("not", 0), ("all", (1, ("not", 0)))])
    assert examiner.examine_raw(datagram(message(change={"User-Agent": "x"})), LINK_RAW, 0).hits == (1, 2)
    assert examiner.examine_raw(datagram(message(extra=[("Subject", "x")])), LINK_RAW, 0).hits == (0,)


def test_counts_of_what_was_built() -> None:
    matcher = Matcher([A, B, PRESENT], [0, 1])
    assert (matcher.rule_count, matcher.state_count) == (2, 3)
    assert Matcher().rule_count == 0


@pytest.mark.parametrize("rule", [9, -1, ("all", ()), ("any", ()), ("none", (0,)), ("not", 9)])
def test_trees_that_make_no_sense_are_refused(rule: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=r".+"):
        Matcher([A], [rule])


def test_trees_and_lists_that_are_too_large_are_refused() -> None:
    deep: Any = 0
    for _ in range(1000):
        deep = ("not", deep)
    for leaves, rules in (([A], [deep]), ([A], [0] * 4097), ([A] * 8193, [0])):
        with pytest.raises(ValueError, match=r".+"):
            Matcher(leaves, rules)


def test_a_matcher_is_shared_by_examiners() -> None:
    matcher = Matcher([A], [0])
    examiners = [Examiner(matcher) for _ in range(3)]
    del matcher
    assert all(
        one.examine_raw(datagram(message(change={"User-Agent": "a"})), LINK_RAW, 0).hits == (0,) for one in examiners
    )


LINES = ("order", True, [HEADERS["via"]] * 3)
TAG = ("tag", FIELDS["from.tag"], 1)
TAGGED = "<sip:100@1.1.1.1>;tag=3130300131"


def lines_and_tag(rule: Any, lines: int, sender: str) -> bool:  # noqa: ANN401
    head = [("Via", "SIP/2.0/UDP a")] * (lines - 1) + [("From", sender)]
    return matching([LINES, TAG, ("count", 0, 3, 99)], [rule]).examine_raw(
        datagram(message(headers=head)), LINK_RAW, 0
    ).hits == (0,)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (0, (False, False, False)),
        (1, (True, False, True)),
        (("not", 0), (True, True, True)),
        (("not", 1), (False, True, False)),
        (("any", (0, 2)), (True, True, True)),
        (("any", (1, 2)), (True, True, True)),
        (("all", (("not", 0), 2)), (True, True, True)),
        (("all", (1, 2)), (True, False, True)),
        (("all", (1, ("any", (0, 2)))), (True, False, True)),
        (("all", (("any", (1, 1)), ("not", 0))), (True, False, True)),
    ],
)
def test_what_cannot_match_is_passed_over_and_nothing_else(rule: Any, expected: tuple[bool, ...]) -> None:  # noqa: ANN401
    asked = ((3, TAGGED), (3, "<sip:100@1.1.1.1>;tag=9fxc"), (70, TAGGED))
    assert tuple(lines_and_tag(rule, lines, sender) for lines, sender in asked) == expected


@pytest.mark.parametrize("lines", [62, 63, 64, 100])
def test_an_order_of_many_lines(lines: int) -> None:
    examiner = matching([("order", True, [HEADERS["via"]] * lines)], [0])
    for sent in (62, 63, 64, 100):
        text = message(headers=[("Via", "SIP/2.0/UDP a")] * sent)
        assert bool(examiner.examine_raw(datagram(text), LINK_RAW, 0).hits) == (sent == lines)
