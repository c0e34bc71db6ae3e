import base64
from binascii import hexlify

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipsensor.export.events.text import REDACTED, TEXT_MAX, credentials, shown, without_secrets

FORBIDDEN = [*range(0x20), *range(0x7F, 0xA0), 0x200B, 0x200E, 0x2028, 0x202E, 0x2066, 0xFEFF]


@given(st.binary(max_size=3000))
def test_any_bytes_become_printable_bounded_text(value: bytes) -> None:
    text = shown(value)
    assert len(text) <= TEXT_MAX
    assert text.isprintable()
    assert not set(map(ord, text)) & set(FORBIDDEN)


@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E), max_size=TEXT_MAX))
def test_plain_text_stays_what_it_is(text: str) -> None:
    assert shown(text) == text
    assert shown(text.encode()) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\x1b[31mred\x07", r"\x1b[31mred\x07"),
        (b"a\r\nb\tc\x00", r"a\x0d\x0ab\x09c\x00"),
        (b"\xff\xfe", r"\xff\xfe"),
        ("J\u00fcrgen \u65e5\u672c".encode(), "J\u00fcrgen \u65e5\u672c"),
        ("evil\u202etxt".encode(), r"evil\u202etxt"),
        ("\U000e0041".encode(), r"\U000e0041"),
        ("\x9b31m".encode(), r"\x9b31m"),
    ],
)
def test_what_would_be_obeyed_is_shown(value: bytes, text: str) -> None:
    assert shown(value) == text


def test_a_long_value_is_cut_and_says_so() -> None:
    assert shown(b"x" * 5000) == "x" * (TEXT_MAX - 3) + "..."
    assert shown(b"x" * TEXT_MAX) == "x" * TEXT_MAX
    assert len(shown(b"\x00" * 5000)) == TEXT_MAX


def tag(data: str) -> bytes:
    """A tag as SIPVicious makes it."""
    return hexlify(data.encode() + b"\x01" + b"3130246426")


@pytest.mark.parametrize("guess", ["100:secret", "admin:pass:word", "x:", "1000:\u00fc"])
def test_the_guess_in_a_svcrack_tag_is_taken_out(guess: str) -> None:
    for made in (tag(guess), tag(guess).upper()):
        value = b'"100"<sip:100@192.0.2.1>;tag=' + made
        assert without_secrets(value) == b'"100"<sip:100@192.0.2.1>;tag=' + REDACTED.encode()
        assert without_secrets(made + b";x=1") == REDACTED.encode() + b";x=1"


@pytest.mark.parametrize("value", [tag("3653c4ee13c4"), tag("100"), b"abc123", b"as3f2c1d9e", b"", b"deadbeef"])
def test_other_tags_stay(value: bytes) -> None:
    assert without_secrets(b"<sip:a@b>;tag=" + value) == b"<sip:a@b>;tag=" + value


def test_a_password_in_a_uri_is_taken_out() -> None:
    assert without_secrets(b"<sip:alice:hunter2@example.com:5060>") == b"<sip:alice:(redacted)@example.com:5060>"
    assert without_secrets(b"SIPS:a:b@c") == b"SIPS:a:(redacted)@c"
    for plain in (b"sip:alice@example.com:5060", b"<sip:[2001:db8::1]:5060>", b"12:30 today", b"sip:example.com:5060"):
        assert without_secrets(plain) == plain


def test_digest_credentials_keep_what_names_and_lose_what_proves() -> None:
    value = (
        b'Digest username="100", realm="asterisk", nonce="4f", uri="sip:pbx", response="0123456789abcdef", '
        b'algorithm=MD5, cnonce="xyz", qop=auth, nc=00000001, secret=hunter2'
    )
    text = credentials(value)
    for kept in (b'username="100"', b'realm="asterisk"', b'nonce="4f"', b"algorithm=MD5", b"qop=auth"):
        assert kept in text
    for gone in (b"0123456789abcdef", b"xyz", b"hunter2"):
        assert gone not in text


def test_basic_credentials_lose_everything() -> None:
    secret = base64.b64encode(b"alice:hunter2")
    assert credentials(b"Basic " + secret) == b"Basic " + REDACTED.encode()


@given(st.binary(max_size=400))
def test_no_input_is_too_odd(value: bytes) -> None:
    without_secrets(value)
    credentials(value)
