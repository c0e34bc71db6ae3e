# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""State that every packet touches: bounded, set-associative tables keyed by 64-bit keyed hashes.

Rules. All memory is taken at construction; a look-up reads the eight keys of one set, one line of the cache, and
nothing else, whatever the table holds. When the set is full, the slot of the lowest rank goes, and of these the one longest untouched (by a
counter, because time stamps may be equal): a flood of strangers cannot push out what outranks it. A key of 0 is no key: it is never stored. Buckets are leaky, kept as one time stamp each, the
moment at which the bucket will be empty (the theoretical arrival time of GCRA), so nothing is ever swept.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from sipsensor.fastpath.cursor cimport cursor_over
from sipsensor.fastpath.hashing cimport Hash, hash_end, hash_part, hash_start

cdef int64_t SECOND = 1_000_000_000


def keyed_hash(bytes seed not None, bytes data not None):
    """SipHash-1-3 of ``data`` under 16 bytes of seed."""
    cdef uint64_t keys[2]
    cdef Hash h
    if len(seed) != 16:
        raise ValueError("a seed has 16 bytes")
    memcpy(keys, <const char *> seed, 16)
    h = hash_start(keys[0], keys[1])
    hash_part(&h, cursor_over(<const char *> data, len(data)))
    return hash_end(&h)


cdef class _Table:
    """The set-associative part: find a key's slot, or make room for it."""

    def __cinit__(self, int capacity, *args, **options):
        cdef uint64_t sets = 1
        if not WAYS <= capacity <= 1 << 26:
            raise ValueError(f"a table holds {WAYS} to {1 << 26} entries, not {capacity}")
        while sets * WAYS < <uint64_t> capacity:
            sets *= 2
        self.mask = sets - 1
        self.capacity = <int> (sets * WAYS)
        self.slots = <Slot *> calloc(self.capacity, sizeof(Slot))
        self.block = calloc(self.capacity * sizeof(uint64_t) + LINE, 1)
        if self.slots == NULL or self.block == NULL:
            raise MemoryError
        self.keys = <uint64_t *> ((<size_t> self.block + LINE - 1) & ~<size_t> (LINE - 1))

    def __dealloc__(self):
        free(self.slots)
        free(self.block)

    cdef int _find(self, uint64_t key) noexcept nogil:
        """The index of the key's slot, or -1."""
        cdef int base = <int> ((key & self.mask) * WAYS), i
        for i in range(base, base + WAYS):
            if self.keys[i] == key:
                return i
        return -1

    cdef int _free(self, uint64_t key, int64_t now) noexcept nogil:
        """A free slot of the key's set, taken for it; -1 when there is none."""
        cdef int base = <int> ((key & self.mask) * WAYS), i
        for i in range(base, base + WAYS):
            if self.keys[i] == 0:
                self.fill += 1
                self.keys[i], self.slots[i].since, self.slots[i].count = key, now, 0
                return i
        return -1

    cdef int _room(self, uint64_t key, int64_t now, uint32_t rank) noexcept nogil:
        """A slot for a new key: a free one, else the least of those that do not outrank it; -1 when all do."""
        cdef int base = <int> ((key & self.mask) * WAYS), i, least = self._free(key, now)
        self.gone = 0
        if least >= 0:
            return least
        for i in range(base, base + WAYS):
            if self.slots[i].rank > rank:
                continue
            if least < 0 or self.slots[i].rank < self.slots[least].rank or (
                self.slots[i].rank == self.slots[least].rank and self.slots[i].touched < self.slots[least].touched
            ):
                least = i
        if least < 0:
            return -1
        self.evictions += 1
        self.gone = self.keys[least]
        self.keys[least], self.slots[least].since, self.slots[least].count = key, now, 0
        return least

    cdef void _touch(self, int slot, uint32_t rank) noexcept nogil:
        self.clock += 1
        self.slots[slot].touched = self.clock
        self.slots[slot].rank = rank

    def clear(self):
        """Forget everything."""
        memset(self.slots, 0, self.capacity * sizeof(Slot))
        memset(self.keys, 0, self.capacity * sizeof(uint64_t))
        self.fill = 0


