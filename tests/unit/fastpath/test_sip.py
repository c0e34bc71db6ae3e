"""The head: line ends, folds, names, what is missing, what stands twice. Each anomaly has the smallest message that shows it."""

from pathlib import Path

import pytest

from sipsensor.fastpath.examine import CONTENT_MALFORMED, CONTENT_REQUEST, CONTENT_RESPONSE
from sipsensor.fastpath.names import ANOMALIES, FIELD_HEADERS, FIELDS, HEADERS, MALFORMATIONS
from tests.support.packets import HEADERS as USUAL
from tests.support.packets import LINK_RAW, datagram, message, response, segment
from tests.support.scanning import PLAIN, anomalies, examine, frame, norm, raw

TEXT = message()
UA = b"User-Agent: Z 5.4.12 v2.10.11.7\r\n"


def with_ua(line: bytes) -> bytes:
    assert UA in TEXT
    return TEXT.replace(UA, line)


def test_an_ordinary_message_has_no_anomaly() -> None:
    for text in (TEXT, message("INVITE", body=b"v=0\r\n")):
        assert anomalies(examine(text)) == set()
    e = examine(response())
    assert anomalies(e) == set()
    assert (e.content, e.cseq_number, e.content_length) == (CONTENT_RESPONSE, 314159, 0)


def test_every_header_line_is_found_in_order() -> None:
    e = examine(TEXT)
    assert e.headers() == [(HEADERS[name.lower()], name.encode(), value.encode()) for name, value in USUAL]
    assert e.header_count == len(USUAL)
    assert e.body_start == len(TEXT)


@pytest.mark.parametrize(
    "line",
    [
        b"user-agent:friendly-scanner\r\n",
        b"USER-AGENT:   friendly-scanner  \t \r\n",
        b"User-Agent : friendly-scanner\r\n",
        b"User-Agent\t \t:friendly-scanner\r\n",
        b"User-Agent:\tfriendly-scanner\r\n",
        b"User-Agent:\r\n friendly-scanner\r\n",
        b"User-Agent:\r\n\t\r\n \r\n friendly-scanner\r\n \r\n",
        b"User-Agent\r\n : friendly-scanner\r\n",
        b"User-Agent\n\t\n :\n friendly-scanner\n",
        b"User-Agent: friendly-scanner\n",
        b"User-Agent: friendly-scanner\r",
        b"User-Agent\x01: friendly-scanner\r\n",
        b"User-Agent\x00 \x1f: friendly-scanner\r\n",
        b"garbage\r\nUser-Agent: friendly-scanner\r\n",
        b"garb age: x\r\nUser-Agent: friendly-scanner\r\n",
        b": x\r\nUser-Agent: friendly-scanner\r\n",
        b"X: y\r\n \r\nUser-Agent: friendly-scanner\r\n",
        b"X: y\rUser-Agent: friendly-scanner\r\n",
    ],
)
def test_a_value_is_found_however_its_line_is_written(line: bytes) -> None:
    assert norm(examine(with_ua(line)), "user-agent") == b"friendly-scanner"


def test_a_fold_is_one_space_in_the_normal_form_and_stays_in_the_raw_one() -> None:
    e = examine(with_ua(b"User-Agent: friendly\r\n\t  scanner \r\n"))
    assert raw(e, "user-agent") == b"friendly\r\n\t  scanner"
    assert norm(e, "user-agent") == b"friendly scanner"


def test_an_indented_first_header_is_one_as_sofia_reads_it() -> None:
    head, rest = TEXT.replace(UA, b"").split(b"\r\n", 1)
    for lead in (b" ", b"\t", b" \t "):
        assert raw(examine(head + b"\r\n" + lead + UA + rest), "user-agent") == b"Z 5.4.12 v2.10.11.7"


def test_a_colon_in_the_value_is_part_of_it() -> None:
    assert raw(examine(with_ua(b"User-Agent:: a: b\r\n")), "user-agent") == b": a: b"


