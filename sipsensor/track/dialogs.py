"""Calls that the PBX answered: who comes back with the To tag of its 2xx received that answer, so he is where he says he is (DESIGN 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import names, pair_key, tables
from sipsensor.model import NANOSECONDS, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.fastpath import examine

_CALL_ID, _TO_TAG = names.FIELDS["call-id"], names.FIELDS["to.tag"]
DIALOG_SECONDS = 3600
_LIFE = DIALOG_SECONDS * NANOSECONDS


class Dialogs:
    """Remembers the address that each 2xx to an INVITE went to. Bounded; a dialog pushed out proves nobody."""

    def __init__(self, capacity: int = 65_536) -> None:
        self.table = tables.Records(capacity, 1)

    def answered(self, examined: examine.Examined, address: int) -> None:
        """The PBX sends a 2xx to an INVITE to that address."""
        key = _key(examined)
        if key:
            self.table.put_one(key, examined.ts, examined.ts + _LIFE, address)

    def proves(self, examined: examine.Examined, address: int) -> bool:
        """Whether this ACK or BYE from that address carries a tag that went there."""
        return self.table.first(_key(examined), examined.ts, 0) == address

    def tables(self) -> Sequence[Table]:
        """The dialogs."""
        return [Table.of("dialogs", self.table)]


def _key(examined: examine.Examined) -> int:
    tag, call = examined.sole(_TO_TAG), examined.sole(_CALL_ID)
    if tag and call:
        return pair_key(tag, call)
    tags, calls = examined.keys(_TO_TAG), examined.keys(_CALL_ID)
    return pair_key(tags[0], calls[0]) if len(tags) == 1 and len(calls) == 1 else 0
