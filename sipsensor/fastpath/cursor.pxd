# cython: language_level=3, boundscheck=False, wraparound=False
"""Bounds-checked reads of packet bytes: the only file that holds pointer arithmetic on them.

Rules. Every primitive takes a Cursor and an index, and checks the index against the cursor's size; past the end it answers -1 (single values),
`end` (searches) or False (comparisons), never reads. Nothing here allocates, raises or needs the GIL. Offsets are uint32: no packet and no
reassembled message is longer than 64 KiB plus a link header.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy


cdef struct Cursor:
    const uint8_t *data
    uint32_t size


cdef struct Span:
    uint32_t start
    uint32_t end


cdef extern from *:
    """
    #define ABSENT UINT32_MAX
    """
    const uint32_t ABSENT   # Span.start of a field that is not there


cdef inline Cursor cursor_over(const void *data, size_t size) noexcept nogil:
    cdef Cursor c
    c.data = <const uint8_t *> data
    c.size = <uint32_t> size if size < <size_t> ABSENT else 0
    return c


cdef inline Cursor part(Cursor c, uint32_t start, uint32_t length) noexcept nogil:
    """The cursor of `length` bytes from `start`, cut to what is there."""
    cdef Cursor p
    if start > c.size:
        start = c.size
    if length > c.size - start:
        length = c.size - start
    p.data = c.data + start
    p.size = length
    return p


cdef inline int at(Cursor c, uint32_t i) noexcept nogil:
    """The byte at `i`, or -1."""
    return c.data[i] if i < c.size else -1


cdef inline int64_t be16(Cursor c, uint32_t i) noexcept nogil:
    """Two bytes in network order, or -1."""
    if i >= c.size or c.size - i < 2:
        return -1
    return (<int64_t> c.data[i] << 8) | c.data[i + 1]


cdef inline int64_t be32(Cursor c, uint32_t i) noexcept nogil:
    """Four bytes in network order, or -1."""
    if i >= c.size or c.size - i < 4:
        return -1
    return ((<int64_t> c.data[i] << 24) | (<int64_t> c.data[i + 1] << 16) | (<int64_t> c.data[i + 2] << 8) | c.data[i + 3])


cdef inline int64_t host16(Cursor c, uint32_t i) noexcept nogil:
    """Two bytes in this machine's order, or -1."""
    cdef uint16_t value
    if i >= c.size or c.size - i < 2:
        return -1
    memcpy(&value, c.data + i, 2)
    return value


cdef inline int64_t host32(Cursor c, uint32_t i) noexcept nogil:
    """Four bytes in this machine's order, or -1."""
    cdef uint32_t value
    if i >= c.size or c.size - i < 4:
        return -1
    memcpy(&value, c.data + i, 4)
    return value


cdef inline uint64_t word64(Cursor c, uint32_t i) noexcept nogil:
    """Eight bytes in this machine's order; what lies past the end reads as zero bytes."""
    cdef uint64_t value = 0
    if i < c.size:
        memcpy(&value, c.data + i, 8 if c.size - i >= 8 else c.size - i)
    return value


cdef inline uint64_t folded64(Cursor c, uint32_t i, uint32_t count) noexcept nogil:
    """`count` (1 to 8) bytes from `i` with bit 5 set in each, the rest zero: equal for names that differ in letter case only."""
    cdef uint64_t value = word64(c, i) | <uint64_t> 0x2020202020202020
    return value if count >= 8 else value & ((<uint64_t> 1 << (8 * count)) - 1)


cdef inline bint copy_out(Cursor c, uint32_t i, void *target, uint32_t length) noexcept nogil:
    """Copy `length` bytes from `i`; False, and nothing copied, when they are not all there."""
    if i > c.size or length > c.size - i:
        return False
    memcpy(target, c.data + i, length)
    return True


cdef inline uint32_t find(Cursor c, uint32_t start, uint32_t end, uint8_t byte) noexcept nogil:
    """Index of the first `byte` in [start, end), or `end`."""
    cdef const void *hit
    if end > c.size:
        end = c.size
    if start >= end:
        return end
    hit = memchr(c.data + start, byte, end - start)
    if hit == NULL:
        return end
    return <uint32_t> (<const uint8_t *> hit - c.data)


cdef inline uint32_t next_control(Cursor c, uint32_t start, uint32_t end) noexcept nogil:
    """Index of the first byte below 0x20 in [start, end), or `end`. Eight bytes at a time: it is what the scan of a head costs most."""
    cdef uint64_t word, below
    if end > c.size:
        end = c.size
    while start < end and end - start >= 8:
        memcpy(&word, c.data + start, 8)
        # The high bit of each byte of `below` is set where the byte is below 0x20; borrows can only invent hits above a real one.
        below = (word - <uint64_t> 0x2020202020202020) & ~word & <uint64_t> 0x8080808080808080
        if below:
            break
        start += 8
    while start < end and c.data[start] >= 0x20:
        start += 1
    return start if start < end else end


cdef inline uint8_t lower(int byte) noexcept nogil:
    return <uint8_t> (byte | 0x20) if 65 <= byte <= 90 else <uint8_t> byte


cdef inline bint same_nocase(Cursor c, Span span, Cursor other) noexcept nogil:
    """The span's bytes equal all of `other`, without ASCII case."""
    cdef uint32_t i
    if span.start > span.end or span.end > c.size or span.end - span.start != other.size:
        return False
    for i in range(other.size):
        if lower(c.data[span.start + i]) != lower(other.data[i]):
            return False
    return True


cdef inline bint is_space(int byte) noexcept nogil:
    """SP or HTAB: white space that ends no line."""
    return byte == 0x20 or byte == 0x09


cdef inline bint is_blank(int byte) noexcept nogil:
    """SP, HTAB, CR or LF: white space inside a folded value."""
    return byte == 0x20 or byte == 0x09 or byte == 0x0D or byte == 0x0A


cdef inline bint is_digit(int byte) noexcept nogil:
    return 48 <= byte <= 57


cdef inline Span trim(Cursor c, uint32_t start, uint32_t end) noexcept nogil:
    """[start, end) without white space at either end."""
    cdef Span span
    while start < end and is_blank(at(c, start)):
        start += 1
    while end > start and is_blank(at(c, end - 1)):
        end -= 1
    span.start = start
    span.end = end
    return span


cdef inline int64_t decimal(Cursor c, Span span) noexcept nogil:
    """The span as an unsigned decimal; -1 when empty, not all digits, or above 10**15."""
    cdef uint32_t i
    cdef int64_t value = 0
    if span.start >= span.end or span.end > c.size or span.end - span.start > 15:
        return -1
    for i in range(span.start, span.end):
        if not is_digit(c.data[i]):
            return -1
        value = value * 10 + (c.data[i] - 48)
    return value
