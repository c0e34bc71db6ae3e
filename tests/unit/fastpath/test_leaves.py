import pytest

from sipsensor.fastpath.matcher import VIEW_NORM, Matcher
from sipsensor.fastpath.names import ANOMALIES, FIELD_HEADERS, FIELDS, HEADERS
from tests.support.iax2 import PORT, element, full, registers
from tests.support.packets import LINK_RAW, datagram, message
from tests.support.scanning import hits, matching

F = FIELDS


def holds(leaf: tuple[object, ...], text: bytes) -> bool:
    return bool(hits(matching([leaf]), text))


def test_presence() -> None:
    assert holds(("present", F["user-agent"]), message())
    assert not holds(("present", F["user-agent"]), message(change={"User-Agent": None}))
    assert holds(("present", F["user-agent"]), message(change={"User-Agent": ""}))
    assert holds(("present", F["from.tag"]), message())
    assert not holds(("present", F["from.tag"]), message(change={"From": "<sip:a@b>"}))
    assert holds(("present", F["body"]), message(body=b"x"))
    assert not holds(("present", F["body"]), message())


@pytest.mark.parametrize(
    ("low", "high", "sizes"), [(0, 3, [0, 1, 3]), (3, 4, [3, 4]), (4, 2**31 - 1, [4, 5, 900]), (4, 2**40, [4, 5, 900])]
)
def test_length_counts_the_bytes_as_sent(low: int, high: int, sizes: list[int]) -> None:
    leaf = ("length", F["call-id"], low, high)
    assert [size for size in (0, 1, 3, 4, 5, 900) if holds(leaf, message(change={"Call-ID": "a" * size}))] == sizes


def test_count_is_of_lines() -> None:
    twice = message(extra=[("v", "SIP/2.0/UDP a, SIP/2.0/UDP b")])
    leaf = ("count", FIELD_HEADERS + HEADERS["via"], 2, 2)
    assert (holds(leaf, twice), holds(leaf, message())) == (True, False)
    assert holds(("count", 0, 8, 8), message())
    assert holds(("count", FIELD_HEADERS + HEADERS["subject"], 0, 0), message())


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("10", True),
        ("0010", True),
        ("11", True),
        ("9", False),
        ("12", False),
        ("", False),
        ("-10", False),
        ("1 0", False),
        ("1e1", False),
    ],
)
def test_integer(value: str, found: bool) -> None:  # noqa: FBT001
    assert holds(("integer", F["max-forwards"], 10, 11), message(change={"Max-Forwards": value})) == found


def test_integer_without_upper_bound() -> None:
    assert holds(("integer", F["cseq.number"], 5, 2**31 - 1), message(change={"CSeq": "4294967296 OPTIONS"}))


@pytest.mark.parametrize(
    ("value", "found"), [("123", True), ("12345", True), ("12", False), ("123456", False), ("12a", False), ("", False)]
)
def test_digits(value: str, found: bool) -> None:  # noqa: FBT001
    assert holds(("digits", F["call-id"], 3, 5), message(change={"Call-ID": value})) == found


