"""Bringing the kernel's sets to what they should hold: in one batch, and where the kernel refuses it, in ever smaller ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from sipsensor.enforce.sets.desired import Element
from sipsensor.model import NANOSECONDS

SETS = tuple(
    f"{name}{version}" for name in ("blocked", "blocked_networks", "trusted", "trusted_hosts") for version in (4, 6)
)
"""The sets of our table whose elements come and go."""
BATCH = 8000
"""Elements changed in one batch; the rest comes with the next."""
TRIES = 40
"""Batches of one look: so many find what the kernel refuses, and a tool that fails always costs no more."""
AGAIN = 30 * NANOSECONDS
"""How long an element that was refused is left alone."""
_LONGER = 5 * NANOSECONDS
"""A time that changed by less is not worth a batch: the ledger knows it better."""

Change = Callable[[str], str | None]
"""Runs a script; None when the kernel took it, else its complaint in a line."""
Listing = Callable[[str], str | None]
"""The set of that name as ``nft -j`` lists it, or None."""


class KernelSets:
    """The elements in the sets of ``table`` (inet). ``change`` is None in a dry run: then what would be done is only counted."""

    def __init__(self, table: str, change: Change | None) -> None:
        self._table = table
        self._change = change
        self.held: dict[Element, int] = {}
        """What the kernel holds, and until when (ns), as far as is known."""
        self.errors = 0
        """Elements that the kernel refused."""
        self.changes = 0
        """Elements added or removed; in a dry run those that would have been."""
        self.batches = 0
        """Changes of the ruleset, each of which raises its generation."""
        self.complaint = ""
        """Its last word."""
        self._refused: dict[Element, int] = {}
        self._tries = 0
        self._settled: Mapping[Element, int] | None = None
        """What was asked for last, where the kernel has all of it …"""
        self._due = 0
        """… until then."""

    @property
    def is_dry(self) -> bool:
        """Nothing is ever changed."""
        return self._change is None

    def read(self, listing: Listing, now: int) -> None:
        """Others changed the ruleset: see what the sets really hold. A dry run looks at nothing."""
        if self._change is not None:
            self._refused.clear()
            self._settled = None
            known, self.held = self.held, {}
            for name in SETS:
                for text, seconds in _elements(listing(name) or ""):
                    element, until = Element(name, text), now + seconds * NANOSECONDS
                    before = known.get(element, until)
                    self.held[element] = before if abs(before - until) <= _LONGER else until

    def apply(self, wanted: Mapping[Element, int], now: int) -> bool:
        """One batch towards ``wanted``. True when nothing is left to do now."""
        if wanted is self._settled and now < self._due:
            return True
        self._settled = None
        for element in [element for element, until in self.held.items() if until <= now]:
            del self.held[element]
        self._refused = {element: until for element, until in self._refused.items() if until > now}
        gone = [element for element in self.held if element not in wanted]
        new = [element for element, until in wanted.items() if abs(self.held.get(element, 0) - until) > _LONGER]
        todo = [element for element in (*gone, *new) if element not in self._refused]
        self._tries = TRIES
        if todo:
            self._settle(todo[:BATCH], wanted, now)
        if len(todo) > BATCH or not self._tries:
            return False
        self._settled, self._due = wanted, min([*self.held.values(), *self._refused.values()], default=now)
        return True

    # --- inside

    def _settle(self, elements: Sequence[Element], wanted: Mapping[Element, int], now: int) -> None:
        """All of them, or where the kernel refuses them, each half by itself, until what it does not take stands alone."""
        if not self._tries:
            return
        self._tries -= 1
        if self._done(elements, wanted, now):
            return
        if len(elements) == 1:
            self.errors += 1
            self._refused[elements[0]] = now + AGAIN
            return
        half = len(elements) // 2
        self._settle(elements[:half], wanted, now)
        self._settle(elements[half:], wanted, now)

    def _done(self, elements: Sequence[Element], wanted: Mapping[Element, int], now: int) -> bool:
        if self._change is not None:
            complaint = self._change("".join(self._lines(element, wanted.get(element, 0), now) for element in elements))
            if complaint is not None:
                self.complaint = _in_words(complaint, elements[0])
                return False
            self.batches += 1
        self.changes += len(elements)
        for element in elements:
            if element in wanted:
                self.held[element] = wanted[element]
            else:
                self.held.pop(element, None)
        return True

    def _lines(self, element: Element, until: int, now: int) -> str:
        """What there is of it goes, whether or not it ran out meanwhile; ``until`` 0: and it stays gone."""
        where = f"element inet {self._table} {element.set}"
        gone = f"add {where} {{ {element.text} }}\ndelete {where} {{ {element.text} }}\n"
        if not until:
            return gone
        seconds = max(1, -(-(until - now) // NANOSECONDS))
        return f"{gone}add {where} {{ {element.text} timeout {seconds}s }}\n"


def _in_words(complaint: str, element: Element) -> str:
    """The kernel's ENFILE means that a set is full."""
    return f"the set {element.set} is full" if "Too many open files" in complaint else complaint


def _elements(listed: str) -> Iterator[tuple[str, int]]:
    """Text and remaining seconds of each element that is listed."""
    try:
        objects = json.loads(listed)["nftables"]
        for entry in (entry for one in objects if "set" in one for entry in one["set"].get("elem", ())):
            timed = entry["elem"] if isinstance(entry, dict) and "elem" in entry else {"val": entry}
            # One without an end is none of ours; it counts as one that is about to end, and is replaced.
            yield _text(timed["val"]), int(timed.get("expires", 1))
    except (ValueError, KeyError, TypeError):
        return


def _text(value: object) -> str:
    if isinstance(value, dict) and "prefix" in value:
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    if isinstance(value, dict):
        return " . ".join(map(str, value["concat"]))
    return str(value)
