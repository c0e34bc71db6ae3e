"""One packet to 0..n messages: fragments are joined, datagrams with several messages taken apart.

A TCP segment is taken apart as if it were a datagram; ``streams`` says what its connection makes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import examine
from sipsensor.reassembly.fragments import Fragments
from sipsensor.reassembly.framing import PIPELINED_MAX
from sipsensor.reassembly.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.model import Table

_FRAGMENT = examine.DECODED_FRAGMENT
_TCP = 6
MESSAGES_MAX = 16
"""Messages looked at in one datagram. No stack reads a second one from UDP."""


class Assembler:
    """Holds the unfinished datagrams. One per engine."""

    def __init__(
        self, examiner: examine.Examiner, fragments: Fragments | None = None, streams: Streams | None = None
    ) -> None:
        self.examiner = examiner
        self.fragments = Fragments() if fragments is None else fragments
        self.streams = Streams(examiner) if streams is None else streams

    def is_alone(self, examined: examine.Examined) -> bool:
        """A datagram that came whole and holds one message or none: most are."""
        return examined.decoded != _FRAGMENT and examined.transport != _TCP and not examined.has_following

    def assemble(self, examined: examine.Examined) -> Sequence[examine.Examined] | None:
        """The messages that this packet completes. Empty: it is a piece of something that is not whole yet. None: what its
        receiver would make of it cannot be known.
        """
        if examined.decoded == _FRAGMENT:
            whole = self.fragments.add(examined, self.examiner)
            if whole is None:
                return None if self.fragments.refuses(examined) else ()
            examined = whole
        if not examined.has_following:
            return (examined,)
        messages = [examined]
        following = examined.following()
        stream = examined.transport == _TCP
        most = PIPELINED_MAX if stream else MESSAGES_MAX
        while following is not None:
            if len(messages) == most:
                return None if stream else messages
            messages.append(following)
            following = following.following()
        return messages

    def tables(self) -> Sequence[Table]:
        """How full its tables are."""
        return [*self.fragments.tables(), *self.streams.tables()]

    def tick(self, now: int) -> None:
        """Free what timed out."""
        self.fragments.tick(now)
        self.streams.tick(now)