def test_order() -> None:
    sent = [
        HEADERS[name]
        for name in ["via", "max-forwards", "from", "to", "call-id", "cseq", "user-agent", "content-length"]
    ]
    assert holds(("order", True, sent), message())
    assert not holds(("order", True, sent[:-1]), message())
    assert not holds(("order", True, [*sent[1:], sent[0]]), message())
    assert holds(("order", False, [sent[0], sent[3], sent[7]]), message())
    assert not holds(("order", False, [sent[3], sent[0]]), message())
    assert not holds(("order", False, [sent[0], HEADERS["subject"]]), message())
    assert not holds(("order", True, sent), message(extra=[("X", "y")]))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("<sip:a@b>", "<sip:a@b>", True),
        ("<sip:a@b>", '"x" <SIP:%61@B>;tag=1', True),
        ("<sip:a@b>", "<sip:a@c>", False),
        ("<sip:a@b>", "<sip:a@bc>", False),
        ("x", "", False),
    ],
)
def test_same(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    text = message(change={"From": one, "To": other})
    assert holds(("same", F["from.uri"], F["to.uri"]), text) == same
    assert holds(("same", F["to.uri"], F["from.uri"]), text) == same


def test_what_is_absent_is_the_same_as_nothing() -> None:
    text = message(change={"From": "<sip:a@b>", "To": "<sip:a@b>"})
    assert not holds(("same", F["from.tag"], F["to.tag"]), text)
    assert not holds(("same", F["subject"], F["subject"]), text)


def test_repeated_headers_count_for_every_leaf() -> None:
    text = message(extra=[("f", "<sip:12345@x>;tag=1928301774"), ("Call-ID", "77")])
    assert holds(("digits", F["from.user"], 5, 5), text)
    assert holds(("digits", F["call-id"], 2, 2), text)
    assert holds(("length", F["from.uri"], 11, 11), text)
    assert holds(("same", F["from.user"], F["from.user"]), text)


def test_anomaly() -> None:
    leaf = ("anomaly", ANOMALIES["bare-lf"])
    assert (holds(leaf, message(end="\n")), holds(leaf, message())) == (True, False)


@pytest.mark.parametrize(
    ("what", "fires"),
    [(-1, [True, True, False, False]), (30, [True, False, False, False]), (13, [False, True, False, False])],
)
def test_a_kind_of_frame(what: int, fires: list[bool]) -> None:
    examiner = matching([("frame", what)])
    found = []
    for payload, port in ((full("POKE"), PORT), (registers(), PORT), (registers() + b"x", PORT), (message(), 5060)):
        found.append(bool(examiner.examine_raw(datagram(payload, sport=40_000, dport=port), LINK_RAW, 0).hits))
    assert found == fires


def test_an_element_is_compared_like_a_header_field_each_time_it_comes() -> None:
    examiner = matching([("literal", F["ie.username"], VIEW_NORM, False, ((b"admin", True, True),))])
    for elements, fires in (
        ([element("username", "ADMIN")], True),
        ([element("username", "admin"), element("username", "x")], True),
        ([element("username", b"admin\0x")], True),
        ([element("username", "admins"), element("called-number", "admin")], False),
    ):
        packet = datagram(full("NEW", elements), sport=40_000, dport=PORT)
        assert bool(examiner.examine_raw(packet, LINK_RAW, 0).hits) is fires


# --- SIPVicious tags (threats.md 1.2) --------------------------------------------------------------------------------------------------


def tag(data: str, number: str = "1234567890") -> str:
    return (data.encode("latin-1") + b"\x01" + number.encode()).hex()


def tagged(value: str, user: str = "100") -> bytes:
    return message(change={"From": f"<sip:{user}@1.1.1.1>;tag={value}"})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (tag("c0000207" + "13c4"), True),
        (tag("20010db8000113c4"), True),
        (tag("113c4"), True),
        (tag("13c4"), False),
        (tag("g0000207" + "13c4"), False),
        (tag("a" * 36), True),
        (tag("a" * 37), False),
        (tag("c000020713c4", "1"), True),
        (tag("c000020713c4", "12345678901"), True),
        (tag("c000020713c4", "123456789012"), False),
        (tag("c000020713c4", ""), False),
        (tag("c000020713c4", "12a"), False),
        (tag("c000020713c4")[:-1], False),
        (tag("c000020713c4")[2:] + "zz", False),
        ("0131", False),
        ("", False),
        ("1928301774", False),
        ("3206210844", False),
    ],
)
def test_the_tag_of_svmap_holds_address_and_port(value: str, found: bool) -> None:  # noqa: FBT001
    assert holds(("tag", F["from.tag"], 0), tagged(value)) == found


@pytest.mark.parametrize(
    ("user", "data", "found"),
    [
        ("100", "100", True),
        ("%31%30%30", "100", True),
        ("100", "101", False),
        ("100", "1000", False),
        ("100", "10", False),
        ("a b", "a b", True),
    ],
)
def test_the_tag_of_svwar_holds_the_user(user: str, data: str, found: bool) -> None:  # noqa: FBT001
    assert holds(("tag", F["from.tag"], 1), tagged(tag(data), user)) == found


@pytest.mark.parametrize(
    ("user", "data", "found"),
    [
        ("100", "100:secret", True),
        ("100", "100:", True),
        ("100", "100", False),
        ("100", "101:x", False),
        ("100", "1000:x", False),
    ],
)
def test_the_tag_of_svcrack_holds_user_and_guess(user: str, data: str, found: bool) -> None:  # noqa: FBT001
    assert holds(("tag", F["from.tag"], 2), tagged(tag(data), user)) == found


def test_a_tag_without_a_user_is_none_of_the_two() -> None:
    text = message(change={"From": f"<sip:1.1.1.1>;tag={tag('100')}"})
    assert not holds(("tag", F["from.tag"], 1), text)
    assert not holds(("tag", F["from.tag"], 2), text)


@pytest.mark.parametrize(
    "leaf",
    [
        ("nothing",),
        ("present", 0),
        ("present", FIELD_HEADERS - 1),
        ("present", FIELD_HEADERS + len(HEADERS)),
        ("present", -1),
        ("length", 9999, 0, 1),
        ("count", F["from.tag"], 0, 1),
        ("order", True, (len(HEADERS),)),
        ("order", False, (-1,)),
        ("same", F["from.uri"], 0),
        ("anomaly", len(ANOMALIES)),
        ("anomaly", -1),
        ("frame", -2),
        ("frame", 64),
    ],
)
def test_what_no_leaf_can_be_is_refused(leaf: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Matcher([leaf], [0])
