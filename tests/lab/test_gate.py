"""What a gate may never let through unseen, whoever says it comes from where, and however large it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import network as net
from tests.lab.network import wait_for
from tests.lab.sensor import GATEWAY, Running, sensor
from tests.lab.traffic.field import ALLOWLIST, FORGED, PBX, STRANGERS, TRUSTED, Field, Load, field
from tests.lab.traffic.watch import Connections, Samples, samples

SEND = f"python3 {Path(__file__).parent}/send.py"
SEEN_WHOLE = {4: 65503, 6: 65483}
"""The largest payload that the kernel shows whole (65,531 bytes of a packet), and then the largest that can be sent."""
LARGEST = {4: 65507, 6: 65527}
VERSIONS = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """A gateway without a rule of its own."""
    with field(tmp_path_factory.mktemp("gate")) as made:
        yield made


def settle(running: Running, name: str, value: float) -> Samples:
    """The samples, once one of them is as it should be. Raises AssertionError when it does not get there."""
    seen = Samples()

    def there() -> bool:
        nonlocal seen
        seen = samples(running)
        return seen[name] >= value

    try:
        wait_for(there, 30, name)
    except AssertionError as error:
        told = {sample: number for sample, number in seen.items() if number and "_total" in sample}
        raise AssertionError(f"{error}: {told}") from None
    return seen


@VERSIONS
def test_a_scanner_in_the_last_fragment_is_dropped_where_nothing_tracks_connections(
    ground: Field, folder: Path, version: int
) -> None:
    ground = ground.within(folder)
    with sensor(ground.network.gateway, folder, GATEWAY) as running:
        with ground.responder(version) as pbx:
            ground.network.outside.run(f"{SEND} {PBX[version]} scanner-6000 --count 10")
            seen = settle(running, 'sipsensor_drops_total{reason="SIGNATURE"}', 10)
            assert seen.total("sipsensor_packets_total") == 10
            assert seen.total("sipsensor_packet_bytes_total") == 10 * (6000 + 8 + (20 if version == 4 else 40))
            assert pbx.end()["received"] == 0
        with ground.responder(version) as pbx:
            ground.network.outside.run(f"{SEND} {PBX[version]} lawful-6000 --count 10")
            settle(running, 'sipsensor_verdicts_total{verdict="accept"}', 20)
            figures = pbx.end()
            assert (figures["received"], figures["OPTIONS"]) == (10, 10)
        assert Connections.of(ground.network.gateway).count == 0


@VERSIONS
def test_the_largest_datagrams_are_seen_whole_or_dropped(ground: Field, folder: Path, version: int) -> None:
    ground = ground.within(folder)
    whole, largest = SEEN_WHOLE[version], LARGEST[version]
    with sensor(ground.network.gateway, folder, GATEWAY) as running, ground.responder(version) as pbx:
        for kind, size in (("scanner", whole), ("lawful", whole), ("lawful", whole + 1), ("lawful", largest)):
            ground.network.outside.run(f"{SEND} {PBX[version]} {kind}-{size}")
        settle(running, 'sipsensor_drops_total{reason="UNINSPECTED"}', 2)
        seen = settle(running, 'sipsensor_drops_total{reason="SIGNATURE"}', 1)
        assert seen.total("sipsensor_truncated_packets_total") == 2
        wait_for(lambda: samples(running).total("sipsensor_packets_total") == 5, 20, "the answer to the lawful one")
        assert pbx.end()["received"] == 1


@pytest.mark.parametrize("placement", ["gateway", "host"])
def test_of_the_largest_datagrams_the_very_last_bytes_are_seen(folder: Path, placement: str) -> None:
    """Put together by the kernel from 45 fragments; in the last of them a scanner says its name, four bytes before the end."""
    with field(folder, placement) as ground, sensor(ground.sensing, folder, ground.settings) as running:
        for version in (4, 6):
            size = SEEN_WHOLE[version]
            with ground.responder(version) as pbx:
                for kind in (f"last-{size}", f"lawful-{size}", f"lawful-{size + 1}"):
                    ground.network.outside.run(f"{SEND} {PBX[version]} {kind}")
                rounds = 1 if version == 4 else 2
                settle(running, 'sipsensor_drops_total{reason="SIGNATURE"}', rounds)
                seen = settle(running, 'sipsensor_drops_total{reason="UNINSPECTED"}', rounds)
                assert seen.total("sipsensor_truncated_packets_total") == rounds
                wait_for(
                    lambda: samples(running).total("sipsensor_packets_total") == 4 * rounds,  # noqa: B023 - called here
                    20,
                    "the answer to the lawful one",
                )
                assert pbx.end()["received"] == 1


def in_its_name(ground: Field, version: int) -> list[int]:
    """Packets with the PBX's address as source that arrived: outside, and at the PBX host itself."""
    tool = "iptables" if version == 4 else "ip6tables"
    return [
        int(line.split()[0])
        for space in (ground.network.outside, ground.network.pbx)
        for line in space.run(f"{tool} -w -t raw -vnxL PREROUTING").splitlines()
        if "/* from the pbx */" in line
    ]


@pytest.fixture
def counted(ground: Field) -> Iterator[Field]:
    """With counters of what comes with the PBX's address."""
    rule = "PREROUTING -s {} -m comment --comment 'from the pbx'"
    for change in ("A", "D"):
        for version, tool in ((4, "iptables"), (6, "ip6tables")):
            for space in (ground.network.outside, ground.network.pbx):
                space.run(f"{tool} -w -t raw -{change} {rule.format(PBX[version])}")
        if change == "A":
            yield ground


@VERSIONS
def test_without_a_sensor_what_is_forged_arrives(counted: Field, version: int) -> None:
    for destination in (FORGED[version], net.PBX[version]):
        counted.network.outside.run(f"{SEND} {destination} forged-401 --from {PBX[version]}")
    wait_for(lambda: in_its_name(counted, version) == [1, 1], 20, "what was forged")


@VERSIONS
def test_what_is_forged_in_the_name_of_the_pbx_is_dropped_and_changes_nothing(
    counted: Field, folder: Path, version: int
) -> None:
    ground = counted.within(folder)
    out, inside = FORGED[version], net.PBX[version]
    kinds = ("401", "200", "OPTIONS", "REGISTER")
    with sensor(ground.network.gateway, folder, GATEWAY + ALLOWLIST) as running, ground.responder(version):
        ground.heard(STRANGERS, Load(rate=50, seconds=0.2), version).assert_nothing_lost()
        before = samples(running)
        arrived = in_its_name(ground, version)
        for kind in kinds:
            for destination in (out, inside):
                ground.network.outside.run(f"{SEND} {destination} forged-{kind} --from {PBX[version]}")
        seen = settle(running, 'sipsensor_drops_total{reason="SPOOFED"}', 2 * len(kinds)).since(before)
        assert seen['sipsensor_drops_total{reason="SPOOFED"}'] == 2 * len(kinds)
        assert seen.total("sipsensor_forged_packets_total") == 2 * len(kinds)
        assert seen['sipsensor_verdicts_total{verdict="drop"}'] == 2 * len(kinds)
        assert seen.total("sipsensor_messages_total") == 0
        assert seen.total("sipsensor_alerts_total") == 0
        assert in_its_name(ground, version) == arrived
        for who in (STRANGERS, TRUSTED):
            ground.heard(who, Load(rate=50, seconds=0.2), version).assert_nothing_lost()