def test_a_folded_line_that_looks_like_a_header_is_none() -> None:
    e = examine(with_ua(b"X: y\r\n User-Agent: friendly-scanner\r\n"))
    assert raw(e, "user-agent") is None
    assert e.headers()[6] == (-1, b"X", b"y\r\n User-Agent: friendly-scanner") or e.headers()[6][1:] == (
        b"X",
        b"y\r\n User-Agent: friendly-scanner",
    )


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_message_with_one_kind_of_line_end_is_read_whole(end: str) -> None:
    e = examine(message(end=end, body=b"v=0\r\n"))
    assert [name for _, name, _ in e.headers()] == [name.encode() for name, _ in USUAL]
    assert raw(e, "body") == b"v=0\r\n"
    assert anomalies(e) & {"bare-lf", "bare-cr"} == (
        {"bare-lf"} if end == "\n" else {"bare-cr"} if end == "\r" else set()
    )


@pytest.mark.parametrize("blank", [b"\r\n\r\n", b"\n\n", b"\n\r\n", b"\r\n\n", b"\r\r"])
def test_the_head_ends_at_the_first_blank_line_of_any_kind(blank: bytes) -> None:
    e = examine(TEXT[:-4] + blank + b"User-Agent: behind\r\n")
    assert raw(e, "user-agent") == b"Z 5.4.12 v2.10.11.7"
    assert raw(e, "body") == b"User-Agent: behind\r\n"


def test_a_head_read_in_two_ways_gives_the_values_of_both() -> None:
    e = examine(with_ua(b"User-Agent: one\rX: two\r\n"))
    assert "ambiguous-line-ends" in anomalies(e)
    assert e.values(FIELDS["user-agent"]) == [b"one", b"one X: two"]
    e = examine(TEXT[:-2] + b"\rUser-Agent: behind\r\n\r\n")
    assert raw(e, "body") == b"User-Agent: behind\r\n\r\n"
    assert e.values(FIELDS["user-agent"]) == [b"Z 5.4.12 v2.10.11.7", b"Z 5.4.12 v2.10.11.7"]


def test_repeated_headers_are_all_there() -> None:
    e = examine(with_ua(UA + b"User-Agent: b\r\nuser-agent:\r\n"))
    assert e.occurrences(FIELDS["user-agent"]) == [b"Z 5.4.12 v2.10.11.7", b"b", b""]
    assert e.values(FIELDS["user-agent"]) == [b"Z 5.4.12 v2.10.11.7", b"b", b""]
    assert raw(e, "user-agent") == b"Z 5.4.12 v2.10.11.7"


def test_compact_and_long_names_are_one_header() -> None:
    e = examine(message(extra=[("f", "<sip:a@b>;tag=2"), ("F", "<sip:c@d>")]))
    assert len(e.occurrences(FIELDS["from"])) == 3
    assert e.values(FIELDS["from.user"]) == [b"alice", b"a", b"c"]
    assert e.values(FIELDS["from.tag"]) == [b"1928301774", b"2"]


def test_a_body_reaches_to_the_end_whatever_content_length_says() -> None:
    for length in ("0", "3", "5", "900", None, "x"):
        e = examine(message(body=b"v=0\r\nhello", change={"Content-Length": length}))
        assert raw(e, "body") == b"v=0\r\nhello"
    assert raw(examine(TEXT), "body") is None


def test_the_most_lines_that_are_read() -> None:
    assert examine(message(extra=[("X", "y")] * (256 - len(USUAL)))).header_count == 256
    e = examine(message(extra=[("X", "y")] * (257 - len(USUAL))))
    assert (e.content, e.malformation) == (CONTENT_MALFORMED, MALFORMATIONS["too-many-headers"])


# --- anomalies -------------------------------------------------------------------------------------------------------------------------

