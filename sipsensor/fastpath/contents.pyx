# cython: language_level=3, boundscheck=False, wraparound=False
"""All that a table holds, in an order that says what would be pushed out first.

Rules. Reads and never touches: who looks changes neither an age nor a rank. What ran out is left out, because when it is freed depends on
who asked for it last. For tests that two engines with one history hold the same; nothing asks for it once a packet.
"""

from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.slots cimport WAYS, SlotTable
from sipsensor.fastpath.tables cimport RateTable, Records, SeenTable


def contents(SlotTable table not None, int64_t now):
    """See `contents.pyi`."""
    cdef int start, way
    found = []
    for start in range(0, table.capacity, WAYS):
        held = []
        for way in range(start, start + WAYS):
            if table.keys[way] != 0:
                numbers = _beside(table, way, now)
                if numbers is not None:
                    held.append((table._slot(way).touched, table.keys[way], table._slot(way).rank, numbers))
        if held:
            held.sort()
            found += [entry[1:] for entry in held]
    return found


cdef tuple _beside(SlotTable table, int slot, int64_t now):
    """What stands beside the key; None where it ran out."""
    cdef int64_t since = table._slot(slot).since
    cdef int i
    if isinstance(table, SeenTable):
        if not -(<SeenTable> table).life <= now - since <= (<SeenTable> table).life:
            return None
        return (since, table._slot(slot).count)
    if isinstance(table, RateTable):
        return tuple([max(0, <int64_t> table._numbers(slot)[i] - now) for i in range((<RateTable> table).limit_count)])
    if <int64_t> table._numbers(slot)[0] <= now:
        return None
    return tuple([table._numbers(slot)[i] for i in range((<Records> table).width)])
