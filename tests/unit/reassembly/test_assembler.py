from sipsensor.fastpath.examine import CONTENT_REQUEST
from sipsensor.fastpath.examined import Examined
from sipsensor.model import NANOSECONDS
from sipsensor.reassembly.assembler import MESSAGES_MAX, Assembler
from sipsensor.reassembly.framing import PIPELINED_MAX
from tests.support.packets import LINK_RAW, datagram, ipv4, message, segment, udp
from tests.support.scanning import PLAIN

TEXT = message()


def assemble(data: bytes, assembler: Assembler | None = None) -> list[bytes] | None:
    found = (assembler or Assembler(PLAIN)).assemble(PLAIN.examine_raw(data, LINK_RAW, 0))
    return None if found is None else [one.payload for one in found]


def test_a_datagram_is_itself() -> None:
    assert assemble(datagram(TEXT)) == [TEXT]
    assert assemble(datagram(b"\r\n")) == [b"\r\n"]


def test_messages_behind_one_another_are_taken_apart() -> None:
    second, third = message("BYE", body=b"v=0\r\n"), message("ACK", end="\n")
    whole = TEXT + second + b"\r\n\0 " + third
    assert assemble(datagram(whole)) == [whole, second + b"\r\n\0 " + third, third]
    assert assemble(segment(whole)) == [whole, second + b"\r\n\0 " + third, third]


def test_what_was_behind_keeps_the_facts_of_its_packet() -> None:
    messages = Assembler(PLAIN).assemble(PLAIN.examine_raw(datagram(TEXT + TEXT), LINK_RAW, 77, 5))
    assert messages is not None
    second: Examined = messages[1]
    assert (second.ts, second.number, second.content, second.src_text) == (77, 5, CONTENT_REQUEST, "203.0.113.9")
    assert second.transaction_key == messages[0].transaction_key != 0


def test_of_a_datagram_the_first_messages_are_enough() -> None:
    found = assemble(datagram(TEXT * (MESSAGES_MAX + 5)))
    assert found is not None
    assert len(found) == MESSAGES_MAX


def test_of_a_stream_every_message_counts() -> None:
    found = assemble(segment(TEXT * 100))
    assert found is not None
    assert len(found) == 100


def test_a_segment_of_more_messages_than_make_sense_is_refused() -> None:
    tiny = b"A sip:b SIP/2.0\nl:0\n\n"
    assert assemble(segment(tiny * PIPELINED_MAX)) is not None
    assert assemble(segment(tiny * (PIPELINED_MAX + 1))) is None


def test_fragments_are_nothing_until_they_are_whole() -> None:
    assembler = Assembler(PLAIN)
    body = udp(TEXT)
    assert assemble(ipv4(body[:80], more=True), assembler) == []
    assert assemble(ipv4(body[80:], offset=80), assembler) == [TEXT]


def test_fragments_that_contradict_each_other_are_refused() -> None:
    assembler = Assembler(PLAIN)
    body = udp(TEXT)
    assert assemble(ipv4(body[:80], more=True), assembler) == []
    assert assemble(ipv4(b"!" * 80, offset=72, more=True), assembler) is None
    assert assemble(ipv4(body[80:], offset=80), assembler) is None


def test_contradictions_between_other_ports_are_nobody_elses_business() -> None:
    assembler = Assembler(PLAIN)
    body = udp(TEXT, sport=123, dport=137)
    for piece in (ipv4(body[:80], more=True), ipv4(b"!" * 80, offset=72, more=True), ipv4(body[80:], offset=80)):
        assert assemble(piece, assembler) == []


def test_a_contradiction_before_the_ports_are_known_refuses_the_piece_that_shows_them() -> None:
    assembler = Assembler(PLAIN)
    body = udp(TEXT)
    assert assemble(ipv4(body[80:], offset=80), assembler) == []
    assert assemble(ipv4(b"!" * 80, offset=88, more=True), assembler) == []
    assert assemble(ipv4(body[:80], more=True), assembler) is None


def test_tick_reaches_the_fragments() -> None:
    assembler = Assembler(PLAIN)
    assemble(ipv4(udp(TEXT)[:80], more=True), assembler)
    assembler.tick(31 * NANOSECONDS)
    assert len(assembler.fragments) == 0
