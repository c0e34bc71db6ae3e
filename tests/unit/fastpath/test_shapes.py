"""What is spared the scan because it is like an earlier message, and what is not: `tests/fuzz/rooms/shapes.py` compares the facts of both ways."""

from __future__ import annotations

import pytest

from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.matcher import VIEW_NORM, VIEW_RAW, Matcher
from sipsensor.fastpath.names import FIELDS
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response, segment
from tests.support.scanning import SEED

CREDENTIALS = (
    'Digest username="100", realm="pbx", nonce="1600000000/abcd", uri="sip:pbx", response="0123456789abcdef", '
    'algorithm=MD5, qop=auth, nc=00000001, cnonce="f00+/="'
)
REGISTER = message(
    "REGISTER", "sip:pbx", extra=[("Authorization", CREDENTIALS), ("Contact", "<sip:100@198.51.100.9:5060;ob>")]
)
OK = response(
    change={"To": "<sip:bob@example.com>;tag=as7c"},
    extra=[("Date", "Sun, 22 Nov 2026 09:47:11 GMT"), ("Expires", "60")],
)
CHALLENGE = response(
    401, "Unauthorized", extra=[("WWW-Authenticate", 'Digest realm="pbx", nonce="1600000000/abcd", algorithm=MD5')]
)


class Pair:
    """An examiner that recalls, and one that scans every message."""

    def __init__(self, matcher: Matcher | None = None) -> None:
        self.recalling = Examiner(matcher or Matcher(), (5060,), SEED)
        self.scanning = Examiner(matcher or Matcher(), (5060,), SEED, recalls=False)

    def kept(self, payload: bytes) -> None:
        """It comes until it may be recalled."""
        for _ in range(3):
            self.examine(payload)

    def examine(self, payload: bytes, src: str = STRANGER) -> Examined:
        """By both, which find the same."""
        one, other = (
            examiner.examine_raw(datagram(payload, src, PBX), LINK_RAW, 0)
            for examiner in (self.recalling, self.scanning)
        )
        for field in FIELDS.values():
            assert one.values(field) == other.values(field)
        assert (one.headers(), one.anomalies, one.cseq_number) == (other.headers(), other.anomalies, other.cseq_number)
        assert (one.hits, one.candidates) == (other.hits, other.candidates)
        assert (one.transaction_key, one.account_key) == (other.transaction_key, other.account_key)
        return one

    def recalls(self, payload: bytes) -> bool:
        """Whether this one is spared the scan."""
        before = self.recalling.recalled
        self.examine(payload)
        return self.recalling.recalled > before


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_a_message_is_recalled_from_the_third_time_on(pair: Pair) -> None:
    assert [pair.recalls(REGISTER) for _ in range(4)] == [False, False, True, True]
    assert pair.scanning.recalled == 0


@pytest.mark.parametrize(
    ("kept", "old", "new"),
    [
        (REGISTER, b"z9hG4bK776asdhds", b"z9hG4bK776asd.-+"),
        (REGISTER, b"tag=1928301774", b"tag=a_b/c=d.e-"),
        (REGISTER, b"a84b4c76e66710@203", b"b84b4c76e66711@999"),
        (REGISTER, b"CSeq: 314159", b"CSeq: 314160"),
        (REGISTER, b'nonce="1600000000/abcd', b'nonce="1600009999/dcba'),
        (REGISTER, b"0123456789abcdef", b"fedcba9876543210"),
        (REGISTER, b"nc=00000001", b"nc=0000000a"),
        (REGISTER, b"f00+/=", b"/=+abc"),
        (OK, b"tag=as7c", b"tag=zz99"),
        (OK, b"Sun, 22 Nov 2026 09:47:11", b"Mon, 23 Dec 2027 19:07:01"),
        (CHALLENGE, b"1600000000/abcd", b"1700000000/0000"),
    ],
)
def test_random_words_may_be_others(pair: Pair, kept: bytes, old: bytes, new: bytes) -> None:
    pair.kept(kept)
    assert kept.count(old) == 1
    assert pair.recalls(kept.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"sip:bob@", b"sip:bib@"),
        (b"sip:alice@", b"sip:alicf@"),
        (b'"Alice"', b'"Alicf"'),
        (b"Z 5.4.12", b"Z 5.4.13"),
        (b"Max-Forwards: 70", b"Max-Forwards: 69"),
        (b'username="100"', b'username="101"'),
        (b'realm="pbx"', b'realm="pbz"'),
        (b"203.0.113.9:5060", b"203.0.113.9:5061"),
        (b"User-Agent", b"User-Agenz"),
        (b"REGISTER sip:", b"REGISTES sip:"),
        (b"5060;branch=", b"5060;branck="),
        (b"cnonce=", b"cnoncf="),
        (b"@203.0.113.9\r\nCSeq", b";203.0.113.9\r\nCSeq"),
    ],
)
def test_nothing_else_may_be_another(pair: Pair, old: bytes, new: bytes) -> None:
    pair.kept(REGISTER)
    assert REGISTER.count(old) == 1
    assert not pair.recalls(REGISTER.replace(old, new))


