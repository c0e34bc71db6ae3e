"""What the fuzzer starts from: packets with their link type, and SIP payloads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sipsensor.sources.pcap import Capture, CaptureError, find, packets
from tests.support.packets import (
    LINK_ETHERNET,
    LINK_NULL,
    LINK_RAW,
    LINK_SLL,
    LINK_SLL2,
    PBX,
    STRANGER,
    datagram,
    ethernet,
    extension,
    fragment6,
    ipv4,
    ipv6,
    message,
    null,
    response,
    segment,
    sll,
    sll2,
    udp,
)

REPOSITORY = Path(__file__).resolve().parents[2]
PER_FILE = 400
"""Packets taken of one capture: its kinds of packets, not its length, are what helps."""
PAYLOAD_MAX = 65_507

Frame = tuple[int, bytes]
"""Link type and bytes."""

SDP = (
    b"v=0\r\no=16264 18299 18299 IN IP4 203.0.113.9\r\ns=call\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\n"
    b"m=audio 25282 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
)
CREDENTIALS = (
    'Digest username="100", realm="asterisk", nonce="1600000000:abcd", uri="sip:192.0.2.10", '
    'response="0123456789abcdef0123456789abcdef", algorithm=MD5, qop=auth, nc=00000001, cnonce="f00"'
)


def payloads() -> list[bytes]:
    """Messages with something in every field that the scan names, and payloads that are no messages."""
    odd = {"From": '"a \\"<b\\" c" <sip:%31%30%30@[2001:db8::1]:5070;transport=udp>;tag=313030013432'}
    return [
        message(),
        message("INVITE", "sips:bob@example.com;user=phone", body=SDP, extra=[("Content-Type", "application/sdp")]),
        message(
            "REGISTER", "sip:example.com", extra=[("Authorization", CREDENTIALS), ("Contact", "*"), ("Expires", "0")]
        ),
        message(
            "INVITE",
            "tel:+15551234",
            change=odd,
            extra=[("m", "<sip:a@b>;expires=5, <sip:c@d>"), ("v", "SIP/2.0/TCP x")],
        ),
        message(
            headers=[
                ("v", "SIP / 2.0 / UDP [::1]:5061 ;branch=z9hG4bK1 ; received = 1.2.3.4"),
                ("f", "sip:a@b;tag=1"),
                ("t", "b"),
            ]
        ),
        message(change={"Content-Length": "0"}) + message("BYE") + message("ACK", end="\n"),
        message(end="\n"),
        message(end="\r"),
        message(change={"User-Agent": "friendly-\r\n\tscanner", "From": '"sipvicious"<sip:100@1.1.1.1>;tag=x'}),
        response(),
        response(401, "Unauthorized"),
        b"\r\n\r\n" + message(),
        b"",
        b"\r\n\r\n",
        b"hello",
        bytes(4),
        b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
        b"OPTIONS",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ]


def frames() -> list[Frame]:
    """Every way in which the built-in payloads can be wrapped."""
    found: list[Frame] = []
    wraps = (
        lambda text: (LINK_RAW, datagram(text)),
        lambda text: (LINK_ETHERNET, ethernet(datagram(text), tags=(0x8100, 0x88A8))),
        lambda text: (LINK_SLL, sll(datagram(text, "2001:db8::5", "2001:db8::6"))),
        lambda text: (LINK_SLL2, sll2(datagram(text), kind=4, link_address=b"SIPSEN\x01\x00")),
        lambda text: (LINK_NULL, null(segment(text))),
        lambda text: (
            LINK_RAW,
            ipv6(extension(60, extension(44, fragment6(17, udp(text), more=False), kind=0)), next_header=0),
        ),
        lambda text: (LINK_RAW, ipv4(udp(text)[:64], more=True, options=b"\x94\x04\x00\x00")),
    )
    for text in payloads():
        found += [wrap(text) for wrap in wraps]  # type: ignore[no-untyped-call]
    return found


def load(names: Sequence[str]) -> list[Frame]:
    """The built-in frames, those of the captures named, and each other file named as the payload of a datagram.

    Without names: `pcaps/` and the folder that SIPSENSOR_CAPTURES names.
    """
    shared = os.environ.get("SIPSENSOR_CAPTURES", "")
    folders = list(names) or [name for name in (str(REPOSITORY / "pcaps"), shared) if name and Path(name).is_dir()]
    found = frames()
    for name in folders:
        found += of_captures(name)
        found += [(LINK_RAW, datagram(text, STRANGER, PBX)) for text in of_messages(Path(name))]
    return found


def of_captures(name: str) -> Iterator[Frame]:
    """The first packets of each capture in a folder, or of the one named."""
    try:
        files = find([name])
    except CaptureError:
        return
    for file in files:
        count = 0
        try:
            for batch in Capture(file).batches():
                for packet in packets(batch):
                    if count < PER_FILE:
                        yield packet.link, packet.data
                    count += 1
        except CaptureError as error:
            print(error, file=sys.stderr)


def of_messages(folder: Path) -> Iterator[bytes]:
    """Single messages: the files of folders called `torture`, whole."""
    for file in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if file.is_file() and "torture" in file.parts and file.suffix != ".md":
            yield file.read_bytes()[:PAYLOAD_MAX]
