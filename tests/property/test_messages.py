"""Whatever a sender writes, the scan reads what he meant; whatever bytes come, it reads something, in bounded work."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sipsensor.fastpath.examine import CONTENT_MALFORMED, CONTENT_OTHER, CONTENT_REQUEST
from sipsensor.fastpath.names import FIELDS
from sipsensor.protocols.sip import parse
from tests.property.messages import Sent, requests
from tests.support.packets import LINK_RAW, datagram
from tests.support.scanning import PLAIN, anomalies, examine

# What is odd about a message and yet lawful, so that a builder of lawful messages may cause it.
LAWFUL = {
    "fold",
    "space-before-colon",
    "bare-lf",
    "unknown-method",
    "method-case",
    "leading-bytes",
    "content-length-short",
}


def read(data: bytes) -> dict[str, bytes | None]:
    examined = examine(data)
    return {name: examined.norm(number) for name, number in FIELDS.items()}


@given(requests())
@settings(max_examples=300, deadline=None)
def test_every_field_comes_back(sent: Sent) -> None:
    found = read(sent.data)
    assert {name: found[name] for name in sent.fields} == sent.fields
    examined = examine(sent.data)
    assert examined.content == CONTENT_REQUEST
    assert anomalies(examined) <= LAWFUL
    assert examined.header_count == len(sent.headers)
    assert examined.content_length == len(sent.body)


@given(requests(), st.sampled_from([b"\r\n", b"\r\n\r\n", bytes(4), b" \t", b"\n"]))
@settings(max_examples=100, deadline=None)
def test_line_ends_and_zero_bytes_before_it_change_nothing(sent: Sent, lead: bytes) -> None:
    before, after = read(sent.data), read(lead + sent.data)
    for name in ("head", "datagram"):
        del before[name], after[name]
    assert before == after


@given(requests(), st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_bytes_behind_it_change_nothing_but_the_body(sent: Sent, tail: bytes) -> None:
    before, after = read(sent.data), read(sent.data + tail)
    for name in ("body", "datagram", "sdp.origin", "sdp.session", "sdp.media"):
        del before[name], after[name]
    assert before == after


@given(requests(), requests())
@settings(max_examples=100, deadline=None)
def test_a_message_behind_it_is_found_and_read_as_if_alone(sent: Sent, second: Sent) -> None:
    following = examine(sent.data + second.data).following()
    assert following is not None
    assert following.payload == second.data
    assert {name: following.norm(number) for name, number in FIELDS.items()} == read(second.data)


@given(requests())
@settings(max_examples=25, deadline=None)
def test_cut_anywhere_it_is_a_message_malformed_or_nothing_yet_and_what_is_whole_is_right(sent: Sent) -> None:
    whole = examine(sent.data)
    lines = whole.headers()
    for size in range(len(sent.data)):
        examined = examine(sent.data[:size])
        view = parse(examined)
        assert (view is None) == (examined.content not in (CONTENT_REQUEST, CONTENT_MALFORMED))
        if examined.content == CONTENT_REQUEST:
            complete = examined.headers()[:-1]
            assert complete == lines[: len(complete)]


@given(requests())
@settings(max_examples=25, deadline=None)
def test_a_short_capture_of_it_is_never_malformed(sent: Sent) -> None:
    packet = datagram(sent.data)
    for size in range(len(packet)):
        assert PLAIN.examine_raw(packet[:size], LINK_RAW, 0).malformation == 0


@given(requests(), st.integers(0, 10_000), st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_a_valid_start_followed_by_garbage_is_read_as_far_as_it_goes(sent: Sent, size: int, garbage: bytes) -> None:
    size %= len(sent.data)
    examined = examine(sent.data[:size] + garbage)
    assert examined.header_count <= 256
    whole, found = examine(sent.data[:size]).headers()[:-1], examined.headers()
    if examined.content == CONTENT_REQUEST:
        assert found[: len(whole)] == whole


@given(st.binary(max_size=600))
@example(b"SIP/2.0 ")
@example(b"\r\n\r\n\x21\x12\xa4\x42" + b"A" * 20)
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_a_message_malformed_or_not_sip(data: bytes) -> None:
    examined = examine(data)
    view = parse(examined)
    assert examined.payload == data
    assert (view is None) == (examined.content <= CONTENT_OTHER)
    for number in FIELDS.values():
        sent, normal = examined.raw(number), examined.norm(number)
        assert sent is None or sent in data
        assert (normal is None) == (sent is None)


@given(
    st.lists(
        st.sampled_from([*' \t\r\n\0:;,<>"\\@%=/[]()SIP2.0vftim*', "SIP/2.0", "OPTIONS sip:a SIP/2.0\r\n", "\r\n\r\n"])
    ).map("".join)
)
@settings(max_examples=500, deadline=None)
def test_so_are_any_bytes_of_the_grammar(text: str) -> None:
    for data in (
        text.encode(),
        b"OPTIONS sip:a SIP/2.0\r\n" + text.encode(),
        f"OPTIONS sip:a SIP/2.0\r\nv:{text}\r\nf:{text}\r\nm:{text}\r\n\r\n".encode(),
    ):
        examined = examine(data)
        for number in FIELDS.values():
            sent = examined.raw(number)
            assert sent is None or sent in data
            assert all(len(value) <= len(data) for value in examined.values(number))
