import pytest

from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.folding import folded
from sipsensor.fastpath.names import FIELD_HEADERS, FIELDS, HEADERS
from sipsensor.fastpath.ranges import Networks
from sipsensor.fastpath.tables import keyed_hash
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response, wide
from tests.support.scanning import PLAIN, SEED, examine, frame, norm, raw

FOUR = ("203.0.113.9", "203.0.113.200", "203.0.114.9")
TEXT = message(body=b"v=0\r\n")


def test_facts_cannot_be_changed() -> None:
    e = examine(TEXT)
    for name in ("content", "payload", "src", "ts", "hits", "data"):
        with pytest.raises(AttributeError):
            setattr(e, name, 0)


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_can_be_asked_for_in_every_form(name: str) -> None:
    field = FIELDS[name]
    for payload in (TEXT, response(), b"OPTIONS", b"\r\n", b""):
        e = examine(payload)
        sent, normal = e.raw(field), e.norm(field)
        assert (sent is None) == (normal is None)
        assert sent is None or sent in payload
        assert e.occurrences(field) == ([] if sent is None else [sent])


@pytest.mark.parametrize("field", [0, -1, FIELD_HEADERS - 1, FIELD_HEADERS + len(HEADERS), 10**6])
def test_a_number_that_is_no_field_is_absent(field: int) -> None:
    e = examine(message(extra=[("X-Unknown", "y")]))
    assert (e.raw(field), e.norm(field), e.occurrences(field), e.values(field)) == (None, None, [], [])


def test_the_whole_and_its_parts() -> None:
    e = examine(b"\r\n" + TEXT)
    assert raw(e, "datagram") == b"\r\n" + TEXT
    assert raw(e, "head") == b"\r\n" + TEXT[:-5]
    assert raw(e, "body") == b"v=0\r\n"
    assert e.payload[e.body_start :] == b"v=0\r\n"


def test_networks_are_asked_about_both_ends() -> None:
    e = examine(TEXT)
    assert e.src_in(Networks([STRANGER]))
    assert not e.src_in(Networks([PBX]))
    assert e.dst_in(Networks([PBX]))
    assert not e.dst_in(Networks())


def test_what_follows_is_found_behind_content_length() -> None:
    second = message("BYE", change={"User-Agent": "two"})
    e = examine(TEXT + b"\r\n\0 " + second)
    assert e.has_following
    behind = e.following()
    assert behind is not None
    assert (behind.payload, raw(behind, "user-agent"), behind.headers()[0][1]) == (second, b"two", b"Via")
    assert not behind.has_following
    assert behind.following() is None
    assert raw(e, "user-agent") == b"Z 5.4.12 v2.10.11.7"


@pytest.mark.parametrize(
    "payload",
    [
        TEXT,
        TEXT + b"\r\n\r\n",
        TEXT + b"garbage behind",
        message(body=TEXT),
        message(body=TEXT, change={"Content-Length": None}),
        message(body=TEXT, change={"Content-Length": "x"}),
    ],
)
def test_nothing_follows_padding_or_a_body(payload: bytes) -> None:
    e = examine(payload)
    assert not e.has_following
    assert e.following() is None


def test_an_examined_outlives_the_packets_after_it() -> None:
    e = examine(message(change={"User-Agent": "one\rX: two"}))
    for number in range(50):
        examine(message(change={"User-Agent": f"other {number}"}, extra=[("X", "y")] * number))
    assert raw(e, "user-agent") == b"one"
    assert e.values(FIELDS["user-agent"]) == [b"one", b"one X: two"]


def test_values_are_normal_unless_raw_is_asked_for() -> None:
    e = examine(message(change={"From": '"a\\b" <sip:%31@x>;tag=1'}, extra=[("f", "<sip:%32@x>")]))
    assert e.values(FIELDS["from.user"]) == [b"1", b"2"]
    assert e.values(FIELDS["from.user"], raw=True) == [b"%31", b"%32"]
    assert (norm(e, "from.display"), raw(e, "from.display")) == (b"ab", b"a\\b")


