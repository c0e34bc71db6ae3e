import pytest

from sipsensor.fastpath.examine import (
    CONTENT_KEEPALIVE,
    CONTENT_MALFORMED,
    CONTENT_OTHER,
    CONTENT_REQUEST,
    CONTENT_RESPONSE,
    CONTENT_STUN,
)
from sipsensor.fastpath.names import MALFORMATIONS, METHOD_OTHER, METHODS
from tests.support.packets import LINK_RAW, datagram, message, response, segment
from tests.support.scanning import PLAIN, anomalies, examine, frame, raw

HEAD = message().split(b"\r\n", 1)[1]


def started(line: bytes) -> bytes:
    return line + b"\r\n" + HEAD


def test_a_request_line() -> None:
    e = examine(started(b"OPTIONS sip:bob@example.com:5070;transport=udp SIP/2.0"))
    assert (e.content, e.method, e.code) == (CONTENT_REQUEST, METHODS.index(b"OPTIONS"), 0)
    assert raw(e, "start-line") == b"OPTIONS sip:bob@example.com:5070;transport=udp SIP/2.0"
    assert (raw(e, "method"), raw(e, "version")) == (b"OPTIONS", b"SIP/2.0")
    assert raw(e, "uri") == b"sip:bob@example.com:5070;transport=udp"
    assert (raw(e, "uri.user"), raw(e, "uri.host")) == (b"bob", b"example.com")
    assert not anomalies(e)


def test_a_status_line() -> None:
    e = examine(response(486, "Busy  Here"))
    assert (e.content, e.method, e.code) == (CONTENT_RESPONSE, -1, 486)
    assert (raw(e, "version"), raw(e, "code"), raw(e, "phrase")) == (b"SIP/2.0", b"486", b"Busy  Here")
    assert raw(e, "method") is None


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_known_in_any_case(method: bytes) -> None:
    for text in (method, method.lower(), method.title()):
        e = examine(message(text.decode()))
        assert e.method == METHODS.index(method)
        assert anomalies(e) == (set() if text == method else {"method-case"})


@pytest.mark.parametrize("method", ["FUZZ", "INVITE1", "INVIT", "!interesting-Method0123456789_*+`.%indeed'~"])
def test_other_tokens_are_methods_too(method: str) -> None:
    e = examine(message(method))
    assert (e.content, e.method) == (CONTENT_REQUEST, METHOD_OTHER)
    assert "unknown-method" in anomalies(e)


@pytest.mark.parametrize("method", [b"OPTI)ONS", b")OPTIONS", b"OPTIONS=", b"\xff", b"O\x7fP", b"a:b", b"OPTIONS\x00"])
def test_kamailio_and_sofia_read_any_bytes_as_a_method(method: bytes) -> None:
    e = examine(started(method + b" sip:bob@example.com SIP/2.0"))
    assert (e.content, e.method, raw(e, "method")) == (CONTENT_REQUEST, METHOD_OTHER, method)


@pytest.mark.parametrize(
    "line",
    [
        b"OPTIONS  sip:bob@example.com SIP/2.0",
        b"OPTIONS sip:bob@example.com   SIP/2.0",
        b"OPTIONS\tsip:bob@example.com\tSIP/2.0",
        b"OPTIONS sip:bob@example.com SIP/2.0  ",
    ],
)
def test_runs_of_white_space_are_tolerated_and_noted(line: bytes) -> None:
    e = examine(started(line))
    assert (raw(e, "uri"), raw(e, "version")) == (b"sip:bob@example.com", b"SIP/2.0")
    assert anomalies(e) == {"start-line-spacing"}


@pytest.mark.parametrize("lead", [b"\r\n", b"\r\n\r\n", b"\n", b"\r", bytes(4), b" ", b"\t", b"\r\n \0"])
def test_white_space_and_zero_bytes_before_the_start_line_are_skipped(lead: bytes) -> None:
    e = examine(lead + message())
    assert (e.content, raw(e, "method"), anomalies(e)) == (CONTENT_REQUEST, b"OPTIONS", {"leading-bytes"})
    assert raw(e, "datagram") == lead + message()


def test_a_uri_may_hold_white_space_as_some_send_it() -> None:
    e = examine(started(b"INVITE sip:user@example.com; lr SIP/2.0"))
    assert raw(e, "uri") == b"sip:user@example.com; lr"
    assert "uri-space" in anomalies(e)


@pytest.mark.parametrize(
    "version", [b"SIP/7.0", b"sip/2.0", b"SIP/2.00", b"SIP/2.0\x00", b"SIP1/2.0", b"SIP /2.0", b"HTTP/1.1"]
)
def test_another_version_of_a_sip_uri_is_noted(version: bytes) -> None:
    e = examine(started(b"OPTIONS sip:bob@example.com " + version))
    assert e.content == CONTENT_REQUEST
    assert ("version" in anomalies(e)) == (version != b"sip/2.0")


