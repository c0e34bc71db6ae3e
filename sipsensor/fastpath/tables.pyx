# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""State that every packet touches: bounded, set-associative tables keyed by 64-bit keyed hashes.

Rules. Where a key stands, and who makes room, is the business of `slots`. Buckets are leaky, kept as one time stamp each, the moment at which
the bucket will be empty (the theoretical arrival time of GCRA), so nothing is ever swept.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from sipsensor.fastpath.cursor cimport cursor_over
from sipsensor.fastpath.hashing cimport Hash, hash_end, hash_part, hash_start
from sipsensor.fastpath.slots cimport WAYS, SlotTable

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


cdef class RateTable(SlotTable):
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
        self._lay_out(self.limit_count)

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
            memset(self._numbers(slot), 0, self.limit_count * sizeof(int64_t))
        self._touch(slot, rank)
        empty = <int64_t *> self._numbers(slot)
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
        cdef int64_t *empty
        if slot >= 0:
            empty = <int64_t *> self._numbers(slot)
            for i in range(self.limit_count):
                if empty[i] > now:   # what leaked out is not given back on top
                    empty[i] -= self.interval[i]

    cpdef double level(self, uint64_t key, int64_t now, int limit=0) except -1:
        """How many units the bucket of that limit holds. Raises IndexError for a limit the table has not."""
        cdef int slot = self._find(key) if key else -1
        cdef int64_t left
        if not 0 <= limit < self.limit_count:
            raise IndexError(limit)
        if slot < 0:
            return 0.0
        left = (<int64_t *> self._numbers(slot))[limit] - now
        return <double> left / self.interval[limit] if left > 0 else 0.0


cdef class SeenTable(SlotTable):
    """Counts how often a key was seen; forgets it ``seconds`` after its first sight."""

    def __cinit__(self, int capacity, int seconds):
        if seconds < 1:
            raise ValueError("a key lives for at least a second")
        self.life = seconds * SECOND
        self._lay_out(0)

    cpdef uint32_t touch(self, uint64_t key, int64_t now) noexcept:
        """How often the key was seen before now."""
        cdef int slot
        if key == 0:
            return 0
        slot = self._find(key)
        if slot < 0:
            slot = self._room(key, now, 0)
        elif not -self.life <= now - self._slot(slot).since <= self.life:   # also where the time went back, from one file to the next
            self._slot(slot).since, self._slot(slot).count = now, 0
        self._touch(slot, 0)
        self._slot(slot).count += 1
        return self._slot(slot).count - 1

    cpdef uint32_t seen(self, uint64_t key, int64_t now) noexcept:
        """How often it was seen, without seeing it."""
        cdef int slot = self._find(key) if key else -1
        return self._slot(slot).count if slot >= 0 and -self.life <= now - self._slot(slot).since <= self.life else 0

    cpdef void forget(self, uint64_t key) noexcept:
        """As if it had never been seen."""
        cdef int slot = self._find(key) if key else -1
        if slot >= 0:
            self.keys[slot] = 0
            self.fill -= 1