def test_an_ipv6_address_is_written_short() -> None:
    e = PLAIN.examine_raw(datagram(TEXT, "2001:db8::1", "2001:db8::2"), LINK_RAW, 0)
    assert (e.src_text, e.dst_text, e.version) == ("2001:db8::1", "2001:db8::2", 6)
    assert frame(b"\0").src_text == ""


# --- keys of the remote end --------------------------------------------------------------------------------------------------------


def v6(src: str, dst: str = "2001:db8:ffff::1", sport: int = 5060) -> Examined:
    return PLAIN.examine_raw(datagram(TEXT, src, dst, sport), LINK_RAW, 0)


def test_the_remote_end_is_the_source_or_where_it_goes_out_the_destination() -> None:
    e = PLAIN.examine_raw(datagram(TEXT, STRANGER, PBX, 1111, 2222), LINK_RAW, 0)
    assert (e.remote(False), e.remote(True)) == ((wide(STRANGER), 1111), (wide(PBX), 2222))
    back = PLAIN.examine_raw(datagram(TEXT, PBX, STRANGER, 2222, 1111), LINK_RAW, 0)
    for name in ("address_key", "network_key", "port_key"):
        assert getattr(e, name)(False) == getattr(back, name)(True) != getattr(e, name)(True)
    assert e.prefix_key(False, 3, 6) == back.prefix_key(True, 3, 6)


def test_keys_are_hashes_of_the_address_under_the_seed() -> None:
    e = examine(TEXT)
    assert e.address_key(False) == e.network_key(False) == e.source_key == keyed_hash(SEED, wide(STRANGER))
    six = v6("2001:db8:9:9::9")
    assert six.network_key(False) == six.source_key == keyed_hash(SEED, wide("2001:db8:9:9::9")[:8])
    assert six.address_key(False) == keyed_hash(SEED, wide("2001:db8:9:9::9"))


def test_a_network_is_the_64_and_a_prefix_as_wide_as_asked() -> None:
    assert v6("2001:db8:9:9::1").network_key(False) == v6("2001:db8:9:9::2").network_key(False)
    assert v6("2001:db8:9:9::1").network_key(False) != v6("2001:db8:9:8::1").network_key(False)
    assert v6("2001:db8:9:9::1").prefix_key(False, 3, 6) == v6("2001:db8:9:8::1").prefix_key(False, 3, 6)
    assert v6("2001:db8:9:9::1").prefix_key(False, 3, 6) != v6("2001:db8:8:9::1").prefix_key(False, 3, 6)
    four = [PLAIN.examine_raw(datagram(TEXT, src), LINK_RAW, 0).prefix_key(False, 3, 6) for src in FOUR]
    assert four[0] == four[1] != four[2]


def test_each_port_has_a_key() -> None:
    keys = [PLAIN.examine_raw(datagram(TEXT, sport=port), LINK_RAW, 0).port_key(False) for port in (1, 2, 5060, 65535)]
    assert len(set(keys)) == 4


def test_values_are_keyed_in_their_normal_form() -> None:
    e = examine(
        message("REGISTER", change={"To": "<sip:%32%30a1@x>"}, extra=[("Authorization", 'Digest username="20A1"')])
    )
    (to,) = e.keys(FIELDS["to.user"])
    assert e.keys(FIELDS["auth.username"]) == [to] == [e.key(b"20a1")]
    assert e.keys(FIELDS["auth.nonce"]) == []


