"""What a frame of IAX2 says besides its elements, which ``Examined`` has as fields ("ie.username"). Compiled."""

from sipsensor.fastpath.examined import Examined

class Frame:
    """The header of a frame (RFC 5456 8.1). Only ``frame_of`` makes one."""

    what: int
    """What it is of a kind: see ``iax2``."""
    source_call: int
    """Of a trunk's meta frame that of its first entry."""
    destination_call: int
    """0 in a frame that has none: the first of a call, a mini or a meta frame."""
    oseqno: int
    iseqno: int
    type: int
    """The frame type of a full frame, 1 to 12 where it is one of the list; else 0."""
    subclass: int
    """With the C bit taken out: up to 2**63; 2**64 - 1 for the byte 0xFF."""
    timestamp: int
    """ms since the call's start; of a mini frame the lower 16 bits."""
    repeated: bool
    """The R bit: the sender says that he sent it before."""

    def number(self, element: int) -> int:
        """An element (``names.ELEMENTS``) as an unsigned number in network order; -1 where it is absent, empty, or has more than 63 bits.

        Of equal elements the last, by which Asterisk goes.
        """
    def calls(self) -> list[int]:
        """The call numbers of the sender that this frame is of: one, but for a trunk's meta frame."""
    def call_key(self, outgoing: bool, call: int) -> int:
        """Keyed hash of both ends, the remote one first, and a call number."""

def frame_of(examined: Examined) -> Frame | None:
    """None for what is no frame of IAX2."""
