# cython: language_level=3, boundscheck=False, wraparound=False
"""All that a table holds, in an order that says what would be pushed out first.

Rules. Reads and never touches: who looks changes neither an age nor a rank. What ran out is left out, because when it is freed depends on
who asked for it last. For tests that two engines with one history hold the same; nothing asks for it once a packet.
"""

from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.tables cimport WAYS, RateTable, Records, SeenTable, _Table


def contents(_Table table not None, int64_t now):
    """See `contents.pyi`."""
    cdef int start, way
    found = []
    for start in range(0, table.capacity, WAYS):
        held = []
        for way in range(start, start + WAYS):
            if table.keys[way] != 0:
                numbers = _numbers(table, way, now)
                if numbers is not None:
                    held.append((table.slots[way].touched, table.keys[way], table.slots[way].rank, numbers))
        if held:
            held.sort()
            found += [entry[1:] for entry in held]
    return found


cdef tuple _numbers(_Table table, int slot, int64_t now):
    """What stands beside the key; None where it ran out."""
    cdef Records records
    cdef RateTable rates
    cdef SeenTable seen
    cdef int i
    if isinstance(table, Records):
        records = <Records> table
        if <int64_t> records.words[slot * records.width] <= now:
            return None
        return tuple([records.words[slot * records.width + i] for i in range(records.width)])
    if isinstance(table, RateTable):
        rates = <RateTable> table
        return tuple([max(0, rates.empty[slot * rates.limit_count + i] - now) for i in range(rates.limit_count)])
    seen = <SeenTable> table
    if not -seen.life <= now - seen.slots[slot].since <= seen.life:
        return None
    return (seen.slots[slot].since, seen.slots[slot].count)
