import pytest

from sipsensor.fastpath.names import FIELD_HEADERS, FIELDS, HEADERS
from sipsensor.fastpath.tables import Networks
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response
from tests.support.scanning import PLAIN, examine, frame, norm, raw

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
