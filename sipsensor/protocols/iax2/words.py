"""The words of IAX2: names of frame types and subclasses, as RFC 5456 and tshark have them, by their numbers."""

from __future__ import annotations

TYPES = (
    "", "DTMF", "voice", "video", "control", "null", "IAX", "text", "image", "HTML", "comfort-noise", "modem", "DTMF-begin",
)  # fmt: skip
"""Frame types (RFC 5456 8.2; from 10 Asterisk's frame.h)."""

SUBCLASSES = (
    "", "NEW", "PING", "PONG", "ACK", "HANGUP", "REJECT", "ACCEPT", "AUTHREQ", "AUTHREP", "INVAL", "LAGRQ", "LAGRP", "REGREQ", "REGAUTH",
    "REGACK", "REGREJ", "REGREL", "VNAK", "DPREQ", "DPREP", "DIAL", "TXREQ", "TXCNT", "TXACC", "TXREADY", "TXREL", "TXREJ", "QUELCH",
    "UNQUELCH", "POKE", "PAGE", "MWI", "UNSUPPORT", "TRANSFER", "PROVISION", "FWDOWNL", "FWDATA", "TXMEDIA", "RTKEY", "CALLTOKEN",
)  # fmt: skip
"""Subclasses of frames of type IAX (RFC 5456 8.4; from 38 Asterisk's iax2.h)."""

ANSWERS = frozenset(
    SUBCLASSES.index(name)
    for name in (
        "PONG", "ACK", "REJECT", "ACCEPT", "AUTHREQ", "INVAL", "LAGRP", "REGAUTH", "REGACK", "REGREJ", "VNAK", "DPREP", "TXACC", "TXREADY",
        "TXREJ", "UNSUPPORT", "FWDATA", "CALLTOKEN",
    )
)  # fmt: skip
"""What is only ever sent because the other end asked for something."""

NAMING = tuple(SUBCLASSES.index(name) for name in ("NEW", "REGREQ", "REGREL"))
"""What names an account first."""
TRYING = tuple(SUBCLASSES.index(name) for name in ("REGREQ", "REGREL", "AUTHREP"))
"""What may carry credentials."""
TAKING = tuple(SUBCLASSES.index(name) for name in ("REGACK", "ACCEPT"))
REFUSING = tuple(SUBCLASSES.index(name) for name in ("REGREJ", "REJECT"))
"""How the other end ends what was asked for."""


def subclass_number(name: str) -> int:
    """The number of a subclass of type IAX. Raises ValueError for a name that is none."""
    return SUBCLASSES.index(name.upper(), 1)