@pytest.mark.parametrize(
    "line",
    [
        b"OPTIONS",
        b"REGISTER sip:example.com",
        b"INVITE sip:bob@example.com foo",
        b"INVITE sip:bob@example.com SIP/2.0 foo",
        b"options",
    ],
)
def test_a_broken_request_line_on_a_sip_port_is_malformed(line: bytes) -> None:
    for text in (line, started(line)):
        e = examine(text)
        assert (e.content, e.malformation) == (CONTENT_MALFORMED, MALFORMATIONS["start-line"])
        assert e.malformed_at <= len(line)
    assert examine(started(line), sport=40_000, dport=40_001).content == CONTENT_OTHER
    assert frame(segment(started(line))).content == CONTENT_OTHER


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\n\r\n",
        b"OPTIONS rtsp://192.0.2.1/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        b"hello world\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x80\x00\x00\x01" + bytes(20),
        b"INVITED to nothing\r\n",
    ],
)
def test_other_protocols_on_a_sip_port_are_not_sip(text: bytes) -> None:
    e = examine(text)
    assert (e.content, e.anomalies, e.malformation) == (CONTENT_OTHER, 0, 0)


@pytest.mark.parametrize(
    "line", [b"SIP/2.0 ", b"SIP/2.0 20", b"SIP/2.0 2000 OK", b"SIP/2.0 OK", b"SIP/2.0 099 x", b"SIP/2.0 800 x"]
)
def test_a_status_line_without_a_status_code_is_malformed(line: bytes) -> None:
    e = examine(started(line))
    assert (e.content, e.malformation) == (CONTENT_MALFORMED, MALFORMATIONS["status-code"])


@pytest.mark.parametrize("line", [b"SIP/2.0 200", b"SIP/2.0 200 ", b"SIP/2.0 200OK", b"SIP/2.0  200 \xe2\x9c\x93"])
def test_a_reason_phrase_is_free(line: bytes) -> None:
    assert (examine(started(line)).content, examine(started(line)).code) == (CONTENT_RESPONSE, 200)


def test_a_request_line_without_a_uri_is_noted() -> None:
    e = examine(started(b"REGISTER SIP/2.0"))
    assert (e.content, anomalies(e)) == (CONTENT_REQUEST, {"start-line-missing-parts", "cseq-method"})


def test_a_start_line_alone_is_malformed() -> None:
    for text in (b"OPTIONS sip:a SIP/2.0\r\n\r\n", b"OPTIONS sip:a SIP/2.0", b"SIP/2.0 200 OK\r\n"):
        assert examine(text).malformation == MALFORMATIONS["no-header"]


@pytest.mark.parametrize(
    ("payload", "content"),
    [
        (b"", CONTENT_KEEPALIVE),
        (b"\r\n", CONTENT_KEEPALIVE),
        (b"\r\n\r\n", CONTENT_KEEPALIVE),
        (b"\n", CONTENT_KEEPALIVE),
        (b"\0", CONTENT_KEEPALIVE),
        (bytes(4), CONTENT_KEEPALIVE),
        (b"\r\n\0", CONTENT_KEEPALIVE),
        (b" ", CONTENT_KEEPALIVE),
        (b"hello", CONTENT_KEEPALIVE),
        (b"HELLO", CONTENT_KEEPALIVE),
        (b"hello!", CONTENT_OTHER),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), CONTENT_STUN),
        (b"\x01\x01\x00\x0c\x21\x12\xa4\x42" + bytes(24), CONTENT_STUN),
        (b"\x01\x01\x00\x0c\x21\x12\xa4\x43" + bytes(24), CONTENT_OTHER),
        (b"\x01\x01\x00\x00\x21\x12\xa4\x42", CONTENT_OTHER),
    ],
)
def test_keepalives_and_stun_are_told_apart_from_sip(payload: bytes, content: int) -> None:
    e = examine(payload)
    assert (e.content, e.anomalies) == (content, 0)


def test_a_first_line_cut_by_the_capture_is_not_broken() -> None:
    for size in range(1, 35):
        whole = datagram(message())
        cut = PLAIN.examine_raw(whole[: 28 + size], LINK_RAW, 0)
        assert cut.truncated
        assert cut.content == CONTENT_OTHER
    assert PLAIN.examine_raw(datagram(message())[: 28 + 80], LINK_RAW, 0).content == CONTENT_REQUEST


def test_a_bare_cr_that_only_some_read_as_the_end_of_the_start_line() -> None:
    e = examine(started(b"FOO sip:b\rob@example.com SIP/2.0"))
    assert (e.content, raw(e, "uri")) == (CONTENT_REQUEST, b"sip:b\rob@example.com")
