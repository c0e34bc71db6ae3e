"""Which datagrams are one transaction: retransmissions are counted, never judged again (RFC 3261 17; T1 allows 11 in 32 s)."""

from __future__ import annotations

from collections.abc import Sequence

from sipsensor.fastpath import examine, tables
from sipsensor.model import Table

TRANSACTION_SECONDS = 32
"""64 * T1, RFC 3261 17.1.1.2: the longest that a client retransmits."""


class Transactions:
    """Counts the datagrams of each transaction. Bounded; a transaction pushed out counts as new when it comes again."""

    def __init__(self, capacity: int = 65_536) -> None:
        self.table = tables.SeenTable(capacity, TRANSACTION_SECONDS)

    def repeats(self, examined: examine.Examined) -> int:
        """How many datagrams of this transaction came before this one. 0 for a message that names no transaction."""
        return self.table.touch(examined.transaction_key, examined.ts)

    def tables(self) -> Sequence[Table]:
        """How full it is."""
        return (Table("transactions", self.table.fill, self.table.capacity, self.table.evictions),)
