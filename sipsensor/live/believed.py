"""What was written by a clock that was ahead is not believed: nothing that is read at the start lasts longer than if it began now.

A machine whose clock was wrong for a while would else keep its cuts, and whom it trusted, for as long as the clock was ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sipsensor.decide.ledger import Held, Ledger
from sipsensor.model import NANOSECONDS
from sipsensor.store import Entry
from sipsensor.track.standing import KNOWN_SECONDS, TRUSTED_SECONDS_MOST

_LONGEST: Mapping[str, Callable[[Ledger], int]] = {
    "spared": lambda ledger: ledger.ladder.grace,
    "standing": lambda _: TRUSTED_SECONDS_MOST,
    "known_accounts": lambda _: KNOWN_SECONDS,
    "account_sources": lambda _: KNOWN_SECONDS,
    "source_accounts": lambda _: KNOWN_SECONDS,
}
"""Seconds for which an entry of a kept table holds at most when it was written now. The ledger's differ by entry."""


def believed(table: str, entry: Entry, ledger: Ledger, now: int) -> Entry:
    """An entry of a kept table as it may be at ``now`` (ns): it began now at the latest, and lasts no longer than it then would."""
    key, until, rank, numbers = entry
    if table == "ledger" and len(numbers) == len(Held._fields):
        held = ledger.since_now(Held(*numbers), now)
        return key, min(until, held.until + ledger.ladder.memory * NANOSECONDS), rank, held
    if table == "spared":
        numbers = tuple(min(number, now) for number in numbers)
    longest = _LONGEST.get(table)
    return key, min(until, now + longest(ledger) * NANOSECONDS) if longest else until, rank, numbers