SHOWN = {
    "leading-bytes": b"\r\n" + TEXT,
    "bare-lf": message(end="\n"),
    "bare-cr": message(end="\r"),
    "fold": with_ua(b"User-Agent: a\r\n b\r\n"),
    "fold-before-colon": with_ua(b"User-Agent\r\n : a\r\n"),
    "space-before-colon": with_ua(b"User-Agent : a\r\n"),
    "control-before-colon": with_ua(b"User-Agent\x01: a\r\n"),
    "nul-in-head": with_ua(b"User-Agent: a\0\r\n"),
    "control-in-head": with_ua(b"User-Agent: a\x02\r\n"),
    "start-line-spacing": TEXT.replace(b" SIP/2.0\r\n", b"  SIP/2.0\r\n", 1),
    "version": TEXT.replace(b" SIP/2.0\r\n", b" SIP/3.0\r\n", 1),
    "method-case": TEXT.replace(b"OPTIONS sip", b"Options sip"),
    "unknown-method": message("FUZZ"),
    "broken-header-line": with_ua(b"User-Agent\r\n"),
    "no-head-end": TEXT[:-2],
    "duplicate-from": message(extra=[("f", "<sip:a@b>")]),
    "duplicate-to": message(extra=[("t", "<sip:a@b>")]),
    "duplicate-call-id": message(extra=[("i", "x")]),
    "duplicate-cseq": message(extra=[("CSeq", "314159 OPTIONS")]),
    "content-length-unreadable": message(change={"Content-Length": "-1"}),
    "content-length-differs": message(extra=[("l", "1")]),
    "content-length-short": message(body=b"v=0\r\n", change={"Content-Length": "2"}),
    "content-length-long": message(body=b"v=0\r\n", change={"Content-Length": "6"}),
    "content-length-empty": message(change={"Content-Length": ""}),
    "cseq-unreadable": message(change={"CSeq": "OPTIONS"}),
    "cseq-method": message(change={"CSeq": "314159 INVITE"}),
    "missing-via": message(change={"Via": None}),
    "missing-from": message(change={"From": None}),
    "missing-to": message(change={"To": None}),
    "missing-call-id": message(change={"Call-ID": None}),
    "missing-cseq": message(change={"CSeq": None}),
    "uri-escape": message(uri="sip:bob%4@example.com"),
    "uri-space": message(uri="sip:bob@example.com; lr"),
    "via-unreadable": message(change={"Via": "SIP/2.0"}),
    "many-headers": message(extra=[("X", "y")] * 57),
    "many-vias": message(extra=[("Via", "SIP/2.0/UDP x")] * 20),
    "following-message": TEXT + TEXT,
    "nul-in-body": message(body=b"v=0\r\n\0"),
    "long-start-line": message(uri="sip:" + "a" * 2048),
    "header-unterminated": TEXT[:-4],
    "name-addr-unbalanced": message(change={"From": "<sip:a@b;tag=1"}),
    "start-line-missing-parts": TEXT.replace(b"sip:bob@example.com SIP/2.0", b"SIP/2.0"),
    "ambiguous-line-ends": with_ua(b"User-Agent: one\rX: two\r\n"),
}
NEAR = {
    "fold": with_ua(b"User-Agent: a\r\nX: b\r\n"),
    "nul-in-head": message(change={"From": '"NUL:\\\0" <sip:a@b>;tag=1'}),
    "control-in-head": with_ua(b"User-Agent: a\tb\xff\r\n"),
    "content-length-differs": message(extra=[("l", "0")]),
    "content-length-short": TEXT + b"\r\n \0\t",
    "content-length-unreadable": message(change={"Content-Length": " 0000 "}),
    "content-length-long": message(body=b"v=0\r\n"),
    "content-length-empty": message(change={"Content-Length": "0"}),
    "cseq-unreadable": message(change={"CSeq": "2147483647\t OPTIONS"}),
    "cseq-method": message(change={"CSeq": "1 options"}),
    "uri-escape": message(uri="sip:bob%40%00@example.com"),
    "via-unreadable": message(change={"Via": "SIP / 2.0 / UDP  [::1]"}),
    "many-headers": message(extra=[("X", "y")] * 56),
    "many-vias": message(extra=[("Via", "SIP/2.0/UDP x")] * 19),
    "following-message": message(body=TEXT),
    "nul-in-body": message(body=b"\x00\x01isup"),
    "long-start-line": message(uri="sip:" + "a" * 2000),
    "header-unterminated": TEXT,
    "name-addr-unbalanced": message(change={"From": '"<" <sip:a@b>;tag=1'}),
    "no-head-end": TEXT,
}


