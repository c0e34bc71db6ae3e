import pytest

from sipsensor.fastpath.names import FIELDS
from tests.support.packets import message
from tests.support.scanning import anomalies, examine, header, norm, raw

PARTS = ("display", "uri", "user", "host", "port", "tag")


def address(value: str) -> tuple[bytes | None, ...]:
    e = header("From", value)
    return tuple(raw(e, f"from.{part}") for part in PARTS)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ('"Alice" <sip:alice@example.com>;tag=1', (b"Alice", b"sip:alice@example.com", b"alice", b"example.com", None, b"1")),
        ('"Alice"<sip:alice@example.com>', (b"Alice", b"sip:alice@example.com", b"alice", b"example.com", None, None)),
        ("Alice B. <sip:a@b:5070>;tag=1", (b"Alice B.", b"sip:a@b:5070", b"a", b"b", b"5070", b"1")),
        ("<sip:a@b>;tag=1", (None, b"sip:a@b", b"a", b"b", None, b"1")),
        ("  <sip:a@b> ; x=y ; TAG = 1 ", (None, b"sip:a@b", b"a", b"b", None, b"1")),
        ("sip:a@b;tag=1", (None, b"sip:a@b", b"a", b"b", None, b"1")),
        ("sip:a@b", (None, b"sip:a@b", b"a", b"b", None, None)),
        ("sip:b;tag=1", (None, b"sip:b", None, b"b", None, b"1")),
        ("sip:a;x,y@b;z;tag=1", (None, b"sip:a;x,y@b", b"a;x,y", b"b", None, b"1")),
        ("sip:b;tag=x@y", (None, b"sip:b", None, b"b", None, b"x@y")),
        ("sip:b;x=z@y ;tag=1", (None, b"sip:b;x=z@y", b"b;x=z", b"y", None, b"1")),
        ("<sips:a:secret@b;transport=tls;lr?x=y>;tag=1", (None, b"sips:a:secret@b;transport=tls;lr?x=y", b"a", b"b", None, b"1")),
        ("<sip:a;b=c@d;e=f>;tag=1", (None, b"sip:a;b=c@d;e=f", b"a;b=c", b"d", None, b"1")),
        ("<sip:a@[2001:db8::1]:5070>;tag=1", (None, b"sip:a@[2001:db8::1]:5070", b"a", b"[2001:db8::1]", b"5070", b"1")),
        ("<sip:[2001:db8::1]>", (None, b"sip:[2001:db8::1]", None, b"[2001:db8::1]", None, None)),
        ("<tel:+1-555;phone-context=x>;tag=1", (None, b"tel:+1-555;phone-context=x", b"+1-555", None, None, b"1")),
        ("tel:911;tag=1", (None, b"tel:911", b"911", None, None, b"1")),
        ("<http://example.com/>;tag=1", (None, b"http://example.com/", None, b"//example.com/", None, b"1")),
        ('"a \\" <b>" <sip:c@d>;tag=1', (b'a \\" <b>', b"sip:c@d", b"c", b"d", None, b"1")),
        ('x "a <b>" <sip:c@d>;tag=1', (b'x "a <b>"', b"sip:c@d", b"c", b"d", None, b"1")),
        ('"" <sip:c@d>;tag=1', (b"", b"sip:c@d", b"c", b"d", None, b"1")),
        (": <sip:c@d>;tag=1", (b":", b"sip:c@d", b"c", b"d", None, b"1")),
        ("a: b <sip:c@d>;tag=1", (b"a: b", b"sip:c@d", b"c", b"d", None, b"1")),
        ('<sip:c@d>;x=";tag=2";tag=1', (None, b"sip:c@d", b"c", b"d", None, b"1")),
        ('<sip:c@d>;tag="1"', (None, b"sip:c@d", b"c", b"d", None, b"1")),
        ("<sip:c@d>;tag=1 (comment)", (None, b"sip:c@d", b"c", b"d", None, b"1")),
        ("<sip:c@d> junk ;tag=1", (None, b"sip:c@d", b"c", b"d", None, b"1")),
        ("<sip:c@d>;tag=1;tag=2", (None, b"sip:c@d", b"c", b"d", None, b"2")),
        ("<sip:c@d>;tag", (None, b"sip:c@d", b"c", b"d", None, b"")),
        ("<sip: c@d >;tag=1", (None, b"sip: c@d", b"c", b"d", None, b"1")),
        ("*", (None, b"*", None, b"*", None, None)),
    ],
)  # fmt: skip
def test_a_name_addr_or_a_bare_uri(value: str, parts: tuple[bytes | None, ...]) -> None:
    assert address(value) == parts


