from __future__ import annotations

from sipsensor.fastpath.examine import CONTENT_REQUEST, DECODED_OK, Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.signatures.problems import Problems
from sipsensor.signatures.samples import as_packet, messages_of, read_samples
from sipsensor.signatures.schema import Sample

MESSAGE = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n"


def test_text_is_sent_with_crlf_and_hex_as_it_is() -> None:
    problems = Problems("here")
    table = {"samples": {"match": [{"name": "a", "text": "x\n\ty\r\n"}], "pass": [{"name": "b", "hex": "00 ff"}]}}
    assert read_samples(table, problems, 1) == ((Sample("a", b"x\r\n\ty\r\n"),), (Sample("b", b"\x00\xff"),))
    assert problems.lines == []


def test_a_sample_is_examined_as_a_datagram() -> None:
    (examined,) = messages_of(Examiner(Matcher()), MESSAGE)
    assert (examined.decoded, examined.content, examined.payload) == (DECODED_OK, CONTENT_REQUEST, MESSAGE)
    assert (examined.src_text, examined.sport, examined.dst_text, examined.dport) == (
        "198.51.100.7",
        5060,
        "192.0.2.10",
        5060,
    )
    assert not examined.truncated


def test_the_longest_datagram() -> None:
    packet = as_packet(bytes(65_507))
    assert len(packet.data) == 65_535


def test_all_messages_of_a_datagram() -> None:
    both = messages_of(Examiner(Matcher()), MESSAGE + MESSAGE.replace(b"OPTIONS", b"INVITE"))
    assert [examined.payload[:6] for examined in both] == [b"OPTION", b"INVITE"]
