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


cdef extern from *:
    """
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #endif

    /* Searches of the `size` bytes at `p`, of which `room` (at least `size`) may be read: sixteen at a time as long as those are there, so that a
       short span inside a longer packet takes one step. All answer the offset, or `size`. */
    #if defined(__SSE2__)
    #define SIXTEEN_AT_A_TIME(found_in)                                                     \\
        for (; i < size && room - i >= 16; i += 16) {                                       \\
            const __m128i block = _mm_loadu_si128((const __m128i *) (p + i));               \\
            const unsigned found = (unsigned) _mm_movemask_epi8(found_in);                  \\
            if (found) {                                                                    \\
                i += (uint32_t) __builtin_ctz(found);                                       \\
                return i < size ? i : size;                                                 \\
            }                                                                               \\
        }
    #define IS(byte) _mm_cmpeq_epi8(block, _mm_set1_epi8((char) (byte)))
    #define AT_MOST(value, bound) _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(bound)), value)
    #else
    #define SIXTEEN_AT_A_TIME(found_in)
    #endif

    /* The first byte below 0x20. */
    static inline uint32_t control_offset(const uint8_t *p, uint32_t size, uint32_t room) {
        uint32_t i = 0;
        SIXTEEN_AT_A_TIME(AT_MOST(block, 0x1F))
        while (i < size && p[i] >= 0x20) i++;
        return i < size ? i : size;
    }

    /* The first `byte`. */
    static inline uint32_t byte_offset(const uint8_t *p, uint32_t size, uint32_t room, uint8_t byte) {
        uint32_t i = 0;
        SIXTEEN_AT_A_TIME(IS(byte))
        while (i < size && p[i] != byte) i++;
        return i < size ? i : size;
    }

    /* The first of four bytes, some of which may be equal. */
    static inline uint32_t any_offset(const uint8_t *p, uint32_t size, uint32_t room, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
        uint32_t i = 0;
        SIXTEEN_AT_A_TIME(_mm_or_si128(_mm_or_si128(IS(a), IS(b)), _mm_or_si128(IS(c), IS(d))))
        while (i < size && p[i] != a && p[i] != b && p[i] != c && p[i] != d) i++;
        return i < size ? i : size;
    }

    /* The first byte up to 0x20, or of three others. */
    static inline uint32_t low_offset(const uint8_t *p, uint32_t size, uint32_t room, uint8_t a, uint8_t b, uint8_t c) {
        uint32_t i = 0;
        SIXTEEN_AT_A_TIME(_mm_or_si128(_mm_or_si128(IS(a), IS(b)), _mm_or_si128(IS(c), AT_MOST(block, 0x20))))
        while (i < size && p[i] > 0x20 && p[i] != a && p[i] != b && p[i] != c) i++;
        return i < size ? i : size;
    }

    /* The first byte that is no ASCII letter, digit or hyphen. */
    static inline uint32_t word_offset(const uint8_t *p, uint32_t size, uint32_t room) {
        uint32_t i = 0;
    #if defined(__SSE2__)
        for (; i < size && room - i >= 16; i += 16) {
            const __m128i block = _mm_loadu_si128((const __m128i *) (p + i));
            const __m128i letter = _mm_sub_epi8(_mm_or_si128(block, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
            const __m128i digit = _mm_sub_epi8(block, _mm_set1_epi8('0'));
            const __m128i in = _mm_or_si128(_mm_or_si128(AT_MOST(letter, 25), AT_MOST(digit, 9)), IS('-'));
            const unsigned out = (unsigned) _mm_movemask_epi8(in) ^ 0xFFFF;
            if (out) {
                i += (uint32_t) __builtin_ctz(out);
                return i < size ? i : size;
            }
        }
    #endif
        while (i < size && ((uint8_t) ((p[i] | 0x20) - 'a') < 26 || (uint8_t) (p[i] - '0') < 10 || p[i] == '-')) i++;
        return i < size ? i : size;
    }

    /* Letters, digits and "+-./=_". */
    static inline int opaque_byte(uint8_t byte) {
        return (uint8_t) ((byte | 0x20) - 'a') < 26 || (uint8_t) (byte - '-') < 13 || byte == '+' || byte == '=' || byte == '_';
    }

    /* `size` bytes at `p` are those at `kept`, but for opaque ones where `loose` has a bit. */
    static inline int same_but_loose(const uint8_t *p, const uint8_t *kept, const uint16_t *loose, uint32_t size) {
        uint32_t i = 0;
    #if defined(__SSE2__)
        for (; size - i >= 16; i += 16) {
            const __m128i block = _mm_loadu_si128((const __m128i *) (p + i));
            const unsigned differs = (unsigned) _mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_loadu_si128((const __m128i *) (kept + i)))) ^ 0xFFFF;
            if (differs) {
                const __m128i letter = _mm_sub_epi8(_mm_or_si128(block, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
                const __m128i digit = _mm_sub_epi8(block, _mm_set1_epi8('-'));
                const __m128i word = _mm_or_si128(_mm_or_si128(AT_MOST(letter, 25), AT_MOST(digit, 12)), IS('+'));
                if (differs & ~((unsigned) _mm_movemask_epi8(_mm_or_si128(word, _mm_or_si128(IS('='), IS('_')))) & loose[i / 16])) return 0;
            }
        }
    #endif
        for (; i < size; i++)
            if (p[i] != kept[i] && !(loose[i / 16] >> i % 16 & 1 && opaque_byte(p[i]))) return 0;
        return 1;
    }
    """
    uint32_t control_offset(const uint8_t *p, uint32_t size, uint32_t room) noexcept nogil
    uint32_t byte_offset(const uint8_t *p, uint32_t size, uint32_t room, uint8_t byte) noexcept nogil
    uint32_t any_offset(const uint8_t *p, uint32_t size, uint32_t room, uint8_t a, uint8_t b, uint8_t c, uint8_t d) noexcept nogil
    uint32_t low_offset(const uint8_t *p, uint32_t size, uint32_t room, uint8_t a, uint8_t b, uint8_t c) noexcept nogil
    uint32_t word_offset(const uint8_t *p, uint32_t size, uint32_t room) noexcept nogil
    bint opaque_byte(uint8_t byte) noexcept nogil
    bint same_but_loose(const uint8_t *p, const uint8_t *kept, const uint16_t *loose, uint32_t size) noexcept nogil


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
    if i >= c.size:
        return 0
    if c.size - i >= 8:
        memcpy(&value, c.data + i, 8)       # of a length that the compiler knows: one load
    else:
        memcpy(&value, c.data + i, c.size - i)
    return value


