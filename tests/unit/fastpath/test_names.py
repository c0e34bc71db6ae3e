import pytest

from sipsensor.fastpath.names import (
    ANOMALIES,
    COMPACT_FORMS,
    ELEMENTS,
    FIELD_HEADERS,
    FIELDS,
    HEADERS,
    MALFORMATIONS,
    METHOD_OTHER,
    METHODS,
    header_number,
)

# The IANA registry of header fields with a compact form, and n, which is deprecated there.
IANA = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}


def test_the_compact_forms_are_all_that_iana_lists() -> None:
    assert COMPACT_FORMS == IANA


@pytest.mark.parametrize(("letter", "name"), IANA.items())
def test_a_compact_form_is_its_header_in_both_cases(letter: str, name: str) -> None:
    assert header_number(letter.encode()) == header_number(letter.upper().encode()) == HEADERS[name]


def test_letters_without_a_header_are_none() -> None:
    assert {letter for letter in "abcdefghijklmnopqrstuvwxyz" if header_number(letter.encode()) < 0} == set("ghpqwz")


@pytest.mark.parametrize("name", HEADERS)
def test_every_name_is_found_in_any_case(name: str) -> None:
    wild = "".join(letter.upper() if number % 2 else letter for number, letter in enumerate(name))
    assert {header_number(text.encode()) for text in (name, name.upper(), name.title(), wild)} == {HEADERS[name]}


@pytest.mark.parametrize(
    "name", ["", "x", "user_agent", "user-agen", "user-agentt", "froM\r", "call\rid", "x-unknown", "a" * 300, "é"]
)
def test_other_names_are_none(name: str) -> None:
    known = {"x": HEADERS["session-expires"]}
    assert header_number(name.encode()) == known.get(name, -1)


def test_bytes_that_differ_from_a_letter_by_the_case_bit_are_no_letter() -> None:
    for byte in range(256):
        text = b"via".replace(b"i", bytes((byte,)))
        assert (header_number(text) == HEADERS["via"]) == (byte in b"iI")


def test_the_lists_have_no_name_twice_and_numbers_without_gaps() -> None:
    assert sorted(HEADERS.values()) == list(range(len(HEADERS)))
    assert sorted(ANOMALIES.values()) == list(range(len(ANOMALIES)))
    assert sorted(MALFORMATIONS.values()) == list(range(len(MALFORMATIONS)))
    assert len(set(FIELDS.values())) == len(FIELDS)
    assert len(ANOMALIES) <= 64


def test_fields_hold_every_header() -> None:
    assert all(FIELDS[name] == FIELD_HEADERS + number for name, number in HEADERS.items())
    assert all(
        number < FIELD_HEADERS for name, number in FIELDS.items() if name not in HEADERS and not name.startswith("ie.")
    )


def test_fields_hold_every_element_of_iax2() -> None:
    fields = {name: number for name, number in FIELDS.items() if name.startswith("ie.")}
    assert fields.keys() == {f"ie.{name}" for name in ELEMENTS}
    assert min(fields.values()) > max(FIELDS[name] for name in HEADERS)
    assert sorted(ELEMENTS.values()) == list(range(1, 58))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("called-number", 1),
        ("username", 6),
        ("challenge", 15),
        ("refresh", 19),
        ("cause", 22),
        ("call-token", 54),
        ("calling-ani2", 57),
    ],
)
def test_elements_have_their_numbers(name: str, number: int) -> None:
    assert ELEMENTS[name] == number


def test_no_header_is_called_like_an_element() -> None:
    assert all(header_number(f"ie.{name}".encode()) == -1 for name in ELEMENTS)


def test_the_methods_are_those_of_the_registry() -> None:
    assert set(METHODS) == set(
        b"INVITE ACK BYE CANCEL REGISTER OPTIONS SUBSCRIBE NOTIFY PUBLISH MESSAGE INFO PRACK UPDATE REFER".split()
    )
    assert len(METHODS) == METHOD_OTHER
