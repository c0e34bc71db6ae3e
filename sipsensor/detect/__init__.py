"""Behaviours: observation in, alerts out. One file each, listed once, here.

May be imported by ``decide`` and above; imports ``track`` and below, never a sibling. A detector states what it saw;
what that costs is policy.
"""

from typing import Final

from sipsensor.detect.enumeration import Enumeration
from sipsensor.detect.flood import Flood
from sipsensor.detect.frames import Frames
from sipsensor.detect.guessing import Guessing
from sipsensor.detect.handshakes import Handshakes
from sipsensor.detect.malformed import MalformedShapes
from sipsensor.detect.scanner import Scanner

DETECTORS: Final = (Scanner, MalformedShapes, Guessing, Enumeration, Handshakes, Flood, Frames)
"""Every detector, in the order in which they judge."""
