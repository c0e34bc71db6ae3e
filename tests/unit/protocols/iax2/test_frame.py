from __future__ import annotations

import pytest

from sipsensor.fastpath.iax2 import WHAT_MINI
from sipsensor.model import WHAT_MALFORMED, AppProtocol
from sipsensor.protocols.base import Malformed
from sipsensor.protocols.iax2 import IaxFrame, parse
from sipsensor.protocols.iax2.words import subclass_number
from tests.support import iax2
from tests.support.iax2 import element, full, mini, registers
from tests.support.packets import message
from tests.support.scanning import examine


def view(payload: bytes) -> IaxFrame:
    found = parse(examine(payload, sport=40_000, dport=iax2.PORT))
    assert isinstance(found, IaxFrame)
    return found


def test_a_registration() -> None:
    frame = view(registers("office"))
    assert (frame.protocol, frame.what, frame.is_request) == (AppProtocol.IAX2, subclass_number("REGREQ"), True)
    assert (frame.type_name, frame.subclass_name) == ("IAX", "REGREQ")
    assert (frame.account, frame.called, frame.token, frame.has_credentials) == (b"office", None, b"", False)
    assert frame.number("refresh") == 60
    assert frame.get("username") == b"office"


@pytest.mark.parametrize("name", ["md5-result", "rsa-result", "password"])
def test_what_answers_a_challenge(name: str) -> None:
    assert view(full("AUTHREP", [element(name, "0123")])).has_credentials


def test_text_as_asterisk_reads_it() -> None:
    frame = view(
        full("NEW", [element("username", b"a"), element("username", b"office\0x"), element("called-number", b"100\0")])
    )
    assert (frame.account, frame.called) == (b"office", b"100")


def test_an_answer() -> None:
    assert not view(full("REGACK", destination=5)).is_request


def test_media_has_no_words() -> None:
    frame = view(mini(9))
    assert (frame.what, frame.type_name, frame.subclass_name, frame.account, frame.token) == (
        WHAT_MINI,
        "",
        "",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (full(4, kind=4), ("control", "")),
        (full(77), ("IAX", "other")),
        (full(0xFF), ("IAX", "other")),
        (full(1, kind=99), ("", "")),
    ],
)
def test_words_for_what_is_rare(payload: bytes, words: tuple[str, str]) -> None:
    frame = view(payload)
    assert (frame.type_name, frame.subclass_name) == words


def test_a_name_that_no_element_has() -> None:
    with pytest.raises(KeyError):
        view(registers()).get("from")
    with pytest.raises(KeyError):
        view(registers()).number("from")


def test_a_broken_frame_is_a_value() -> None:
    broken = parse(examine(registers() + b"x", sport=40_000, dport=iax2.PORT))
    assert isinstance(broken, Malformed)
    assert (broken.protocol, broken.what, broken.reason) == (AppProtocol.IAX2, WHAT_MALFORMED, "element-boundary")


def test_what_is_not_iax2() -> None:
    assert parse(examine(message())) is None
    assert parse(examine(b"\0\0\0", sport=40_000, dport=iax2.PORT)) is None
