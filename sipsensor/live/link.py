"""What sensor and keeper tell each other, over a pair of sockets that both inherit: changes of the state one way, what the kernel
holds the other.

Datagrams of bounded size, never waited for: what does not fit now stays with the sender until its next look. The pair is made by the
supervisor before it forks, so it outlives each of the two, with what is in it.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

LARGEST = 60_000
"""Bytes of one datagram."""
ROOM = 4 << 20
"""Bytes that wait for the other side."""
_SO_SNDBUFFORCE = 32
_MOST = 1000
"""Datagrams that one look takes: the other side may send as fast as it can."""

Message = dict[str, Any]
"""One of: changes (a list), orders (a list), mode with seed (texts), ahead (nanoseconds), fell (time and text), resync (true),
trunks (a list of networks), facts (a list).
"""


class LinkEnd:
    """One end of the pair."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)  # noqa: FBT003
        # As a number: it goes with this object, in whatever order the collector frees the two.
        self._descriptor = end.detach()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Give it back; a second call is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def send(self, message: Message) -> bool:
        """False when it does not fit now, or nobody is there. Raises ValueError for a message of more than LARGEST bytes."""
        text = json.dumps(message, separators=(",", ":")).encode()
        if len(text) > LARGEST:
            raise ValueError(f"a message of {len(text)} bytes")
        with suppress(OSError):
            return os.write(self._descriptor, text) == len(text)
        return False

    def received(self) -> Iterator[Message]:
        """The messages that are there. One that cannot be read is left out."""
        for _ in range(_MOST):
            try:
                text = os.read(self._descriptor, LARGEST)
            except OSError:
                return
            if not text:
                return
            with suppress(ValueError):
                message = json.loads(text)
                if isinstance(message, dict):
                    yield message


class Link:
    """The pair: ``sensor`` is the sensor's end, ``keeper`` the keeper's."""

    def __init__(self) -> None:
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in ends:
            with suppress(OSError):  # without CAP_NET_ADMIN the system's limit stays: fewer datagrams wait
                end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, ROOM)
        self.sensor, self.keeper = map(LinkEnd, ends)
