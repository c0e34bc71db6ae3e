"""The literals of one field, searched all at once: the judge is `in`."""

import random
import re

import pytest

from sipsensor.fastpath.matcher import VIEW_NORM, VIEW_RAW, Matcher
from sipsensor.fastpath.names import FIELDS
from tests.support.packets import message
from tests.support.scanning import hits, matching

UA, USER, DISPLAY = FIELDS["user-agent"], FIELDS["from.user"], FIELDS["from.display"]


def ua(value: str) -> bytes:
    return message(change={"User-Agent": value})


def literal(
    *literals: tuple[bytes, bool, bool], field: int = UA, view: int = VIEW_NORM, cased: bool = False
) -> tuple[object, ...]:
    return ("literal", field, view, cased, literals)


@pytest.mark.parametrize(
    ("at_start", "at_end", "found"),
    [
        (False, False, ["scan", "scanner", "a scan", "ascanb", "SCAN"]),
        (True, False, ["scan", "scanner", "SCAN"]),
        (False, True, ["scan", "a scan", "SCAN"]),
        (True, True, ["scan", "SCAN"]),
    ],
)
def test_anchors(at_start: bool, at_end: bool, found: list[str]) -> None:  # noqa: FBT001
    examiner = matching([literal((b"scan", at_start, at_end))])
    values = ["scan", "scanner", "a scan", "ascanb", "SCAN", "sca", "s can", "x"]
    assert [value for value in values if hits(examiner, ua(value))] == found


def test_case_counts_where_it_is_asked_for() -> None:
    examiner = matching([literal((b"Scan", False, False), cased=True), literal((b"sCAN", False, False))])
    assert [hits(examiner, ua(value)) for value in ("Scan", "scan", "SCAN")] == [(0, 1), (1,), (1,)]


def test_views_differ_in_white_space_and_escapes() -> None:
    norm, raw = matching([literal((b"a b", True, True))]), matching([literal((b"a b", True, True), view=VIEW_RAW)])
    for value, in_norm, in_raw in (("a b", 1, 1), ("a \t b", 1, 0), ("a\r\n b", 1, 0), ("ab", 0, 0)):
        assert (len(hits(norm, ua(value))), len(hits(raw, ua(value)))) == (in_norm, in_raw)
    user = message(change={"From": "<sip:%31%30%30@x>;tag=1"})
    assert hits(matching([literal((b"100", True, True), field=USER)]), user)
    assert hits(matching([literal((b"%31%30%30", True, True), field=USER, view=VIEW_RAW)]), user)
    assert not hits(matching([literal((b"100", True, True), field=USER, view=VIEW_RAW)]), user)
    shown = message(change={"From": '"sip\\v"<sip:a@x>;tag=1'})
    assert hits(matching([literal((b"sipv", True, True), field=DISPLAY)]), shown)


def test_overlapping_literals_are_all_found() -> None:
    words = [b"he", b"she", b"his", b"hers", b"e"]
    examiner = matching([literal((word, False, False)) for word in words])
    assert hits(examiner, ua("ushers")) == (0, 1, 3, 4)
    assert hits(examiner, ua("this")) == (2,)


def test_every_byte_can_be_part_of_a_literal() -> None:
    data = bytes(range(33, 256))
    examiner = matching([literal((data, True, True), cased=True)])
    text = message().replace(b"Z 5.4.12 v2.10.11.7", data)
    assert hits(examiner, text) == (0,)


def test_every_occurrence_of_a_repeated_header_is_searched() -> None:
    examiner = matching([literal((b"scan", True, True)), literal((b"9", True, True), field=USER)])
    assert hits(examiner, message(extra=[("User-Agent", "x"), ("User-Agent", "scan")])) == (0,)
    assert hits(examiner, message(extra=[("f", "<sip:8@x>"), ("F", "<sip:9@x>")])) == (1,)


@pytest.mark.parametrize("cased", [False, True])
def test_random_literals_are_found_where_plain_search_finds_them(cased: bool) -> None:  # noqa: FBT001
    r = random.Random(7)
    literals = ["".join(r.choices("abAB%-", k=r.randrange(1, 5))) for _ in range(60)]
    anchors = [(r.random() < 0.3, r.random() < 0.3) for _ in literals]
    leaves = [
        literal((text.encode(), start, end), cased=cased) for text, (start, end) in zip(literals, anchors, strict=True)
    ]
    examiner = matching(leaves)
    for _ in range(400):
        value = "".join(r.choices("abAB%-", k=r.randrange(1, 12)))
        expected = [
            number
            for number, (text, (start, end)) in enumerate(zip(literals, anchors, strict=True))
            if re.search(
                ("^" if start else "") + re.escape(text) + ("$" if end else ""), value, 0 if cased else re.IGNORECASE
            )
        ]
        assert hits(examiner, ua(value)) == tuple(expected), value


def test_a_literal_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Matcher([literal((b"", False, False))], [0])