@pytest.mark.parametrize(
    "byte", [b'"', b";", b",", b" ", b"\t", b"\\", b"\r", b"\n", b"\0", b"@", b"%", b"<", b">", b":", b"\xe9", b"\x7f"]
)
@pytest.mark.parametrize(
    "word", [b"776asdhds", b"1928301774", b"a84b4c76", b"/abcd", b"89abcdef", b"nc=00000001", b"f00"]
)
def test_what_means_something_to_a_reader_is_scanned(pair: Pair, word: bytes, byte: bytes) -> None:
    pair.kept(REGISTER)
    assert REGISTER.count(word) == 1
    assert not pair.recalls(REGISTER.replace(word, word[:-1] + byte))


@pytest.mark.parametrize("number", [b"31415a", b"-14159", b"31415.", b"+14159"])
def test_a_cseq_that_is_no_number_is_scanned(pair: Pair, number: bytes) -> None:
    pair.kept(REGISTER)
    assert not pair.recalls(REGISTER.replace(b"314159", number))


def test_a_cseq_above_its_range_is_scanned(pair: Pair) -> None:
    least, most, above = (
        REGISTER.replace(b"314159", number) for number in (b"1000000000", b"2147483647", b"2147483648")
    )
    pair.kept(least)
    assert pair.recalls(most)
    assert not pair.recalls(above)


def test_what_is_odd_is_never_kept(pair: Pair) -> None:
    odd = REGISTER.replace(b"Max-Forwards:", b"Max-Forwards :")
    long = message(extra=[("Subject", "x" * 1000)])
    wide = message(extra=[("Subject", "x")] * 30)
    for payload in (odd, long, wide, b"\r\n\r\n", b"no message at all"):
        pair.kept(payload)
        assert not pair.recalls(payload)


def test_a_segment_and_a_cut_message_are_scanned(pair: Pair) -> None:
    pair.kept(REGISTER)
    before = pair.recalling.recalled
    pair.recalling.examine_raw(segment(REGISTER), LINK_RAW, 0)
    whole = datagram(REGISTER, STRANGER, PBX)
    cut = pair.recalling.examine_raw(whole[:-1], LINK_RAW, 0)
    assert cut.truncated
    assert pair.recalling.recalled == before


def test_signatures_see_what_changed_and_remember_what_did_not() -> None:
    leaves = [
        ("literal", FIELDS["user-agent"], VIEW_NORM, False, ((b"z 5", True, False),)),
        ("literal", FIELDS["via.branch"], VIEW_NORM, False, ((b"evil", False, False),)),
        ("literal", FIELDS["call-id"], VIEW_RAW, True, ((b"EVIL", True, False),)),
        ("regex", FIELDS["authorization"], VIEW_NORM, False, (b"evil",)),
        ("literal", FIELDS["datagram"], VIEW_RAW, True, ((b"wicked", False, False),)),
        ("digits", FIELDS["auth.cnonce"], 1, 9),
    ]
    pair = Pair(Matcher(leaves, [("all", (0, 1)), 2, 3, 4, 5, ("all", (0, ("not", 1)))]))
    pair.kept(REGISTER)
    for old, new, hits, candidates in (
        (b"776asdhds", b"776asEVIL", (0,), ()),
        (b"a84b4c76", b"EVIL4c76", (1, 5), ()),
        (b"89abcdef", b"89abevil", (5,), (2,)),
        (b"tag=1928301774", b"tag=wicked1774", (3, 5), ()),
        (b"f00+/=", b"123456", (4, 5), ()),
        (b"f00", b"f01", (5,), ()),
    ):
        before = pair.recalling.recalled
        found = pair.examine(REGISTER.replace(old, new))
        assert pair.recalling.recalled == before + 1
        assert (found.hits, found.candidates) == (hits, candidates)


def test_with_too_many_findings_it_is_not_kept() -> None:
    words = [bytes((first, second)) for first in b"abcde" for second in b"fghij"]
    leaves = [("literal", FIELDS["user-agent"], VIEW_NORM, False, ((word, False, False),)) for word in words]
    pair = Pair(Matcher(leaves, range(len(leaves))))
    payload = message(change={"User-Agent": b" ".join(words).decode()})
    pair.kept(payload)
    assert not pair.recalls(payload)


def test_strangers_who_come_once_push_nobody_out(pair: Pair) -> None:
    pair.kept(REGISTER)
    for number in range(20_000):
        pair.recalling.examine_raw(
            datagram(REGISTER, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", PBX), LINK_RAW, 0
        )
    assert pair.recalls(REGISTER)