cdef inline uint64_t few64(Cursor c, uint32_t i, uint32_t count) noexcept nogil:
    """The first `count` (0 to 8, more counts as 8) bytes of `word64`, the rest zero."""
    cdef uint64_t value = word64(c, i)
    return value if count >= 8 else value & ((<uint64_t> 1 << 8 * count) - 1)


cdef inline uint64_t lower64(uint64_t word) noexcept nogil:
    """Eight bytes with ASCII letters in lower case, as `lower` makes them."""
    cdef uint64_t seven = word & <uint64_t> 0x7F7F7F7F7F7F7F7F
    cdef uint64_t from_a = seven + <uint64_t> 0x3F3F3F3F3F3F3F3F        # bit 7: at least "A"
    cdef uint64_t above_z = seven + <uint64_t> 0x2525252525252525       # bit 7: above "Z"
    return word | ((from_a ^ above_z) & ~word & <uint64_t> 0x8080808080808080) >> 2


cdef inline uint64_t folded64(Cursor c, uint32_t i, uint32_t count) noexcept nogil:
    """`count` (1 to 8) bytes from `i` with bit 5 set in each, the rest zero: equal for names that differ in letter case only."""
    cdef uint64_t value = word64(c, i) | <uint64_t> 0x2020202020202020
    return value if count >= 8 else value & (<uint64_t> -1 >> (64 - 8 * count))


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
    """Index of the first byte below 0x20 in [start, end), or `end`. As those below, sixteen bytes at a time: a scan spends most here."""
    if end > c.size:
        end = c.size
    return start + control_offset(c.data + start, end - start, c.size - start) if start < end else end


cdef inline uint32_t find_near(Cursor c, uint32_t start, uint32_t end, uint8_t byte) noexcept nogil:
    """As `find`, for a byte that is expected within the next few: no call."""
    if end > c.size:
        end = c.size
    return start + byte_offset(c.data + start, end - start, c.size - start, byte) if start < end else end


cdef inline uint32_t find_any(Cursor c, uint32_t start, uint32_t end, uint8_t a, uint8_t b, uint8_t d, uint8_t e) noexcept nogil:
    """Index of the first of four bytes (some may be equal) in [start, end), or `end`."""
    if end > c.size:
        end = c.size
    return start + any_offset(c.data + start, end - start, c.size - start, a, b, d, e) if start < end else end


cdef inline uint32_t find_blank_or(Cursor c, uint32_t start, uint32_t end, uint8_t a, uint8_t b, uint8_t d) noexcept nogil:
    """Index of the first SP, HTAB, CR, LF or one of three bytes in [start, end), or `end`."""
    if end > c.size:
        end = c.size
    while start < end:
        start += low_offset(c.data + start, end - start, c.size - start, a, b, d)
        if start >= end or is_blank(c.data[start]) or c.data[start] == a or c.data[start] == b or c.data[start] == d:
            return start
        start += 1
    return end


cdef inline uint32_t end_of_word(Cursor c, uint32_t start) noexcept nogil:
    """Index of the first byte from `start` that is no letter, digit or hyphen, or the size."""
    return start + word_offset(c.data + start, c.size - start, c.size - start) if start < c.size else c.size


cdef inline bint is_opaque(int byte) noexcept nogil:
    """A letter, a digit or one of "+-./=_": nothing that separates, quotes, escapes or ends anything."""
    return byte >= 0 and opaque_byte(<uint8_t> byte)


cdef inline bint alike(Cursor c, Cursor kept, const uint16_t *loose) noexcept nogil:
    """Both are as long, and equal but for opaque bytes where `loose`, a bit per byte of them, allows it."""
    return c.size == kept.size and same_but_loose(c.data, kept.data, loose, c.size)


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
    return <unsigned int> byte <= 0x20 and (<uint64_t> 0x100002600 >> byte) & 1


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