def test_every_anomaly_has_its_smallest_message() -> None:
    assert set(SHOWN) == {name for name in ANOMALIES if not name.startswith(("element-", "frame-"))}


@pytest.mark.parametrize("name", SHOWN)
def test_an_anomaly_is_noted(name: str) -> None:
    e = examine(SHOWN[name])
    assert e.content == CONTENT_REQUEST
    assert name in anomalies(e)


@pytest.mark.parametrize("name", NEAR)
def test_its_near_miss_is_not(name: str) -> None:
    assert name not in anomalies(examine(NEAR[name]))


def test_the_length_of_a_huge_number_is_unreadable() -> None:
    for text in ("2147483648", "4294967296", "9" * 30, "+1", "1 2", "0x10"):
        assert "content-length-unreadable" in anomalies(examine(message(change={"Content-Length": text})))


def test_a_cseq_number_ends_below_two_to_the_31() -> None:
    for text in ("2147483648 OPTIONS", "-1 OPTIONS", "1", "99999999999999999999 OPTIONS"):
        assert "cseq-unreadable" in anomalies(examine(message(change={"CSeq": text})))


# --- what a cut leaves -----------------------------------------------------------------------------------------------------------------

LARGE = message(
    "INVITE",
    extra=[("Content-Type", "application/sdp"), ("Via", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKy")],
    body=b"v=0\r\n",
)
HELD_AGAINST_IT = set(ANOMALIES) - {"no-head-end", "header-unterminated", "control-in-head"}


@pytest.mark.parametrize("size", range(24, len(LARGE)))
def test_a_segment_that_stops_anywhere_shows_nothing_against_the_sender(size: int) -> None:
    e = frame(segment(LARGE[:size]))
    assert e.malformation == 0
    assert not anomalies(e) & HELD_AGAINST_IT


@pytest.mark.parametrize("size", range(1, len(LARGE)))
def test_nor_does_a_short_capture(size: int) -> None:
    e = PLAIN.examine_raw(datagram(LARGE)[: 28 + size], LINK_RAW, 0)
    assert e.truncated
    assert e.malformation == 0
    assert not anomalies(e) & HELD_AGAINST_IT


@pytest.mark.parametrize("start", range(1, len(LARGE)))
def test_a_segment_that_starts_anywhere_is_not_malformed(start: int) -> None:
    assert frame(segment(LARGE[start:])).malformation == 0


def test_a_whole_segment_is_judged_like_a_datagram() -> None:
    e = frame(segment(message(change={"CSeq": "x"}, extra=[("l", "7")])))
    assert {"cseq-unreadable", "content-length-differs"} <= anomalies(e)


# --- any message -----------------------------------------------------------------------------------------------------------------------


def test_the_messages_of_rfc_4475_are_messages(shared_captures: Path) -> None:
    files = sorted((shared_captures / "torture" / "rfc4475").glob("*.dat"))
    assert len(files) == 34
    for file in files:
        e = examine(file.read_bytes())
        assert e.content in (CONTENT_REQUEST, CONTENT_RESPONSE), file.name
        assert e.occurrences(FIELD_HEADERS + HEADERS["via"]), file.name
