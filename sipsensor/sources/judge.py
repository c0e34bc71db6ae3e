"""Whom a pump asks for its verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipsensor.fastpath import examine


class Judge:
    """Says what becomes of a packet: 1 to drop, 0 to accept. This one asks a function; whoever must be fast overrides ``judge``."""

    def __init__(self, function: Callable[[examine.Examined], int]) -> None:
        self._function = function

    def judge(self, examined: examine.Examined) -> int:
        """The verdict on one packet. May raise: the pump answers for that."""
        return self._function(examined)