cdef class RateTable(_Table):
    """Leaky buckets: per key one for each ``(count, seconds)`` of ``limits``."""

    def __cinit__(self, int capacity, limits):
        if not 1 <= len(limits) <= LIMITS_MAX:
            raise ValueError(f"a table has 1 to {LIMITS_MAX} limits, not {len(limits)}")
        for count, seconds in limits:
            if not (1 <= count <= seconds * SECOND and count < 1 << 31 and 1 <= seconds < 1 << 31):
                raise ValueError(f"a limit of {count} in {seconds} seconds is out of range")
            self.interval[self.limit_count] = seconds * SECOND // count
            self.depth[self.limit_count] = self.interval[self.limit_count] * <int64_t> count
            self.limit_count += 1
        self.empty = <int64_t *> calloc(<size_t> self.capacity * self.limit_count, sizeof(int64_t))
        if self.empty == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.empty)

    cpdef int charge(self, uint64_t key, int64_t now, uint32_t rank=0) noexcept:
        """Pour one unit into all of the key's buckets; the bit set of the limits it overflowed."""
        cdef int slot, i, over = 0
        cdef int64_t *empty
        if key == 0:
            return 0
        slot = self._find(key)
        if slot < 0:
            slot = self._room(key, now, rank)
            if slot < 0:
                return 0
            memset(self.empty + slot * self.limit_count, 0, self.limit_count * sizeof(int64_t))
        self._touch(slot, rank)
        empty = self.empty + slot * self.limit_count
        for i in range(self.limit_count):
            # Fuller than full: the time went back, as it does from one file to the next.
            if empty[i] < now or empty[i] - now > self.depth[i]:
                empty[i] = now
            if empty[i] + self.interval[i] - now > self.depth[i]:
                over |= 1 << i
            else:
                empty[i] += self.interval[i]
        return over

    cpdef void refund(self, uint64_t key, int64_t now) noexcept:
        """Take one unit back out of all of the key's buckets."""
        cdef int slot = self._find(key) if key else -1, i
        if slot >= 0:
            for i in range(self.limit_count):
                if self.empty[slot * self.limit_count + i] > now:   # what leaked out is not given back on top
                    self.empty[slot * self.limit_count + i] -= self.interval[i]

    cpdef double level(self, uint64_t key, int64_t now, int limit=0) except -1:
        """How many units the bucket of that limit holds. Raises IndexError for a limit the table has not."""
        cdef int slot = self._find(key) if key else -1
        cdef int64_t left
        if not 0 <= limit < self.limit_count:
            raise IndexError(limit)
        if slot < 0:
            return 0.0
        left = self.empty[slot * self.limit_count + limit] - now
        return <double> left / self.interval[limit] if left > 0 else 0.0


cdef class SeenTable(_Table):
    """Counts how often a key was seen; forgets it ``seconds`` after its first sight."""

    def __cinit__(self, int capacity, int seconds):
        if seconds < 1:
            raise ValueError("a key lives for at least a second")
        self.life = seconds * SECOND

    cpdef uint32_t touch(self, uint64_t key, int64_t now) noexcept:
        """How often the key was seen before now."""
        cdef int slot
        if key == 0:
            return 0
        slot = self._find(key)
        if slot < 0:
            slot = self._room(key, now, 0)
        elif not -self.life <= now - self.slots[slot].since <= self.life:   # also where the time went back, from one file to the next
            self.slots[slot].since, self.slots[slot].count = now, 0
        self._touch(slot, 0)
        self.slots[slot].count += 1
        return self.slots[slot].count - 1

    cpdef uint32_t seen(self, uint64_t key, int64_t now) noexcept:
        """How often it was seen, without seeing it."""
        cdef int slot = self._find(key) if key else -1
        return self.slots[slot].count if slot >= 0 and -self.life <= now - self.slots[slot].since <= self.life else 0

    cpdef void forget(self, uint64_t key) noexcept:
        """As if it had never been seen."""
        cdef int slot = self._find(key) if key else -1
        if slot >= 0:
            self.keys[slot] = 0
            self.fill -= 1


