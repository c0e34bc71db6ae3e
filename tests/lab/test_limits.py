"""The limit of each source in the kernel: strangers above theirs are dropped, the trusted above theirs go with the strangers."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from sipsensor.enforce.rules.limits import SIZE
from tests.lab.kernel import NOBODY, TRUST, Lanes, Rules, rules, send, tcp, udp
from tests.lab.network import ATTACKER, PBX, PHONE, Namespace, Network
from tests.lab.sensor import GATEWAY, HOST

VERSIONS = pytest.mark.parametrize("version", [4, 6])
NETWORKS = {4: "10.71.1.0/24", 6: "fd71:1::/64"}
NEIGHBOUR = {4: "10.71.1.77", 6: "fd71:1::77"}
"""Of another address, and for IPv6 of the attacker's /64."""
ELSEWHERE = {4: "10.90.1.1", 6: "fd90:1::1"}
MANY = 60
MOST = 30
"""Of so many at once at most these pass a limit of 5 a second, even where sending takes seconds."""


def limits(source: int = 0, trusted: int = 0, trunk: int = 0) -> str:
    return f"[queue]\nsource_rate = {source}\ntrusted_rate = {trusted}\ntrunk_rate = {trunk}\n"


def register(made: Rules, version: int, phone: dict[int, str], port: int) -> None:
    made.space.run(f"nft 'add element inet sipsensor trusted{version} {{ {phone[version]} . {port} timeout 1h }}'")


def fill(space: Namespace, name: str, version: int, port: str = "") -> None:
    """A dynamic set with as many elements as it takes."""
    first = IPv4Address("11.0.0.0") if version == 4 else IPv6Address("fd11::")
    step = 1 if version == 4 else 1 << 64
    script = space.run("mktemp").strip()
    elements = ", ".join(f"{first + number * step}{port} timeout 1h" for number in range(SIZE))
    Path(script).write_text(f"add element inet sipsensor {name}{version} {{ {elements} }}\n")
    try:
        space.run(f"nft -f {script}")
    finally:
        Path(script).unlink()


@VERSIONS
def test_a_stranger_above_his_limit_is_stopped_and_nobody_else(lab: Network, folder: Path, version: int) -> None:
    with rules(lab.gateway, folder, GATEWAY + TRUST + limits(source=5)) as made:
        send(lab.outside, *[udp(version, ATTACKER, NOBODY, sport=1024 + number) for number in range(MANY)])
        found = made.new()
        assert found.strangers <= MOST
        assert found == Lanes(strangers=found.strangers, sources=MANY - found.strangers)
        # The trusted do not meet this limit, nor does what the PBX answers.
        send(lab.outside, *[udp(version, PHONE, NOBODY)] * MANY)
        send(lab.pbx, *[udp(version, PBX, ATTACKER)] * MANY)
        assert made.new() == Lanes(trusted=MANY, strangers=MANY)
        send(lab.outside, udp(version, ELSEWHERE, NOBODY), tcp(version, ELSEWHERE, NOBODY))
        assert made.new() == Lanes(strangers=1, strangers_tcp=1)


@VERSIONS
def test_a_source_is_an_address_and_of_ipv6_a_64(lab: Network, folder: Path, version: int) -> None:
    with rules(lab.gateway, folder, GATEWAY + limits(source=5)) as made:
        send(lab.outside, *[udp(version, ATTACKER, NOBODY)] * MANY)
        made.new()
        send(lab.outside, *[udp(version, NEIGHBOUR, NOBODY)] * 9)
        found = made.new()
        assert found.strangers + found.sources == 9
        assert (found.sources > 0) == (version == 6)


@VERSIONS
def test_in_observe_mode_it_is_counted_and_all_are_judged(lab: Network, folder: Path, version: int) -> None:
    with rules(lab.gateway, folder, GATEWAY + limits(source=5), "observe") as made:
        send(lab.outside, *[udp(version, ATTACKER, NOBODY)] * MANY)
        found = made.new()
        assert found == Lanes(strangers=MANY, sources=found.sources)
        assert found.sources >= MANY - MOST


@VERSIONS
def test_a_proxy_that_carries_many_has_no_such_limit(lab: Network, folder: Path, version: int) -> None:
    text = GATEWAY + f'proxies = ["{ATTACKER[version]}"]\n' + limits(source=5)
    with rules(lab.gateway, folder, text) as made:
        send(lab.outside, *[udp(version, ATTACKER, NOBODY)] * MANY)
        assert made.new() == Lanes(strangers=MANY)


