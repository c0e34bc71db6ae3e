"""What an order is about, and the keys under which the engine keeps it."""

from __future__ import annotations

import pytest

from sipsensor.live.targets import Keys, is_address, span, target
from sipsensor.track.ends import Ends
from tests.support.packets import LINK_RAW, PBX, PBX6, STRANGER, STRANGER6, datagram, message, wide
from tests.support.scanning import PLAIN


@pytest.mark.parametrize(("src", "dst"), [(STRANGER, PBX), (STRANGER6, PBX6)])
def test_keys_are_those_of_its_packets(src: str, dst: str) -> None:
    keys = Keys(PLAIN)
    for port in (5060, 40000):
        seen = PLAIN.examine_raw(datagram(message(), src, dst, port), LINK_RAW, 1)
        end = Ends().of(seen, outgoing=False)
        assert keys.of(wide(src)).source == end.source
        assert keys.of(wide(src)).address == end.address
        assert keys.of(wide(src)).network == seen.prefix_key(False, 3, 6)
        assert keys.port(wide(src), port) == end.port
        assert keys.account("BOB") == seen.key(b"bob")
        assert keys.account(f"{end.port:016x}") == end.port


@pytest.mark.parametrize(
    ("text", "shown", "source"),
    [
        ("203.0.113.9", "203.0.113.9", "203.0.113.9"),
        ("203.0.113.0/24", "203.0.113.0/24", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.9"),
        ("2001:DB8::1", "2001:db8::1", "2001:db8::/64"),
        ("2001:db8::/48", "2001:db8::/48", "2001:db8::/48"),
    ],
)
def test_addresses_and_networks(text: str, shown: str, source: str) -> None:
    named = target(text)
    assert (named.text, named.source.text) == (shown, source)
    assert named.table.contains(named.packed)


def test_what_is_one_address() -> None:
    assert is_address("203.0.113.9")
    assert is_address("2001:db8::1")
    assert not any(is_address(text) for text in ("201", "203.0.113.0/24", "fe80::1%eth0", "alice", ""))


def test_spans() -> None:
    assert [span({"for": text}, "for", 1) for text in ("90s", "15m", 5)] == [90, 900, 5]
    assert span({}, "for", 7) == 7
    assert span({}, "for", None) is None