cdef class Records(_Table):
    """A few numbers for each key, until a time that the writer sets."""

    def __cinit__(self, int capacity, int width, bint kept=False):
        self.changed = set() if kept else None
        if not 1 <= width <= WORDS_MAX:
            raise ValueError(f"a record has 1 to {WORDS_MAX} numbers, not {width}")
        self.width = width + 1
        self.words = <uint64_t *> calloc(<size_t> self.capacity * self.width, sizeof(int64_t))
        if self.words == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.words)

    cdef uint64_t *_held(self, uint64_t key, int64_t now) noexcept nogil:
        """The key's time and numbers, or NULL; what ran out is gone."""
        cdef int slot = self._find(key) if key else -1
        if slot < 0:
            return NULL
        if <int64_t> self.words[slot * self.width] <= now:
            self.keys[slot] = 0
            self.fill -= 1
            return NULL
        self._touch(slot, self.slots[slot].rank)
        return self.words + slot * self.width

    def get(self, uint64_t key, int64_t now):
        """Its numbers as a tuple; None for a key that is not held."""
        cdef uint64_t *words = self._held(key, now)
        cdef int i
        return None if words == NULL else tuple([words[1 + i] for i in range(self.width - 1)])

    def until(self, uint64_t key, int64_t now):
        """The time until which it is held; 0 for a key that is not."""
        cdef uint64_t *words = self._held(key, now)
        return 0 if words == NULL else words[0]

    cpdef bint holds(self, uint64_t key, int64_t now) noexcept:
        """Whether the key is held."""
        return self._held(key, now) != NULL

    cpdef uint64_t first(self, uint64_t key, int64_t now, uint64_t missing=0) noexcept:
        """Its first number; ``missing`` for a key that is not held."""
        cdef uint64_t *words = self._held(key, now)
        return missing if words == NULL else words[1]

    cpdef int find(self, uint64_t key, int64_t now) noexcept:
        """The key's place, for `number`, until the table is next written to; -1 for a key that is not held."""
        cdef uint64_t *words = self._held(key, now)
        return <int> ((words - self.words) // self.width) if words != NULL else -1

    cpdef uint64_t number(self, int place, int index) noexcept:
        """One of the numbers at a place that `find` or `keep` gave; 0 for what is none."""
        return self.words[place * self.width + 1 + index] if 0 <= place < self.capacity and 0 <= index < self.width - 1 else 0

    cpdef int keep(self, uint64_t key, int64_t now, int64_t until, uint32_t rank=0) except -2:
        """A place for the key until then, its numbers as they were or anything: `fill_in` all of them. -1 when all that its set holds
        outranks it, or there is nothing to key.
        """
        cdef int slot = self._place(key, now, until, rank)
        if slot >= 0:
            self._note(slot)
        return slot

    cdef int _place(self, uint64_t key, int64_t now, int64_t until, uint32_t rank) except -2:
        """`keep`, and nobody is told yet."""
        cdef int slot
        if key == 0:
            return -1
        slot = self._find(key)
        if slot < 0:
            slot = self._free(key, now)
        if slot < 0:
            slot = self._spent(key, now)
        if slot < 0:
            slot = self._room(key, now, rank)
            if slot < 0:
                return -1
            if self.gone and self.changed is not None:
                self.changed.add(self.gone)
        self._touch(slot, rank)
        self.words[slot * self.width] = <uint64_t> until
        return slot

    cdef int _note(self, int slot) except -1:
        """Whoever asks for changes hears of this one."""
        if self.changed is not None:
            self.changed.add(self.keys[slot])
            self.slots[slot].since = <int64_t> self.words[slot * self.width]
        return 0

    cdef bint _is_new(self, int slot, int64_t now, int64_t until, uint32_t rank, uint64_t *numbers) noexcept nogil:
        """Whether that is more than a renewal of what is told already: others hear of those once a quarter of the time is gone."""
        cdef int64_t moved
        if slot < 0 or self.slots[slot].rank != rank or <int64_t> self.words[slot * self.width] <= now:
            return True
        if memcmp(self.words + slot * self.width + 1, numbers, (self.width - 1) * sizeof(uint64_t)) != 0:
            return True
        moved = until - self.slots[slot].since
        return moved < 0 or moved > (until - now) // 4

    cpdef void fill_in(self, int place, int index, uint64_t number) noexcept:
        """Write one of the numbers at a place that `keep` just gave."""
        if 0 <= place < self.capacity and 0 <= index < self.width - 1:
            self.words[place * self.width + 1 + index] = number

    cpdef bint put_one(self, uint64_t key, int64_t now, int64_t until, uint64_t number, uint32_t rank=0) except -1:
        """`put` for a table of one number."""
        return self._put(key, now, until, rank, &number) if self.width == 2 else False

    cdef bint _put(self, uint64_t key, int64_t now, int64_t until, uint32_t rank, uint64_t *numbers) except -1:
        cdef bint is_new = self.changed is None or self._is_new(self._find(key) if key else -1, now, until, rank, numbers)
        cdef int slot = self._place(key, now, until, rank)
        if slot < 0:
            return False
        memcpy(self.words + slot * self.width + 1, numbers, (self.width - 1) * sizeof(uint64_t))
        if is_new:
            self._note(slot)
        return True

    def put(self, uint64_t key, int64_t now, int64_t until, numbers, uint32_t rank=0):
        """Hold ``numbers`` until then. False when all that its set holds outranks it, or there is nothing to key."""
        cdef int i
        if len(numbers) != self.width - 1:
            return False
        for i in range(self.width - 1):     # all of them are numbers before any is written
            self.drafted[i] = numbers[i]
        return self._put(key, now, until, rank, self.drafted)

    cpdef void draft(self, int index, uint64_t number) noexcept:
        """One of the numbers that `put_drafted` writes; whoever calls that has drafted all of them."""
        if 0 <= index < self.width - 1:
            self.drafted[index] = number

    cpdef bint put_drafted(self, uint64_t key, int64_t now, int64_t until, uint32_t rank=0) except -1:
        """`put` of the numbers that were drafted."""
        return self._put(key, now, until, rank, self.drafted)

    cdef int _spent(self, uint64_t key, int64_t now) noexcept nogil:
        """A slot of the key's set whose time ran out, taken over for it; -1 when there is none."""
        cdef int base = <int> ((key & self.mask) * WAYS), i
        for i in range(base, base + WAYS):
            if self.keys[i] and <int64_t> self.words[i * self.width] <= now:
                self.keys[i], self.slots[i].since, self.slots[i].count = key, now, 0
                return i
        return -1

    cpdef void forget(self, uint64_t key) except *:
        """Hold it no longer."""
        cdef int slot = self._find(key) if key else -1
        if slot >= 0:
            self.keys[slot] = 0
            self.fill -= 1
            if self.changed is not None:
                self.changed.add(key)

    cdef object _entry(self, int slot):
        cdef uint64_t *words = self.words + slot * self.width
        cdef int i
        return (self.keys[slot], words[0], self.slots[slot].rank, tuple([words[1 + i] for i in range(self.width - 1)]))

    def changes(self):
        """What was written or forgotten since the last call: entries as `entries` gives them; one that is gone has a time of 0."""
        cdef uint64_t key
        cdef int slot
        found = []
        if self.changed:
            for key in self.changed:
                slot = self._find(key)
                found.append(self._entry(slot) if slot >= 0 else (key, 0, 0, ()))
            self.changed = set()
        return found

    def entries(self, int64_t now):
        """All that is held: (key, time until which it holds, rank, numbers)."""
        cdef int slot
        return [
            self._entry(slot) for slot in range(self.capacity)
            if self.keys[slot] and <int64_t> self.words[slot * self.width] > now
        ]

    def distinct(self, int64_t now, uint32_t rank, int place):
        """How many different numbers stand at that place in entries of at least that rank."""
        cdef int slot
        if not 0 <= place < self.width - 1:
            raise IndexError(place)
        found = set()
        for slot in range(self.capacity):
            if self.keys[slot] and self.slots[slot].rank >= rank and <int64_t> self.words[slot * self.width] > now:
                found.add(self.words[slot * self.width + 1 + place])
        return len(found)

    def count(self, int64_t now, uint32_t rank):
        """How many entries of at least that rank are held."""
        cdef int slot, found = 0
        for slot in range(self.capacity):
            if self.keys[slot] and self.slots[slot].rank >= rank and <int64_t> self.words[slot * self.width] > now:
                found += 1
        return found
