"""The tables of the fast path against models so simple that they cannot be wrong."""

from __future__ import annotations

import ipaddress
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from sipsensor.fastpath.ranges import Networks
from sipsensor.fastpath.tables import RateTable, SeenTable, keyed_hash
from sipsensor.model import NANOSECONDS
from tests.support.packets import wide
from tests.support.siphash import keyed

WAYS = 8


class Bucket:
    """A leaky bucket as one explains it: it holds so many units, and they leak evenly."""

    def __init__(self, count: int, seconds: int) -> None:
        self.count = count
        self.per_unit = seconds * NANOSECONDS // count
        self.level = Fraction(0)
        self.at = 0

    def leak(self, now: int) -> None:
        self.level = max(Fraction(0), self.level - Fraction(now - self.at, self.per_unit))
        self.at = now

    def charge(self, now: int) -> bool:
        self.leak(now)
        if self.level + 1 > self.count:
            return True
        self.level += 1
        return False

    def refund(self, now: int) -> None:
        self.leak(now)
        self.level = max(Fraction(0), self.level - 1)


limits = st.tuples(st.integers(1, 50), st.integers(1, 120))
steps = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["charge", "charge", "charge", "refund"]), st.integers(0, 20 * NANOSECONDS)
    ),
    max_size=120,
)


@given(st.lists(limits, min_size=1, max_size=4), steps)
@settings(max_examples=200, deadline=None)
def test_buckets_do_what_buckets_do(pairs: list[tuple[int, int]], history: list[tuple[int, str, int]]) -> None:
    table = RateTable(64, pairs)
    model = {key: [Bucket(*pair) for pair in pairs] for key in range(1, 5)}
    known: set[int] = set()
    now = 0
    for number, what, wait in history:
        key, now = number + 1, now + wait
        if what == "charge":
            known.add(key)
            over = table.charge(key, now)
            assert over == sum(bucket.charge(now) << bit for bit, bucket in enumerate(model[key]))
        else:
            table.refund(key, now)
            if key in known:
                for bucket in model[key]:
                    bucket.refund(now)
        for bit, bucket in enumerate(model[key]):
            bucket.leak(now)
            assert abs(table.level(key, now, bit) - float(bucket.level)) < 1e-6


@given(limits, st.lists(st.integers(0, 5 * NANOSECONDS), min_size=1, max_size=100), st.integers(-(10**15), 10**18))
@settings(max_examples=100, deadline=None)
def test_when_it_happens_does_not_matter(pair: tuple[int, int], waits: list[int], shift: int) -> None:
    def answers(start: int) -> list[int]:
        table, now, found = RateTable(8, [pair]), start, []
        for wait in waits:
            now += wait
            found.append(table.charge(7, now))
        return found

    assert answers(2 * 10**15) == answers(2 * 10**15 + shift)


class Set:
    """One set of eight: what outranks a newcomer stays; of the rest the lowest, longest untouched goes."""

    def __init__(self) -> None:
        self.slots: dict[int, tuple[int, int]] = {}
        self.evictions = 0

    def touch(self, key: int, clock: int, rank: int) -> bool:
        if key not in self.slots and len(self.slots) == WAYS:
            beaten = [(held, touched, other) for other, (held, touched) in self.slots.items() if held <= rank]
            if not beaten:
                return False
            del self.slots[min(beaten)[2]]
            self.evictions += 1
        self.slots[key] = (rank, clock)
        return True


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 2)), max_size=200))
@settings(max_examples=200, deadline=None)
def test_who_stays_in_a_full_table(touches: list[tuple[int, int]]) -> None:
    table, sets = RateTable(16, [(10, 10**9)]), {0: Set(), 1: Set()}
    for clock, (key, rank) in enumerate(touches):
        table.charge(key, 0, rank)
        sets[key & 1].touch(key, clock, rank)
    for key in range(1, 41):
        assert (table.level(key, 0) > 0) == (key in sets[key & 1].slots)
    assert table.evictions == sum(one.evictions for one in sets.values())
    assert table.fill == sum(len(one.slots) for one in sets.values()) <= table.capacity


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 20 * NANOSECONDS)), max_size=150), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_sights_are_counted_from_the_first(history: list[tuple[int, int]], life: int) -> None:
    table, now = SeenTable(64, life), 0
    seen: dict[int, tuple[int, int]] = {}
    for key, wait in history:
        now += wait
        since, count = seen.get(key, (now, 0))
        if now - since > life * NANOSECONDS:
            since, count = now, 0
        assert table.touch(key, now) == count
        seen[key] = (since, count + 1)


four = st.builds(
    lambda address, length: f"{ipaddress.ip_network((address, length), strict=False)}",
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
six = st.builds(
    lambda address, length: f"{ipaddress.ip_network((ipaddress.IPv6Address(address), length), strict=False)}",
    st.integers(0, 2**128 - 1),
    st.integers(0, 128),
)


@given(st.lists(four | six, max_size=12), st.lists(st.ip_addresses(), max_size=20), st.data())
@settings(max_examples=300, deadline=None)
def test_networks_hold_what_ipaddress_says(
    texts: list[str], addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address], data: st.DataObject
) -> None:
    networks = Networks(texts)
    parsed = [ipaddress.ip_network(text) for text in texts]
    for network in parsed:
        edge = data.draw(st.sampled_from([network.network_address, network.broadcast_address]))
        addresses.append(edge)
        number = int(edge) + data.draw(st.sampled_from([-1, 1]))
        if 0 <= number < 2**edge.max_prefixlen:
            addresses.append(type(edge)(number))
    for address in addresses:
        mapped = getattr(address, "ipv4_mapped", None)
        plain = address if mapped is None else mapped
        expected = any(plain in network for network in parsed if network.version == plain.version)
        assert networks.contains(wide(str(plain))) == expected, (address, texts)


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_keys_are_those_of_the_reference(seed: bytes, data: bytes) -> None:
    assert keyed_hash(seed, data) == keyed(seed, data)