@pytest.mark.parametrize(
    ("value", "tag", "user"),
    [
        ("<sip:c@d;tag=1", b"1", b"c"),
        ('"abc <sip:c@d>;tag=1', b"1", b"c"),
        ('abc" <sip:c@d>;tag=1', b"1", b"c"),
        ('"abc', None, None),
        ("<", None, None),
        ('"', None, None),
        ('"\\', None, None),
        (";tag=1", b"1", None),
    ],
)
def test_what_does_not_balance_is_read_as_far_as_it_goes(value: str, tag: bytes | None, user: bytes | None) -> None:
    parts = address(value)
    assert (parts[5], parts[2] or None) == (tag, user)


@pytest.mark.parametrize("value", ["<sip:c@d;tag=1", '"abc <sip:c@d>;tag=1', '"abc'])
def test_and_noted(value: str) -> None:
    assert "name-addr-unbalanced" in anomalies(header("From", value))


def test_folds_inside_a_name_addr() -> None:
    e = header("From", '"Alice\r\n B" \r\n\t<sip:a@b>\r\n ;\r\n tag\r\n =\r\n 1')
    assert (norm(e, "from.display"), raw(e, "from.user"), raw(e, "from.tag")) == (b"Alice B", b"a", b"1")


@pytest.mark.parametrize(
    ("field", "value", "normal"),
    [
        ("from.user", "<sip:%31%30%30@b>", b"100"),
        ("from.user", "<sip:%2531@b>", b"%31"),
        ("from.user", "<sip:%4@b>", b"%4"),
        ("from.user", "<sip:%zz%@b>", b"%zz%"),
        ("from.user", "<sip:a%00b@b>", b"a\0b"),
        ("from.display", '"s\\ip\\"v"<sip:a@b>', b'sip"v'),
        ("from.display", '"a%31 \t b"<sip:a@b>', b"a%31 b"),
        ("from.uri", "<sip:%61@b>", b"sip:a@b"),
        ("from.tag", "<sip:a@b>;tag=%31", b"%31"),
    ],
)
def test_the_normal_form_of_a_part(field: str, value: str, normal: bytes) -> None:
    assert norm(header("From", value), field) == normal


def test_of_a_list_the_first_contact_is_read() -> None:
    e = examine(message(extra=[("Contact", "<sip:a@b>;q=1, <sip:c@d>"), ("m", "sip:e@f, x")]))
    assert raw(e, "contact.user") == b"a"
    assert e.values(FIELDS["contact.user"]) == [b"a", b"e"]
    assert e.values(FIELDS["contact.uri"]) == [b"sip:a@b", b"sip:e@f"]


VIA = ("transport", "host", "port", "branch", "rport", "received", "maddr")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("SIP/2.0/UDP a:5060;branch=b", (b"UDP", b"a", b"5060", b"b", None, None, None)),
        ("SIP/2.0/UDP a;rport;branch=b", (b"UDP", b"a", None, b"b", b"", None, None)),
        ("SIP / 2.0 / TLS  a : 5061 ; branch = b ; received = 1.2.3.4 ; rport = 5", (b"TLS", b"a", b"5061", b"b", b"5", b"1.2.3.4", None)),
        ("SIP/2.0/UDP [2001:db8::1]:5060;branch=b;maddr=1.2.3.4", (b"UDP", b"[2001:db8::1]", b"5060", b"b", None, None, b"1.2.3.4")),
        ("SIP/2.0/UDP a;branch=b, SIP/2.0/TCP c;branch=d", (b"UDP", b"a", None, b"b", None, None, None)),
        ("SIP/2.0/UDP a,SIP/2.0/TCP c;branch=d", (b"UDP", b"a", None, None, None, None, None)),
        ("SIP/2.0/UDP a (comment);BRANCH=b", (b"UDP", b"a", None, b"b", None, None, None)),
        ("SIP/2.0/UDP\r\n a\r\n ;branch\r\n =b", (b"UDP", b"a", None, b"b", None, None, None)),
        ('SIP/2.0/UDP a;branch="b;c"', (b"UDP", b"a", None, b"b;c", None, None, None)),
        ("SIP/2.0/UDP a;xbranch=1;branch=2;branch=3", (b"UDP", b"a", None, b"3", None, None, None)),
        ("SIP/2.0/UDP a;;;branch=b", (b"UDP", b"a", None, b"b", None, None, None)),
    ],
)  # fmt: skip
def test_a_via(value: str, parts: tuple[bytes | None, ...]) -> None:
    e = header("Via", value)
    assert tuple(raw(e, f"via.{part}") for part in VIA) == parts
    assert "via-unreadable" not in anomalies(e)


