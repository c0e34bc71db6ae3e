"""The literals of all signatures in one automaton per field and view, and the rules' trees over them.

A leaf is a tuple whose first part names its kind:

- ``("literal", field, view, cased, ((bytes, at_start, at_end), ...))``: any of the literals occurs in the field; ``at_start`` and
  ``at_end`` anchor it (both: equal).
- ``("regex", field, view, cased, (literal, ...))``: true for certain never, possible when any literal occurs; the caller confirms.
- ``("present", field)``
- ``("length", field, low, high)``: bytes of the raw value.
- ``("count", field, low, high)``: lines of that header field (``field`` 0 counts all).
- ``("integer", field, low, high)``: decimal value of the field. In this and the other bounds, a ``high`` of 2**31 - 1 or more is none.
- ``("digits", field, low, high)``: the raw value is decimal digits and nothing else, that many of them.
- ``("order", full, (header number, ...))``: the known header fields in exactly (full) or relatively this order.
- ``("same", field, field)``: equal, normalised, without case; both present.
- ``("tag", field, form)``: a SIPVicious tag, hex of data + 0x01 + decimal; form 0 address and port, 1 the From user, 2 user:guess.
- ``("anomaly", bit)``
- ``("frame", what)``: a full frame of IAX2 of that kind (see ``iax2``); -1 for any.

Header fields are tried at each occurrence. A tree is an int (leaf index) or ``("all"|"any", (tree, ...))`` or ``("not", tree)``.
"""

from collections.abc import Sequence
from typing import Any

VIEW_NORM: int
"""Folds and white space runs are one space, quoted pairs and percent escapes (URI parts) resolved."""
VIEW_RAW: int
"""The bytes as sent."""

class Matcher:
    """Immutable once built. Raises ValueError for an unknown leaf kind, field or an empty literal."""

    def __init__(self, leaves: Sequence[tuple[Any, ...]] = (), rules: Sequence[Any] = ()) -> None: ...
    rule_count: int
    leaf_count: int
    state_count: int
