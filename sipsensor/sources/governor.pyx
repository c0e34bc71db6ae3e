# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""How many packets of strangers are judged when more come than there is processor for.

Rules. Knows no clock: packets bring their time, the pump says what the process used. Judging is charged by the packet, at the smoothed cost of
one, so a packet is refused before it costs anything. Nothing here is allocated after the start; a packet costs a few instructions until
something is shed, and one look-up in the table of sources while something is. Callers hold the GIL. Limits: the sources of the table; a flood
from more of them, each a new one, meets the bucket of all.
"""

from libc.stdint cimport int64_t, uint64_t

from sipsensor.fastpath.tables cimport RateTable

cdef enum:
    CALM = 10               # windows in a row after which it is less strict
    LEAST = 4               # packets a second that a source has at any level

cdef double SECOND = 1e9
cdef double DEPTH = 0.5e9           # ns that a full bucket of all takes to leak
cdef double WITHIN = 0.9            # the part of the rate that has to do before a level is left
cdef double FLOOR = 0.25            # the part of the share that is left for judging
cdef double SLOW = 1.0 / 64         # how much one sample of the cost weighs
cdef double QUICK = 1.0 / 4         # … and one of the overhead
cdef double FARTHEST = 16           # a sample counts as so many times the cost at most: a pause is no cost


cdef class Governor:
    """See `governor.pyi`."""

    def __init__(self, share, cost, capacity=16384):
        if not 0 < share <= 1:
            raise ValueError(f"a governor keeps to a share of a core above 0, at most 1, not {share}")
        if not 0 < cost < SECOND:
            raise ValueError(f"judging a packet takes more than 0 and less than {SECOND:.0f} ns, not {cost}")
        self.share = share
        self.cost = cost
        rate = self.rate
        self.sources = RateTable(capacity, [(max(LEAST, int(rate / 8 ** level)), 1) for level in range(1, LEVELS + 1)])

    @property
    def rate(self):
        return SECOND / self._interval()

    def admit(self, source, now, refusable=True):
        return self.admits(source, now, refusable)

    def spent(self, nanoseconds):
        self.spend(nanoseconds)

    cdef double _interval(self) noexcept nogil:
        """ns from one packet to the next, at the rate of now."""
        return self.cost / max(self.share * FLOOR, self.share - self.overhead)

    cdef bint _pour(self, int64_t now, bint refusable) noexcept nogil:
        """One packet into the bucket of all; False where it is full, and stays so. What is not refusable may fill it twice over."""
        cdef double interval = self._interval()
        cdef double room = DEPTH if refusable else 2 * DEPTH
        # Fuller than it can be: the time went back.
        if self._empty < now or self._empty - now > 2 * DEPTH + interval:
            self._empty = now
        if self._empty + interval - now > room:
            return False
        self._empty += <int64_t> interval
        return True

    cdef bint admits(self, uint64_t source, int64_t now, bint refusable) except -1:
        cdef int over
        if not refusable:
            self._pour(now, False)
            self._offered += 1
            self.judged += 1
            return True
        if self.level:
            over = self.sources.charge(source, now)
            if over >> (self.level - 1) & 1:
                self.shed_sources += 1
                if self.level == 1 or not over >> (self.level - 2) & 1:
                    self._looser += 1
                return False
        self._offered += 1
        if not self._pour(now, True):
            self._refused += 1
            self.shed_all += 1
            return False
        self.judged += 1
        return True

    cdef void spend(self, int64_t nanoseconds) noexcept nogil:
        cdef double sample = nanoseconds
        sample = min(max(sample, 1.0), self.cost * FARTHEST)
        self.cost += (sample - self.cost) * SLOW

    def settle(self, int64_t now, int64_t processor):
        cdef double window = <double> (now - self._settled)
        cdef double used = <double> (processor - self._processor)
        cdef double judging = <double> (self._offered - self._refused) * self.cost
        if self._settled and window > 0:
            used = min(max((used - judging) / window, 0.0), 1.0)
            self.overhead += (used - self.overhead) * QUICK
            self._adapt(window)
        self._settled = now
        self._processor = processor
        self._offered = self._looser = self._refused = 0

    cdef void _adapt(self, double window):
        """How strict it is from now on."""
        if self._refused:
            self.level = min(self.level + 1, LEVELS)
            self._calm = 0
        elif self.level and (self._offered + self._looser) * self._interval() < WITHIN * window:
            self._calm += 1
            if self._calm >= CALM:
                self.level -= 1
                self._calm = 0
        else:
            self._calm = 0
