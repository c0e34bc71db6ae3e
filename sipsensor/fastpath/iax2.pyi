"""One pass over a frame of IAX2. Compiled; ``examine`` calls it.

What a frame is of a kind: the subclass of a frame of type IAX, 1 to 40 (RFC 5456 8.2), 0 for one that the list does not have, or
one of these.
"""

WHAT_VOICE: int
"""A full frame of voice or video: it sets format and time of the mini frames behind it."""
WHAT_SIGNAL: int
"""A full frame of any other type: control, DTMF, text …"""
WHAT_CLOSED: int
"""A full frame of no type: broken, or encrypted, which leaves its call numbers alone in clear."""
WHAT_MINI: int
WHAT_VIDEO_MINI: int
WHAT_TRUNK: int
"""A meta frame with the media of several calls."""