def test_every_credential_and_every_challenge_is_read() -> None:
    names = [("Authorization", f'Digest username="{name}", nonce="n{name}"') for name in ("201", "202")]
    e = examine(message("REGISTER", extra=[*names, ("Proxy-Authorization", 'Digest username="203"')]))
    assert set(e.keys(FIELDS["auth.username"])) == {e.key(name) for name in (b"201", b"202", b"203")}
    asked = [("WWW-Authenticate", 'Digest realm="x", nonce="a"'), ("Proxy-Authenticate", 'Digest nonce="B", realm="x"')]
    out = examine(response(401, "x", extra=asked))
    assert len(set(out.nonce_keys())) == 2
    assert examine(response()).nonce_keys() == []
    back = examine(message(extra=[("Authorization", 'Digest nonce="B"')]))
    (nonce,) = back.keys(FIELDS["auth.nonce"])
    assert nonce in out.nonce_keys()


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_keys_are_those_of_the_values_in_lower_case(end: str) -> None:
    """Each field of a message with repetitions, folds, escapes and quoted pairs; the second reading of a bare CR is one of them."""
    credentials = 'Digest username="A\\\\b%%%d", realm="R", nonce="N%d", response="%032X"'
    extra = [
        *(("Authorization", credentials % (65, n, n)) for n in (1, 2)),
        ("Proxy-Authorization", credentials % (66, 3, 3)),
        ("Contact", "<sip:%41Lice@10.0.0.1>;expires=5, <sip:b@c>"),
        ("Via", "SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKsecond"),
        ("Subject", "A\r\n  Folded \t one"),
        ("t", "<sip:%42ob@x>;tag=2"),
    ]
    most = 0
    for odd in ([], [("X", "a\rTo: <sip:hidden@x>")]):
        e = examine(message("REGISTER", extra=[*extra, *odd], end=end))
        for name, field in FIELDS.items():
            assert e.keys(field) == [e.key(value.lower()) for value in e.values(field)], name
            most = max(most, len(e.keys(field)))
    assert most > 2


# --- keys without lists --------------------------------------------------------------------------------------------------------


KEYED = [
    FIELDS[name] for name in ("to.user", "uri.user", "call-id", "contact", "auth.nonce", "user-agent", "via.branch")
]


@pytest.mark.parametrize("field", KEYED)
@pytest.mark.parametrize(
    "extra",
    [
        [],
        [("Call-ID", "another")],
        [("To", "<sip:two@pbx>")],
        [("Contact", "<sip:a@b>"), ("Contact", "<sip:c@d>")],
        [("Authorization", 'Digest nonce="n"')],
        [("Authorization", 'Digest nonce="n"'), ("Proxy-Authorization", 'Digest nonce="n"')],
        [("User-Agent", "a\rVia: x")],
    ],
)
def test_one_key_of_a_field_is_that_of_all_its_keys_together(field: int, extra: list[tuple[str, str]]) -> None:
    one = PLAIN.examine_raw(datagram(message("REGISTER", extra=extra)), LINK_RAW, 0)
    keys = one.keys(field)
    assert one.named(field) == folded(keys)
    assert one.sole(field) in {0, *keys[:1]}
    assert not one.sole(field) or len(keys) == 1
    assert one.has(field) == (one.raw(field) is not None)


def test_what_is_no_message_has_no_keys() -> None:
    one = PLAIN.examine_raw(datagram(b"hello"), LINK_RAW, 0)
    for field in KEYED:
        assert (one.named(field), one.sole(field), one.has(field), one.mentions(field, b"h")) == (0, 0, False, False)


def test_a_field_that_does_not_exist_is_not_there() -> None:
    one = PLAIN.examine_raw(datagram(message("REGISTER")), LINK_RAW, 0)
    for field in (-1, 0, 63, 10_000):
        assert (one.has(field), one.sole(field), one.named(field)) == (False, 0, 0)
    assert one.text_key(10_000) == one.text_key(-1) == one.key(b"")


def test_the_key_of_a_text_is_that_of_its_bytes() -> None:
    one = PLAIN.examine_raw(datagram(message("REGISTER", "sip:PBX")), LINK_RAW, 0)
    uri = FIELDS["uri"]
    assert one.text_key(uri) == one.key(b"sip:PBX")


@pytest.mark.parametrize(("word", "there"), [(b"branch", True), (b"z9hg4bk", True), (b"maddr", False), (b"", False)])
def test_a_word_is_found_however_it_is_written(word: bytes, *, there: bool) -> None:
    via = FIELDS["via"]
    for text in (
        "SIP/2.0/UDP a;branch=z9hG4bK1",
        "SIP/2.0/UDP a;BRANCH=Z9HG4BK1",
        "SIP/2.0/UDP bbranch;branch=z9hg4bk",
    ):
        one = PLAIN.examine_raw(datagram(message("REGISTER", change={"Via": text})), LINK_RAW, 0)
        assert one.mentions(via, word) == there