cdef class Records(SlotTable):
    """A few numbers for each key, until a time that the writer sets."""

    def __cinit__(self, int capacity, int width, bint kept=False):
        self.changed = set() if kept else None
        if not 1 <= width <= WORDS_MAX:
            raise ValueError(f"a record has 1 to {WORDS_MAX} numbers, not {width}")
        self.width = width + 1
        self._lay_out(self.width)

    cpdef int find(self, uint64_t key, int64_t now) noexcept:
        """The key's place, for `number`, until the table is next written to; -1 for a key that is not held. What ran out is gone."""
        cdef int slot = self._find(key) if key else -1
        if slot < 0:
            return -1
        if <int64_t> self._numbers(slot)[0] <= now:
            self.keys[slot] = 0
            self.fill -= 1
            return -1
        self._touch(slot, self._slot(slot).rank)
        return slot

    def get(self, uint64_t key, int64_t now):
        """Its numbers as a tuple; None for a key that is not held."""
        cdef int i, slot = self.find(key, now)
        return None if slot < 0 else tuple([self._numbers(slot)[1 + i] for i in range(self.width - 1)])

    def until(self, uint64_t key, int64_t now):
        """The time until which it is held; 0 for a key that is not."""
        cdef int slot = self.find(key, now)
        return 0 if slot < 0 else self._numbers(slot)[0]

    cpdef bint holds(self, uint64_t key, int64_t now) noexcept:
        """Whether the key is held."""
        return self.find(key, now) >= 0

    cpdef uint64_t first(self, uint64_t key, int64_t now, uint64_t missing=0) noexcept:
        """Its first number; ``missing`` for a key that is not held."""
        cdef int slot = self.find(key, now)
        return missing if slot < 0 else self._numbers(slot)[1]

    cpdef uint64_t number(self, int place, int index) noexcept:
        """One of the numbers at a place that `find` or `keep` gave; 0 for what is none."""
        return self._numbers(place)[1 + index] if 0 <= place < self.capacity and 0 <= index < self.width - 1 else 0

    cpdef int64_t ends(self, int place) noexcept:
        """The time until which such a place is held."""
        return <int64_t> self._numbers(place)[0] if 0 <= place < self.capacity else 0

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
        self._numbers(slot)[0] = <uint64_t> until
        return slot

    cdef int _note(self, int slot) except -1:
        """Whoever asks for changes hears of this one."""
        if self.changed is not None:
            self.changed.add(self.keys[slot])
            self._slot(slot).since = <int64_t> self._numbers(slot)[0]
        return 0

    cdef bint _is_new(self, int slot, int64_t now, int64_t until, uint32_t rank, uint64_t *numbers) noexcept nogil:
        """Whether that is more than a renewal of what is told already: others hear of those once a quarter of the time is gone."""
        cdef int64_t moved
        if slot < 0 or self._slot(slot).rank != rank or <int64_t> self._numbers(slot)[0] <= now:
            return True
        if memcmp(self._numbers(slot) + 1, numbers, (self.width - 1) * sizeof(uint64_t)) != 0:
            return True
        moved = until - self._slot(slot).since
        return moved < 0 or moved > (until - now) // 4

    cpdef void fill_in(self, int place, int index, uint64_t number) noexcept:
        """Write one of the numbers at a place that `keep` just gave."""
        if 0 <= place < self.capacity and 0 <= index < self.width - 1:
            self._numbers(place)[1 + index] = number

    cpdef bint put_one(self, uint64_t key, int64_t now, int64_t until, uint64_t number, uint32_t rank=0) except -1:
        """`put` for a table of one number."""
        return self._put(key, now, until, rank, &number) if self.width == 2 else False

    cdef bint _put(self, uint64_t key, int64_t now, int64_t until, uint32_t rank, uint64_t *numbers) except -1:
        cdef bint is_new = self.changed is None or self._is_new(self._find(key) if key else -1, now, until, rank, numbers)
        cdef int slot = self._place(key, now, until, rank)
        if slot < 0:
            return False
        memcpy(self._numbers(slot) + 1, numbers, (self.width - 1) * sizeof(uint64_t))
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
            if self.keys[i] and <int64_t> self._numbers(i)[0] <= now:
                self.keys[i], self._slot(i).since, self._slot(i).count = key, now, 0
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
        cdef uint64_t *words = self._numbers(slot)
        cdef int i
        return (self.keys[slot], words[0], self._slot(slot).rank, tuple([words[1 + i] for i in range(self.width - 1)]))

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
            if self.keys[slot] and <int64_t> self._numbers(slot)[0] > now
        ]

    def distinct(self, int64_t now, uint32_t rank, int place):
        """How many different numbers stand at that place in entries of at least that rank."""
        cdef int slot
        if not 0 <= place < self.width - 1:
            raise IndexError(place)
        found = set()
        for slot in range(self.capacity):
            if self.keys[slot] and self._slot(slot).rank >= rank and <int64_t> self._numbers(slot)[0] > now:
                found.add(self._numbers(slot)[1 + place])
        return len(found)

    def count(self, int64_t now, uint32_t rank):
        """How many entries of at least that rank are held."""
        cdef int slot, found = 0
        for slot in range(self.capacity):
            if self.keys[slot] and self._slot(slot).rank >= rank and <int64_t> self._numbers(slot)[0] > now:
                found += 1
        return found