@pytest.mark.parametrize(
    "value", ["", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0/UDP ;branch=b", "SIP/2.0/UDP ,a", "a"]
)
def test_a_via_without_protocol_or_host(value: str) -> None:
    assert "via-unreadable" in anomalies(header("Via", value))


@pytest.mark.parametrize(
    ("value", "number", "method"),
    [("1 INVITE", b"1", b"INVITE"), ("0009\r\n\t INVITE", b"0009", b"INVITE"), ("1INVITE", b"1", b"INVITE"), ("x", b"", b"x"), ("7", b"7", b"")],
)  # fmt: skip
def test_a_cseq(value: str, number: bytes, method: bytes) -> None:
    e = header("CSeq", value)
    assert (raw(e, "cseq.number"), raw(e, "cseq.method")) == (number, method)


AUTH = 'Digest username="bob\\"s", realm="a, b",nonce = "n" ,uri="sip:x", response="r", qop=auth,nc=00000001,cnonce="c",opaque=""'


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization"])
def test_credentials(name: str) -> None:
    e = examine(message(extra=[(name, AUTH)]))
    found = {
        part: raw(e, f"auth.{part}")
        for part in ("scheme", "username", "realm", "nonce", "uri", "response", "qop", "nc")
    }
    assert found == {
        "scheme": b"Digest", "username": b'bob\\"s', "realm": b"a, b", "nonce": b"n", "uri": b"sip:x", "response": b"r", "qop": b"auth",
        "nc": b"00000001",
    }  # fmt: skip
    assert norm(e, "auth.username") == b'bob"s'


@pytest.mark.parametrize(
    "value", ["", "Digest", "Digest ", "Digest =,,=", 'Digest username="a', "Digest username", "Basic abc==", ",,,"]
)
def test_broken_credentials_are_read_as_far_as_they_go(value: str) -> None:
    e = examine(message(extra=[("Authorization", value)]))
    assert raw(e, "auth.username") in (None, b"a", b"")


def test_both_kinds_of_credentials_count() -> None:
    e = examine(
        message(
            extra=[
                ("Authorization", 'Digest username="a"'),
                ("Proxy-Authorization", 'Digest username="b"'),
                ("Proxy-Authorization", 'Digest username="c", realm="r"'),
            ]
        )
    )
    assert raw(e, "auth.username") == b"a"
    assert e.values(FIELDS["auth.username"]) == [b"a", b"b", b"c"]
    assert e.values(FIELDS["auth.realm"]) == [b"r"]


def test_the_first_lines_of_sdp() -> None:
    body = b"v=0\r\no=- 1 1 IN IP4 a\r\ns=call\r\no=x\r\nt=0 0\r\nm=audio 1 RTP/AVP 0\r\nm=video 2 RTP/AVP 31\r\ns=later\r\n"
    for end in (b"\r\n", b"\n", b"\r"):
        e = examine(message("INVITE", body=body.replace(b"\r\n", end)))
        assert (raw(e, "sdp.origin"), raw(e, "sdp.session"), raw(e, "sdp.media")) == (
            b"- 1 1 IN IP4 a",
            b"call",
            b"audio 1 RTP/AVP 0",
        )


def test_sdp_within_another_body_is_found() -> None:
    body = b"--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=me\r\ns=svwar\r\n--x--\r\n"
    e = examine(message("INVITE", body=body, extra=[("c", "multipart/mixed;boundary=x")]))
    assert (raw(e, "sdp.origin"), raw(e, "sdp.session"), raw(e, "sdp.media")) == (b"me", b"svwar", None)


@pytest.mark.parametrize("behind", [b"", b"\r\n", b"\r\nTo: <sip:x@y;z>;tag=w@,:?=\r\n\r\n" + b" ,;:@" * 8])
@pytest.mark.parametrize("size", range(1, 36))
def test_a_field_ends_where_it_ends_whatever_stands_behind_and_however_long_it_is(size: int, behind: bytes) -> None:
    """Searches read sixteen bytes at a time, across the end of the field, and never across that of the datagram."""
    word = b"w" * size
    value = b"<sip:%s@%s:5061;p=%s>;q=%s;tag=%s" % (word, word, word, word, word)
    e = examine(b"OPTIONS sip:a SIP/2.0\r\nFrom: " + value + behind)
    uri = value[1 : value.index(b">")]
    assert tuple(raw(e, f"from.{part}") for part in PARTS) == (None, uri, word, word, b"5061", word)
