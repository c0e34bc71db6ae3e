import pytest

from sipsensor.protocols.iax2.words import ANSWERS, SUBCLASSES, TYPES, subclass_number


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("NEW", 1),
        ("ACK", 4),
        ("hangup", 5),
        ("REGREQ", 13),
        ("REGREL", 17),
        ("POKE", 30),
        ("UNSUPPORT", 33),
        ("FWDOWNL", 36),
        ("CALLTOKEN", 40),
    ],
)
def test_subclasses_have_their_numbers(name: str, number: int) -> None:
    assert subclass_number(name) == number


@pytest.mark.parametrize("name", ["", "INVITE"])
def test_a_word_that_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="not in"):
        subclass_number(name)


def test_the_lists_are_whole() -> None:
    assert len(SUBCLASSES) == 41
    assert len(set(SUBCLASSES)) == len(SUBCLASSES)
    assert TYPES.index("IAX") == 6
    assert len(TYPES) == 13


def test_who_asks_is_not_who_answers() -> None:
    assert subclass_number("REGREQ") not in ANSWERS
    assert subclass_number("AUTHREP") not in ANSWERS
    assert subclass_number("AUTHREQ") in ANSWERS
