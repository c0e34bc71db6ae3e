"""Bringing the kernel's sets to what they should hold: in one batch, and in ever smaller ones where the kernel refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sipsensor.enforce.rules.table import TABLE
from sipsensor.enforce.sets.desired import Element
from sipsensor.model import NANOSECONDS

BATCH = 2000
"""Elements changed in one batch; the rest comes with the next."""
RUNS = 64
"""Batches tried in one look: each runs a tool. What was not reached comes with the next."""
AGAIN = 30 * NANOSECONDS
"""How long an element that was refused is left alone."""
_LONGER = 5 * NANOSECONDS
"""A time that changed by less is not worth a batch: the ledger knows it better."""

Nft = Callable[[str], str | None]
"""Runs a script; None when the kernel took it, else its complaint in a line."""


class KernelSets:
    """The elements of ours in the kernel. ``nft`` makes changes; None in a dry run: then only what would be done is counted."""

    def __init__(self, nft: Nft | None) -> None:
        self._nft = nft
        self.held: dict[Element, int] = {}
        """What the kernel holds, and until when (ns), as far as is known."""
        self.errors = 0
        """Elements that the kernel refused."""
        self.changes = 0
        """Elements added or removed; in a dry run those that would have been."""
        self.complaint = ""
        """Its last word."""
        self._refused: dict[Element, int] = {}

    def forget(self) -> None:
        """The rules are new, and so are their sets: nothing is known to be in them."""
        self.held.clear()
        self._refused.clear()

    def apply(self, wanted: Mapping[Element, int], now: int) -> bool:
        """One batch towards ``wanted``. True when nothing is left to do."""
        for element in [element for element, until in self.held.items() if until <= now]:
            del self.held[element]
        self._refused = {element: until for element, until in self._refused.items() if until > now}
        gone = [element for element in self.held if element not in wanted and element not in self._refused]
        new = [
            element
            for element, until in wanted.items()
            if element not in self._refused and abs(self.held.get(element, 0) - until) > _LONGER
        ]
        batch = [*gone, *new][:BATCH]
        waiting, runs = [batch] if batch else [], 0
        while waiting and runs < RUNS:
            part, runs = waiting.pop(), runs + 1
            if self._done(part, wanted, now):
                continue
            if len(part) == 1:
                self.errors += 1
                self._refused[part[0]] = now + AGAIN
            else:  # what it refuses must not keep the others out; the first half first, because what goes makes room
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
        return len(gone) + len(new) <= BATCH and not waiting and not self._refused

    def _done(self, elements: Sequence[Element], wanted: Mapping[Element, int], now: int) -> bool:
        if self._nft is not None:
            complaint = self._nft("".join(_line(element, wanted.get(element, 0), now) for element in elements))
            if complaint is not None:
                self.complaint = complaint
                return False
        for element in elements:
            self.changes += 1
            if element in wanted:
                self.held[element] = wanted[element]
            else:
                self.held.pop(element, None)
        return True


def _line(element: Element, until: int, now: int) -> str:
    """What there is of it goes, whether or not it ran out meanwhile; ``until`` 0: and it stays gone."""
    where = f"element inet {TABLE} {element.set}"
    gone = f"add {where} {{ {element.text} }}\ndelete {where} {{ {element.text} }}\n"
    if not until:
        return gone
    seconds = max(1, (until - now) // NANOSECONDS)
    return f"{gone}add {where} {{ {element.text} timeout {seconds}s }}\n"
