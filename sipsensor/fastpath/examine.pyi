"""Packet in, ``Examined`` out: decode, scan and match, chained in C. Never raises on packet bytes."""

from sipsensor.fastpath.examined import Examined as Examined
from sipsensor.fastpath.matcher import Matcher
from sipsensor.model import Packet

# Examined.decoded: how far the link, network and transport layers could be read.
DECODED_OK: int
DECODED_NOT_IP: int
DECODED_UNKNOWN_LINK: int
DECODED_BROKEN: int
"""Lengths or versions that contradict each other: the host's own stack drops such a packet."""
DECODED_FRAGMENT: int
DECODED_OTHER: int
"""IP, but neither UDP nor TCP."""

# Examined.content: what the payload is.
CONTENT_NONE: int
"""Not looked at: no payload could be decoded."""
CONTENT_KEEPALIVE: int
"""Empty, line ends, zero bytes or "hello" (RFC 5626 4.4.1 and habit)."""
CONTENT_STUN: int
CONTENT_OTHER: int
CONTENT_MEDIA_FRAME: int
"""A mini or meta frame of IAX2, by its shape: whether there is such a call, the scan cannot know."""
CONTENT_REQUEST: int
CONTENT_RESPONSE: int
CONTENT_MALFORMED: int
CONTENT_FRAME: int
"""A full frame of IAX2."""
CONTENT_FRAME_MALFORMED: int

class Examiner:
    """Holds what examining needs: a matcher, ports, hash key, scratch memory. One per thread.

    ``sip_ports``: on these every payload is looked at; elsewhere only UDP payloads whose first line ends in SIP/2.0.
    ``iax2_ports``: on these, where they are none of SIP, every datagram is read as a frame of IAX2.
    ``seed``: 16 bytes that key all hashes. ``recalls``: whether a message that is like an earlier one is spared the scan; the facts are the
    same with and without.
    """

    def __init__(
        self,
        matcher: Matcher,
        sip_ports: tuple[int, ...] = (5060,),
        seed: bytes = ...,
        recalls: bool = True,
        iax2_ports: tuple[int, ...] = (4569,),
    ) -> None: ...
    def examine(self, packet: Packet) -> Examined: ...
    def examine_raw(
        self, data: bytes, link: int, ts: int, number: int = 0, wire_length: int = -1, arrival: int = 0
    ) -> Examined: ...
    def examine_whole(self, piece: Examined, ip_payload: bytes, protocol: int = -1) -> Examined:
        """A reassembled datagram: the addresses of its completing piece with what stands behind the IP header in ``ip_payload``.

        ``protocol`` is the next header that its first fragment names: the others may say anything (RFC 8200 4.5). Default: the piece's.
        """
    matcher: Matcher
    sip_ports: tuple[int, ...]
    iax2_ports: tuple[int, ...]
    skipped: dict[str, int]
    """What ``walk`` passed over, by why: media, not_ip, unknown_link, broken, other_transport."""
    recalls: bool
    recalled: int
    """Messages that were spared the scan."""

    def behind(self, first: Examined) -> Examined:
        """The message behind the Content-Length of ``first``, which has one: see ``Examined.following``."""
    def walk(self, data: bytes, index: bytes, link: int, nanoseconds: bool, first_number: int) -> Walk:
        """A batch as ``pcapy.Reader.next_batch`` gives it: those packets that must be judged. Media is skipped in C."""

class Walk:
    """A batch on its way, a packet at a time."""

    packets: int
    """In the batch, media and all."""
    bytes: int
    """Of the packets so far."""
    last: int
    """Time of the last packet so far, ns since the epoch; 0 before the first."""

    def __iter__(self) -> Walk: ...
    def __next__(self) -> Examined: ...