@VERSIONS
@pytest.mark.parametrize("placement", ["gateway", "host"])
def test_a_phone_above_its_limit_goes_with_the_strangers(
    lab: Network, folder: Path, version: int, placement: str
) -> None:
    text, space, to = (GATEWAY, lab.gateway, NOBODY) if placement == "gateway" else (HOST, lab.pbx, PBX)
    with rules(space, folder, text + limits(trusted=5)) as made:
        for port in (5060, 5062):
            register(made, version, PHONE, port)
        send(lab.outside, *[udp(version, PHONE, to)] * MANY)
        found = made.new()
        assert found.trusted <= MOST
        assert found == Lanes(trusted=found.trusted, strangers=MANY - found.trusted, fallen=MANY - found.trusted)
        # Its neighbour behind the same address keeps the queue, and what is sent to it is not limited.
        send(lab.outside, *[udp(version, PHONE, to, sport=5062)] * 4)
        send(lab.pbx, *[udp(version, PBX, PHONE)] * MANY)
        assert made.new() == Lanes(trusted=4 + MANY)


@VERSIONS
def test_what_falls_meets_the_limit_of_its_source(lab: Network, folder: Path, version: int) -> None:
    with rules(lab.gateway, folder, GATEWAY + limits(source=5, trusted=5)) as made:
        register(made, version, PHONE, 5060)
        send(lab.outside, *[udp(version, PHONE, NOBODY)] * MANY)
        found = made.new()
        assert found.sources > 0
        assert found.trusted + found.fallen == MANY
        assert found.strangers + found.sources == found.fallen


@VERSIONS
def test_a_trusted_network_is_limited_by_address_whatever_the_port(lab: Network, folder: Path, version: int) -> None:
    text = (
        GATEWAY + f'[trust]\nallowlist = ["{NETWORKS[version]}", "{ELSEWHERE[version]}"]\n' + limits(trunk=5, trusted=1)
    )
    with rules(lab.gateway, folder, text) as made:
        register(made, version, ATTACKER, 5060)  # the wider limit counts
        send(lab.outside, *[udp(version, ATTACKER, NOBODY, sport=1024 + number) for number in range(MANY)])
        found = made.new()
        assert found.trusted <= MOST
        assert found == Lanes(trusted=found.trusted, strangers=MANY - found.trusted, fallen=MANY - found.trusted)
        send(lab.outside, *[udp(version, ELSEWHERE, NOBODY)] * 4)
        assert made.new() == Lanes(trusted=4)


def test_where_a_set_is_full_the_least_is_lost(lab: Network, folder: Path) -> None:
    """A stranger is not limited by himself, a phone keeps its queue, and an address of a trusted network that found no place does not."""
    text = GATEWAY + f'[trust]\nallowlist = ["{ELSEWHERE[4]}", "{ELSEWHERE[6]}"]\n' + limits(1, 1, 1)
    with rules(lab.gateway, folder, text) as made:
        for version in (4, 6):
            register(made, version, PHONE, 5060)
            fill(lab.gateway, "source_rates", version)
            fill(lab.gateway, "phone_rates", version, " . 5060")
            fill(lab.gateway, "network_rates", version)
            send(lab.outside, *[udp(version, ATTACKER, NOBODY)] * MANY)
            assert made.new() == Lanes(strangers=MANY)
            send(lab.outside, *[udp(version, PHONE, NOBODY)] * MANY)
            assert made.new() == Lanes(trusted=MANY)
            send(lab.outside, *[udp(version, ELSEWHERE, NOBODY)] * MANY)
            assert made.new() == Lanes(strangers=MANY, fallen=MANY)


def test_reading_the_counters_does_not_read_the_sources(lab: Network, folder: Path) -> None:
    with rules(lab.gateway, folder, GATEWAY + limits(1, 1, 1)) as made:
        empty = seconds(made)
        for name in ("source_rates", "network_rates"):
            fill(lab.gateway, name, 4)
        assert seconds(made) < 10 * empty


def seconds(made: Rules) -> float:
    """How long one reading takes at least."""
    took = []
    for _ in range(5):
        before = time.monotonic()
        made.new()
        took.append(time.monotonic() - before)
    return min(took)
